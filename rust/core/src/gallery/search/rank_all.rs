//! Nearest of few rows, most of which are wanted: the distances of all pairs, and the rank of each.
//!
//! Where nearly all rows are matches, cheaper bounds rule nothing out: what is left is to compute and to sort.
//!
//! ```text
//! for each query
//!     squared distances = |query|² + |row|² - 2 query · row (float64, error at most E)
//!     the place of each is how many are less
//!     where two neighbours are within 2 E, or a distance could be rounded to another float32 number:
//!         the distances that decide, of these rows only
//! ```

use std::ops::Range;
use std::sync::OnceLock;

use super::exact_distances::exact_hits;
use super::hits::Wanted;
use super::matches::Matches;
use crate::distance::{DoubleRows, squared_distance_error};
use crate::gallery::rows::References;
use crate::gallery::unit_vectors::UnitVectors;
use crate::simd::{Kernel, Lanes, Loops};

/// Number of queries from which on copying the rows to float64 pays.
const QUERIES_FROM: usize = 8;
/// Queries that are taken together.
const TILE: usize = 32;
/// Most rows: the time for ranks grows with the square of them.
const MOST_ROWS: usize = 64;
/// Most rows for each match that is wanted: more are ruled out faster in float32.
const ROWS_OF_A_MATCH: usize = 2;
/// Numbers that are compared in a microsecond.
const COMPARED_IN_A_US: usize = 10_000;

/// A search of some queries among all references.
pub(in crate::gallery) struct RankAll<'a> {
    kernel: Kernel,
    references: &'a References,
    queries: &'a UnitVectors,
    /// Number of matches of each query.
    count: usize,
    /// Rows by index, so that equally near ones are in order.
    rows: Vec<u32>,
    indices: Vec<i64>,
    doubles: DoubleRows,
    /// For each row the first with the same values; computed when two rows are equally near.
    firsts: OnceLock<Vec<usize>>,
    error: f64,
}

impl<'a> RankAll<'a> {
    /// A search of this kind, if it is the fastest way.
    pub fn new(
        kernel: Kernel,
        references: &'a References,
        queries: &'a UnitVectors,
        wanted: Wanted,
    ) -> Option<Self> {
        let limit = wanted.most.saturating_mul(ROWS_OF_A_MATCH).min(MOST_ROWS);
        let suits = wanted.threshold.is_none()
            && queries.len() >= QUERIES_FROM
            && (1..=limit).contains(&references.len());
        suits.then(|| {
            let mut rows: Vec<u32> = (0..references.len() as u32).collect();
            rows.sort_unstable_by_key(|row| references.index(*row));
            Self {
                kernel,
                references,
                queries,
                count: wanted.most.min(rows.len()),
                indices: rows.iter().map(|row| references.index(*row)).collect(),
                doubles: DoubleRows::new(kernel, references.rows(), &rows),
                rows,
                firsts: OnceLock::new(),
                error: squared_distance_error(references.dim()),
            }
        })
    }

    /// Estimated time on one thread, microseconds.
    pub fn work_us(&self) -> usize {
        let numbers = self.queries.len().saturating_mul(self.references.dim());
        numbers.saturating_mul(self.rows.len()) / COMPARED_IN_A_US
    }

    /// Number of tiles of queries.
    pub fn tiles(&self) -> usize {
        self.queries.len().div_ceil(TILE)
    }

    /// The nearest rows of the queries of some tiles, in `width` columns. `number` gives the identity number of a
    /// row.
    pub fn search(
        &self,
        tiles: Range<usize>,
        width: usize,
        number: impl Fn(u32) -> i64,
    ) -> Matches {
        let dim = self.references.dim();
        let queries = tiles.start * TILE..self.queries.len().min(tiles.end * TILE);
        let mut matches = Matches::with_room(queries.len() * width);
        let identities: Vec<i64> = self.rows.iter().map(|row| number(*row)).collect();
        let width_of_squares = self.doubles.width();
        let mut squares = vec![0.0; TILE * width_of_squares];
        let mut ranking = Ranking::default();
        let values = &self.queries.values()[queries.start * dim..queries.end * dim];
        for tile in values.chunks(TILE * dim) {
            let squares = &mut squares[..tile.len() / dim * width_of_squares];
            self.kernel.squared_distances(tile, &self.doubles, squares);
            let squares = squares.chunks_exact(width_of_squares);
            for (query, squares) in tile.chunks_exact(dim).zip(squares) {
                let certain = self.kernel.run(Rank {
                    squares,
                    rows: self.rows.len(),
                    count: self.count,
                    error: self.error,
                    ranking: &mut ranking,
                });
                if !certain {
                    self.decide(query, squares, &mut ranking);
                }
                let Ranking {
                    order, distances, ..
                } = &ranking;
                let order = &order[..self.count];
                matches.distance.extend_from_slice(&distances[..self.count]);
                let indices = order.iter().map(|at| self.indices[*at]);
                matches.index.extend(indices);
                let identities = order.iter().map(|at| identities[*at]);
                matches.identity.extend(identities);
                matches.pad(width - self.count);
            }
        }
        matches
    }

