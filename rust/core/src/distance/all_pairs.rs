//! Squared distances of all pairs of many queries and few rows, from float64 products.
//!
//! The product of two float32 numbers is exact in float64. So it makes no difference whether a back end fuses it with
//! the addition, and all of them give the same bits.

use super::error_bounds::MAX_DIM;
use super::exact::ShortRuns;
use super::scores::Rows;
use crate::simd::{Kernel, Lanes, Loops, Portable};

/// Rows of a block.
pub(super) const PACK: usize = 8;
/// Queries that are multiplied with a block together: as many sums as hide the latency.
const QUERIES: usize = 4;

/// One value of each row of a block, aligned so that it never crosses a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Eight(pub [f64; PACK]);

/// Few rows in float64, in blocks of eight, dimension by dimension, so that nothing is added across lanes.
#[derive(Debug)]
pub struct DoubleRows {
    dim: usize,
    /// `(blocks, dim, PACK)`; past the end the last row stands in.
    values: Vec<Eight>,
    /// `(blocks, PACK)`, zero where there is no row.
    squared_norms: Vec<f64>,
}

impl DoubleRows {
    /// A copy of some rows, given by their numbers, in this order.
    ///
    /// # Panics
    /// If there is no such row, or rows are wider than [`MAX_DIM`] or have no width.
    #[must_use]
    pub fn new(kernel: Kernel, all: Rows<'_>, rows: &[u32]) -> Self {
        let dim = all.dim;
        assert!((1..=MAX_DIM).contains(&dim));
        let row = |row: &u32| &all.values[*row as usize * dim..][..dim];
        let mut values = Vec::with_capacity(rows.len().div_ceil(PACK) * dim);
        for rows in rows.chunks(PACK) {
            let vectors: [&[f32]; PACK] =
                std::array::from_fn(|k| row(&rows[k.min(rows.len() - 1)]));
            values.extend((0..dim).map(|d| Eight(vectors.map(|vector| f64::from(vector[d])))));
        }
        let mut squared_norms: Vec<f64> =
            rows.iter().map(|of| kernel.squared_norm(row(of))).collect();
        squared_norms.resize(rows.len().next_multiple_of(PACK), 0.0);
        Self {
            dim,
            values,
            squared_norms,
        }
    }

    /// Number of rows, including those that fill up the last block.
    #[must_use]
    pub fn width(&self) -> usize {
        self.squared_norms.len()
    }

    /// Squared norm of each row.
    #[must_use]
    pub fn squared_norms(&self) -> &[f64] {
        &self.squared_norms
    }

    /// The blocks: for each dimension, one value of every row.
    pub(super) fn blocks(&self) -> std::slice::ChunksExact<'_, Eight> {
        self.values.chunks_exact(self.dim)
    }

    /// Values per row, if the lengths agree.
    pub(super) fn check(&self, queries: &[f32], squares: &[f64]) -> usize {
        assert!(queries.len().is_multiple_of(self.dim));
        assert_eq!(squares.len(), queries.len() / self.dim * self.width());
        self.dim
    }
}

/// Computes squared distances: [`Kernel::squared_distances`].
pub(super) struct AllPairs<'a> {
    pub queries: &'a [f32],
    pub rows: &'a DoubleRows,
    pub squares: &'a mut [f64],
}

impl Loops for AllPairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let (dim, width) = (self.rows.dim, self.rows.width());
        if width == 0 {
            return;
        }
        let mut doubles = vec![0.0; QUERIES * dim];
        let tiles = self.queries.chunks(QUERIES * dim);
        for (tile, squares) in tiles.zip(self.squares.chunks_mut(QUERIES * width)) {
            for (double, value) in doubles.iter_mut().zip(tile) {
                *double = f64::from(*value);
            }
            let mut norms = [0.0; QUERIES];
            for (norm, query) in norms.iter_mut().zip(tile.chunks_exact(dim)) {
                *norm = Portable.squared_norm(query);
            }
            // Missing queries are computed with what is left of earlier ones.
            let mut queries: [&[f64]; QUERIES] = [&[]; QUERIES];
            for q in 0..QUERIES {
                queries[q] = &doubles[q * dim..][..dim];
            }
            let row_norms = self.rows.squared_norms.as_chunks().0;
            let blocks = self.rows.blocks().zip(row_norms);
            for (block, (values, row_norms)) in blocks.enumerate() {
                let products = of_block(queries, values);
                for (q, squares) in squares.chunks_exact_mut(width).enumerate() {
                    squares.as_chunks_mut().0[block] =
                        squares_from(norms[q], row_norms, &products[q]);
                }
            }
        }
    }
}

#[inline(always)]
fn squares_from(norm: f64, row_norms: &[f64; PACK], products: &[f64; PACK]) -> [f64; PACK] {
    let mut squares = [0.0; PACK];
    for k in 0..PACK {
        squares[k] = (norm + row_norms[k]) - 2.0 * products[k];
    }
    squares
}

/// Dot products of some queries and the rows of a block.
#[inline(always)]
fn of_block(queries: [&[f64]; QUERIES], rows: &[Eight]) -> [[f64; PACK]; QUERIES] {
    let mut sums = [[0.0; PACK]; QUERIES];
    for (d, row) in rows.iter().enumerate().take(queries[0].len()) {
        for q in 0..QUERIES {
            for k in 0..PACK {
                sums[q][k] += queries[q][d] * row.0[k];
            }
        }
    }
    sums
}
