//! Float32 scores of many queries against few rows.

use super::scores::Rows;
use crate::simd::{LANES, Lanes, Loops};

/// Rows of a block of [`PackedRows`].
pub(super) const PACK: usize = 2 * LANES;
/// Queries that are scored together against such a block.
const PACK_QUERIES: usize = 6;

/// Rows in a layout for many queries: blocks of 16, dimension by dimension, so that nothing is added across lanes.
#[derive(Debug)]
pub struct PackedRows {
    dim: usize,
    /// `(blocks, dim, PACK)`; past the end the last row stands in.
    values: Vec<f32>,
}

impl PackedRows {
    /// A copy of rows in this layout.
    #[must_use]
    pub fn new(rows: Rows<'_>) -> Self {
        let dim = rows.dim;
        let mut values = Vec::with_capacity(rows.len().div_ceil(PACK) * PACK * dim);
        for rows in rows.values.chunks(PACK * dim) {
            let last = rows.len() / dim - 1;
            let vectors: [&[f32]; PACK] =
                std::array::from_fn(|k| &rows[k.min(last) * dim..][..dim]);
            for d in 0..dim {
                values.extend_from_slice(&vectors.map(|vector| vector[d]));
            }
        }
        Self { dim, values }
    }

    /// Number of rows, including those that fill up the last block.
    #[must_use]
    pub fn width(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Values per row.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// The blocks: for each dimension, one value of every row.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &[[f32; PACK]]> {
        let blocks = self.values.chunks_exact(PACK * self.dim);
        blocks.map(|block| block.as_chunks().0)
    }

    /// Width of the rows and their number, if the lengths agree.
    pub(super) fn check(&self, queries: &[f32], scores: &[f32]) -> (usize, usize) {
        let (dim, width) = (self.dim, self.width());
        assert!(queries.len().is_multiple_of(dim));
        assert_eq!(scores.len(), queries.len() / dim * width);
        (dim, width)
    }
}

/// Scores every query against every packed row: [`Kernel::packed_scores`](crate::simd::Kernel::packed_scores).
pub(super) struct PackedScores<'a> {
    pub queries: &'a [f32],
    pub rows: &'a PackedRows,
    pub to: &'a mut [f32],
}

impl Loops for PackedScores<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self {
            queries,
            rows,
            to: scores,
        } = self;
        let (dim, width) = rows.check(queries, scores);
        if width == 0 {
            return;
        }
        let tiles = queries.chunks(PACK_QUERIES * dim);
        for (tile, scores) in tiles.zip(scores.chunks_mut(PACK_QUERIES * width)) {
            // Past the end the last query stands in, and is scored more than once.
            let last = tile.len() / dim - 1;
            let mut queries: [&[f32]; PACK_QUERIES] = [&[]; PACK_QUERIES];
            for q in 0..PACK_QUERIES {
                queries[q] = &tile[q.min(last) * dim..][..dim];
            }
            for (block, values) in rows.blocks().enumerate() {
                let mut sums = [[lanes.zero(); 2]; PACK_QUERIES];
                for (d, row) in values.iter().enumerate().take(dim) {
                    let eights = row.as_chunks::<LANES>().0;
                    let (low, high) = (lanes.load(&eights[0]), lanes.load(&eights[1]));
                    for q in 0..PACK_QUERIES {
                        let query = lanes.splat(queries[q][d]);
                        sums[q][0] = lanes.mul_add(query, low, sums[q][0]);
                        sums[q][1] = lanes.mul_add(query, high, sums[q][1]);
                    }
                }
                for q in 0..=last {
                    let to = &mut scores[q * width + block * PACK..][..PACK];
                    let eights = to.as_chunks_mut::<LANES>().0;
                    lanes.store(sums[q][0], &mut eights[0]);
                    lanes.store(sums[q][1], &mut eights[1]);
                }
            }
        }
    }
}
