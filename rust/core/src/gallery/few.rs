//! Nearest of few rows, of which most are wanted: all distances in float64, and each one's rank.
//!
//! Where nearly all rows are matches there is nothing to rule out by cheaper bounds, and what is left is to
//! compute and to sort. Both go without branches: a match's place is how many come before it.
#![allow(
    clippy::inline_always,
    reason = "loops of a kernel must become part of the function that enables its instruction set"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "indices of constant range are what keeps the counts in registers"
)]

use std::ops::Range;

use super::nearest::{Hit, Lists, Wanted};
use super::store::Store;
use crate::distance::{DoubleRows, Kernel, Lanes, Loops};
use crate::vectors::UnitVectors;

/// Queries from which on it is worth copying the rows in float64.
const QUERIES_FROM: usize = 8;
/// Queries that are looked at together.
const TILE: usize = 16;
/// Rows at most, whole vectors of four: ranks take the square of them.
const MOST_ROWS: usize = 64;
/// Rows for each match that is wanted, at most: more are ruled out faster in float32.
const ROWS_OF_A_MATCH: usize = 2;
/// Numbers that a microsecond compares.
const COMPARED_IN_A_US: usize = 10_000;

/// A search for the nearest rows of queries as wide as the store.
pub(super) struct Few<'a> {
    kernel: Kernel,
    store: &'a Store,
    queries: &'a UnitVectors,
    wanted: Wanted,
    /// Earlier insertions first: equally near ones are then in order.
    rows: Vec<u32>,
    doubles: DoubleRows,
}

impl<'a> Few<'a> {
    /// If this is the faster way.
    pub fn new(
        kernel: Kernel,
        store: &'a Store,
        queries: &'a UnitVectors,
        wanted: Wanted,
    ) -> Option<Self> {
        let limit = wanted.most.saturating_mul(ROWS_OF_A_MATCH).min(MOST_ROWS);
        let suits = wanted.threshold.is_none()
            && queries.len() >= QUERIES_FROM
            && (1..=limit).contains(&store.len());
        suits.then(|| {
            let mut rows: Vec<u32> = (0..store.len() as u32).collect();
            rows.sort_unstable_by_key(|row| store.index(*row));
            Self {
                kernel,
                store,
                queries,
                wanted,
                doubles: DoubleRows::new(store.rows(), &rows),
                rows,
            }
        })
    }

    /// About how long it takes on one thread, microseconds.
    pub fn work_us(&self) -> usize {
        let numbers = self.queries.len().saturating_mul(self.store.dim());
        numbers.saturating_mul(self.rows.len()) / COMPARED_IN_A_US
    }

    /// Number of tiles of queries.
    pub fn tiles(&self) -> usize {
        self.queries.len().div_ceil(TILE)
    }

    /// The nearest of the queries of some tiles.
    pub fn search(&self, tiles: Range<usize>) -> Lists {
        let dim = self.store.dim();
        let queries = tiles.start * TILE..self.queries.len().min(tiles.end * TILE);
        let mut lists = Lists::with_room(queries.len(), self.wanted, self.rows.len());
        let (count, width) = (self.rows.len(), self.doubles.width());
        let (mut distances, mut order) = (vec![0.0; TILE * width], vec![0; count]);
        let values = &self.queries.values()[queries.start * dim..queries.end * dim];
        for tile in values.chunks(TILE * dim) {
            let distances = &mut distances[..tile.len() / dim * width];
            self.kernel
                .distances_to_every(tile, &self.doubles, distances);
            for distances in distances.chunks_exact(width) {
                let order = &mut order[..];
                self.kernel.run(Rank { distances, order });
                let nearest = order.iter().take(self.wanted.most);
                lists.push(nearest.map(|at| Hit {
                    distance: distances[*at],
                    index: self.store.index(self.rows[*at]),
                    row: self.rows[*at],
                }));
            }
        }
        lists
    }
}

/// Sorts a few distances, equal ones as they stand.
struct Rank<'a> {
    /// Whole vectors of them; what is beyond those that are ranked has no meaning.
    distances: &'a [f64],
    /// To be filled: which distance is at each rank. As many are ranked.
    order: &'a mut [usize],
}

impl Loops for Rank<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Self { distances, order } = self;
        let count = order.len();
        let mut ranks = [0_u64; MOST_ROWS];
        let fours = distances.as_chunks::<4>().0;
        for (ranks, four) in ranks.as_chunks_mut::<4>().0.iter_mut().zip(fours) {
            let mut less = [0; 4];
            for other in &distances[..count] {
                for k in 0..4 {
                    less[k] += u64::from(*other < four[k]);
                }
            }
            *ranks = less;
        }
        // Where some are equal, they have the same rank, and the sum is less.
        if ranks[..count].iter().sum::<u64>() < (count * (count - 1) / 2) as u64 {
            for at in 1..count {
                let earlier = distances[..at].iter();
                let equal = |other: &&f64| other.total_cmp(&distances[at]).is_eq();
                ranks[at] += earlier.filter(equal).count() as u64;
            }
        }
        for (at, rank) in ranks[..count].iter().enumerate() {
            order[*rank as usize] = at;
        }
    }
}