    /// Whether some rows, of which there must be one, have the same values.
    fn are_copies(&self, rows: &[usize]) -> bool {
        if rows.len() == 1 {
            return true;
        }
        let firsts = self.firsts.get_or_init(|| {
            let vector = |row: &u32| self.references.vector(*row);
            let first = |row| {
                self.rows
                    .iter()
                    .position(|other| vector(other) == vector(row))
            };
            self.rows.iter().filter_map(first).collect()
        });
        rows.iter().all(|row| firsts[*row] == firsts[rows[0]])
    }

    /// Decide by exact distances where the order or a rounded distance is not certain.
    #[cold]
    fn decide(&self, query: &[f32], squares: &[f64], ranking: &mut Ranking) {
        let Ranking {
            order, distances, ..
        } = ranking;
        let order = &mut order[..self.rows.len()];
        for (place, at) in order.iter_mut().enumerate() {
            *at = place;
        }
        order.sort_by(|a, b| squares[*a].total_cmp(&squares[*b]));
        let mut first = 0;
        let mut hits = Vec::new();
        while first < self.count {
            let pairs = order[first..].windows(2);
            let near = |pair: &&[usize]| !are_apart(squares[pair[0]], squares[pair[1]], self.error);
            let end = first + 1 + pairs.take_while(near).count();
            let square = squares[order[first]];
            let least = least_of(square, self.error);
            let rounded = least.to_bits() == most_of(square, self.error).to_bits();
            distances[first..end].fill(least);
            // Copies are equally near, and in order already.
            if !rounded || !self.are_copies(&order[first..end]) {
                let rows = order[first..end].iter().map(|at| self.rows[*at]);
                hits.clear();
                exact_hits(self.kernel, query, self.references, rows, |hit| {
                    hits.push(hit);
                });
                hits.sort_unstable();
                for (place, hit) in (first..end).zip(&hits) {
                    order[place] = self.indices.partition_point(|index| *index < hit.index);
                    distances[place] = hit.distance as f32;
                }
            }
            first = end;
        }
    }
}

/// The rows in the order in which a query ranks them.
struct Ranking {
    /// The row at each rank.
    order: [usize; MOST_ROWS],
    /// Its squared distance.
    sorted: [f64; MOST_ROWS],
    /// Lower and upper bound of its distance, rounded to float32.
    distances: [f32; MOST_ROWS],
    farthest: [f32; MOST_ROWS],
}

impl Default for Ranking {
    fn default() -> Self {
        Self {
            order: [0; MOST_ROWS],
            sorted: [0.0; MOST_ROWS],
            distances: [0.0; MOST_ROWS],
            farthest: [0.0; MOST_ROWS],
        }
    }
}

/// Ranks the rows by their squared distances. Returns whether the order and the distances of the nearest are certain.
struct Rank<'a> {
    /// Padded to a multiple of eight.
    squares: &'a [f64],
    rows: usize,
    /// Number of nearest rows that are wanted.
    count: usize,
    error: f64,
    ranking: &'a mut Ranking,
}

impl Loops for Rank<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> bool {
        let Self {
            squares,
            rows,
            count,
            error,
            ..
        } = self;
        let Ranking {
            order,
            sorted,
            distances,
            farthest,
        } = self.ranking;
        // Equal ones share a rank and leave the next one empty: NaN, which is apart from nothing.
        sorted[..rows].fill(f64::NAN);
        for (block, eight) in squares.as_chunks::<8>().0.iter().enumerate() {
            let mut less = [0_u64; 8];
            for other in &squares[..rows] {
                for k in 0..8 {
                    less[k] += u64::from(*other < eight[k]);
                }
            }
            for k in 0..8.min(rows - block * 8) {
                let rank = less[k] as usize;
                sorted[rank] = eight[k];
                order[rank] = block * 8 + k;
            }
        }
        // Count instead of stopping early: such a loop would not become vector instructions.
        let mut certain = 0;
        for rank in 0..count.min(rows - 1) {
            certain += u32::from(are_apart(sorted[rank], sorted[rank + 1], error));
        }
        let mut doubtful = 0_u32;
        let fours = distances.as_chunks_mut::<4>().0.iter_mut();
        let fours = fours.zip(farthest.as_chunks_mut::<4>().0);
        let fours = fours.zip(sorted.as_chunks::<4>().0);
        for ((least, most), squares) in fours.take(count.div_ceil(4)) {
            *least = squares.map(|square| least_of(square, error));
            *most = squares.map(|square| most_of(square, error));
        }
        for rank in 0..count {
            doubtful += u32::from(distances[rank].to_bits() != farthest[rank].to_bits());
        }
        doubtful == 0 && certain as usize == count.min(rows - 1)
    }
}

/// Whether one squared distance, and its root, is less than another for certain.
#[inline(always)]
fn are_apart(less: f64, greater: f64, error: f64) -> bool {
    greater - less > 2.0 * error
}

/// Lower bound of a distance, rounded to float32.
#[inline(always)]
fn least_of(square: f64, error: f64) -> f32 {
    (square - error).max(0.0).sqrt() as f32
}

/// Upper bound of a distance, rounded to float32.
#[inline(always)]
fn most_of(square: f64, error: f64) -> f32 {
    (square + error).sqrt() as f32
}
