//! Float32 scores of many queries against few rows.
#![allow(clippy::inline_always, reason = "see generic.rs")]
#![allow(
    clippy::needless_range_loop,
    reason = "indices of constant range are what keeps the sums in registers"
)]

use super::generic::{Lanes, Rows, WIDTH};

/// Rows of a block of [`PackedRows`].
pub(super) const PACK: usize = 2 * WIDTH;
/// Queries scored together against such a block.
const PACK_QUERIES: usize = 6;

/// Rows laid out for many queries: 16 of them dimension by dimension, so that nothing is added across lanes.
#[derive(Debug)]
pub struct PackedRows {
    dim: usize,
    /// `(blocks, dim, PACK)`, zero where there is no row.
    values: Vec<f32>,
}

impl PackedRows {
    /// A copy of rows in this layout.
    #[must_use]
    pub fn new(rows: Rows<'_>) -> Self {
        let dim = rows.dim;
        let mut values = vec![0.0; rows.len().div_ceil(PACK) * PACK * dim];
        for (row, vector) in rows.values.chunks_exact(dim).enumerate() {
            let lanes = &mut values[row / PACK * PACK * dim + row % PACK..];
            for (lane, value) in lanes.iter_mut().step_by(PACK).zip(vector) {
                *lane = *value;
            }
        }
        Self { dim, values }
    }

    /// Number of rows, those that only fill the last block included.
    #[must_use]
    pub fn width(&self) -> usize {
        self.values.len() / self.dim
    }
}

/// Score every query against every packed row; see [`super::Kernel::packed_scores`].
#[inline(always)]
pub(super) fn packed_scores<L: Lanes>(
    lanes: L,
    queries: &[f32],
    rows: &PackedRows,
    scores: &mut [f32],
) {
    let (dim, width) = (rows.dim, rows.width());
    assert!(queries.len().is_multiple_of(dim));
    assert_eq!(scores.len(), queries.len() / dim * width);
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
        for (block, values) in rows.values.chunks_exact(PACK * dim).enumerate() {
            let mut sums = [[lanes.zero(); 2]; PACK_QUERIES];
            for d in 0..dim {
                let eights = values[d * PACK..][..PACK].as_chunks::<WIDTH>().0;
                let (low, high) = (lanes.load(&eights[0]), lanes.load(&eights[1]));
                for q in 0..PACK_QUERIES {
                    let query = lanes.splat(queries[q][d]);
                    sums[q][0] = lanes.mul_add(query, low, sums[q][0]);
                    sums[q][1] = lanes.mul_add(query, high, sums[q][1]);
                }
            }
            for q in 0..=last {
                let to = &mut scores[q * width + block * PACK..][..PACK];
                let eights = to.as_chunks_mut::<WIDTH>().0;
                lanes.store(sums[q][0], &mut eights[0]);
                lanes.store(sums[q][1], &mut eights[1]);
            }
        }
    }
}
