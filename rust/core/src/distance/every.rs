//! Float64 distances of many queries to every one of few rows: the same bits as [`exact::distance`].
#![allow(clippy::inline_always, reason = "see generic.rs")]
#![allow(
    clippy::needless_range_loop,
    reason = "indices of constant range are what keeps the sums in registers"
)]

use super::exact::{self, LONGEST_RUN};
use super::generic::Rows;
use super::{Lanes, Loops};
use crate::vectors::MAX_DIM;

/// Rows of a block: a sum of each fits one vector of float64.
const PACK: usize = 4;
/// What a block and the queries that go over it may take: with the sums, a first-level cache of 32 KB.
const TILE_BYTES: usize = 24 * 1024;
/// Running sums of a run, as in `exact`.
const SUMS: usize = 8;
/// Sums that wait to be joined, at most: one more than numpy halves the widest vectors.
const WAITING: usize = 6;

/// One number of each row of a block: a vector that never lies across two cache lines.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Four([f64; PACK]);

/// Few rows in float64, four of them dimension by dimension, so that nothing is added across lanes.
#[derive(Debug)]
pub struct DoubleRows {
    dim: usize,
    /// `(blocks, dim, PACK)`, zero where there is no row.
    values: Vec<Four>,
    runs: Vec<Run>,
}

/// Numbers that are added up without being halved any more.
#[derive(Debug, Clone, Copy)]
struct Run {
    length: usize,
    /// How many of the sums before it are then joined with it, the latest first.
    joins: usize,
}

/// The runs of so many numbers, as `exact` halves them.
fn runs(length: usize) -> Vec<Run> {
    if length <= LONGEST_RUN {
        return vec![Run { length, joins: 0 }];
    }
    let half = exact::half(length);
    let mut all = runs(half);
    all.extend(runs(length - half));
    if let Some(last) = all.last_mut() {
        last.joins += 1;
    }
    all
}

impl DoubleRows {
    /// A copy of some rows, in this order.
    ///
    /// # Panics
    /// If there is no such row, or rows are wider than [`MAX_DIM`] or have no width.
    #[must_use]
    pub fn new(all: Rows<'_>, rows: &[u32]) -> Self {
        let dim = all.dim;
        assert!((1..=MAX_DIM).contains(&dim));
        let mut values = vec![Four([0.0; PACK]); rows.len().div_ceil(PACK) * dim];
        for (block, rows) in values.chunks_exact_mut(dim).zip(rows.chunks(PACK)) {
            for (lane, row) in rows.iter().enumerate() {
                let vector = &all.values[*row as usize * dim..][..dim];
                for (four, value) in block.iter_mut().zip(vector) {
                    four.0[lane] = f64::from(*value);
                }
            }
        }
        Self {
            dim,
            values,
            runs: runs(dim),
        }
    }

    /// Number of rows, those that only fill the last block included.
    #[must_use]
    pub fn width(&self) -> usize {
        self.values.len() / self.dim * PACK
    }

    pub(super) fn check(&self, queries: &[f32], distances: &[f64]) {
        assert!(queries.len().is_multiple_of(self.dim));
        assert_eq!(distances.len(), queries.len() / self.dim * self.width());
    }
}

/// Distances of queries; see [`super::Kernel::distances_to_every`].
pub(super) struct Every<'a> {
    pub queries: &'a [f32],
    pub rows: &'a DoubleRows,
    pub distances: &'a mut [f64],
}

impl Loops for Every<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let DoubleRows { dim, values, runs } = self.rows;
        let width = self.rows.width();
        if width == 0 {
            return;
        }
        let (query_bytes, block_bytes) = (dim * size_of::<f64>(), dim * size_of::<Four>());
        let tile = (TILE_BYTES.saturating_sub(block_bytes) / query_bytes).max(1);
        let mut doubles = vec![0.0; (tile * dim).min(self.queries.len())];
        let tiles = self.queries.chunks(tile * dim);
        for (queries, distances) in tiles.zip(self.distances.chunks_mut(tile * width)) {
            for (double, value) in doubles.iter_mut().zip(queries) {
                *double = f64::from(*value);
            }
            let doubles = doubles[..queries.len()].chunks_exact(*dim);
            for (block, values) in values.chunks_exact(*dim).enumerate() {
                let distances = distances.chunks_exact_mut(width);
                for (query, distances) in doubles.clone().zip(distances) {
                    distances.as_chunks_mut().0[block] = of_block(query, values, runs);
                }
            }
        }
    }
}

/// Distances of one query to the rows of a block.
#[inline(always)]
fn of_block(query: &[f64], rows: &[Four], runs: &[Run]) -> [f64; PACK] {
    let mut waiting = [[0.0; PACK]; WAITING];
    let (mut count, mut first) = (0, 0);
    for run in runs {
        let numbers = first..first + run.length;
        let mut sum = of_run(&query[numbers.clone()], &rows[numbers]);
        for _ in 0..run.joins {
            count -= 1;
            for k in 0..PACK {
                sum[k] += waiting[count][k];
            }
        }
        waiting[count] = sum;
        count += 1;
        first += run.length;
    }
    waiting[0].map(f64::sqrt)
}

/// [`exact::squared_distance_of_run`] of four rows.
#[inline(always)]
fn of_run(query: &[f64], rows: &[Four]) -> [f64; PACK] {
    let mut sums = [[0.0; PACK]; SUMS];
    let (queries, query_rest) = query.as_chunks::<SUMS>();
    let (eights, rest) = rows.as_chunks::<SUMS>();
    for (query, rows) in queries.iter().zip(eights) {
        for i in 0..SUMS {
            for k in 0..PACK {
                let apart = query[i] - rows[i].0[k];
                sums[i][k] += apart * apart;
            }
        }
    }
    let mut total: [f64; PACK] = std::array::from_fn(|k| exact::add_up(sums.map(|sum| sum[k])));
    for (query, row) in query_rest.iter().zip(rest) {
        for k in 0..PACK {
            let apart = query - row.0[k];
            total[k] += apart * apart;
        }
    }
    total
}
