//! Nearest rows by a float32 scan, confirmed in float64: for few rows.
//!
//! ```text
//! for each tile of queries
//!     for each block of rows that fits the first-level cache
//!         score the tile against the block (float32, error at most E)
//!         per query: keep rows that score at least the cutoff
//!             cutoff = what the threshold demands - E, and (k-th best score so far) - 2 E - spread
//!     per query: distance of each kept row in float64
//! ```
//!
//! A row below the k-th best score by more than that is farther than k others whatever the rounding
//! did, so the result is that of a float64 search. The work of confirming grows with the number of
//! rows so close to the k-th best: a handful, unless references are copies of each other.

use super::nearest::{Hit, Lists, Nearest, Wanted};
use super::store::Store;
use crate::distance::{Kernel, Rows, score_error};
use crate::vectors::UnitVectors;

/// Queries scored together: what the kernel keeps in registers.
const TILE: usize = 3;
/// Rows scored together, at most, and the bytes they may take: together with a tile of queries they
/// stay in a first-level cache of 32 KB or more.
const BLOCK_ROWS: usize = 64;
const BLOCK_BYTES: usize = 24 * 1024;

/// The matching rows of each query; `queries` are as wide as the store.
pub(super) fn search(
    kernel: Kernel,
    store: &Store,
    queries: &UnitVectors,
    wanted: Wanted,
) -> Lists {
    let dim = store.dim();
    let mut lists = Lists::default();
    let mut nearest = Nearest::new(wanted);
    let mut candidates: [Candidates; TILE] = std::array::from_fn(|_| Candidates::new(wanted.most));
    let block_rows = (BLOCK_BYTES / (dim * size_of::<f32>())).clamp(4, BLOCK_ROWS);
    let mut scores = [0.0; TILE * BLOCK_ROWS];
    let squares = queries.squared_norms().chunks(TILE);
    for (tile, squares) in queries.values().chunks(TILE * dim).zip(squares) {
        let candidates = &mut candidates[..squares.len()];
        for (candidates, square) in candidates.iter_mut().zip(squares) {
            nearest.begin(*square, store.spread());
            candidates.begin(&nearest, store);
        }
        let blocks = store.rows().values.chunks(block_rows * dim);
        for (first, values) in (0..).step_by(block_rows).zip(blocks) {
            let block = Rows { dim, values };
            let count = block.len();
            let scores = &mut scores[..candidates.len() * count];
            kernel.scores(tile, block, scores);
            for (candidates, scores) in candidates.iter_mut().zip(scores.chunks_exact(count)) {
                candidates.offer(first, scores);
            }
        }
        let queries = tile.chunks_exact(dim).zip(squares);
        for (candidates, (query, square)) in candidates.iter_mut().zip(queries) {
            nearest.begin(*square, store.spread());
            candidates.confirm(kernel, query, store, &mut nearest);
            nearest.write(&mut lists);
        }
    }
    lists
}

/// Distance of a query to the nearest of some rows, of which there are at least one.
pub(super) fn distance_to_nearest(
    kernel: Kernel,
    store: &Store,
    rows: &[u32],
    query: &[f32],
) -> f64 {
    let margin = 2.0 * score_error(store.dim()) + store.spread();
    let mut least = f32::NEG_INFINITY;
    let mut nearest = f64::INFINITY;
    for chunk in rows.chunks(BLOCK_ROWS) {
        let mut scores = [0.0; BLOCK_ROWS];
        let scores = &mut scores[..chunk.len()];
        score_rows(kernel, store, chunk, query, scores);
        least = least.max(rounded_down(f64::from(highest(scores)) - margin));
        for (row, score) in chunk.iter().zip(scores) {
            if *score >= least {
                nearest = nearest.min(kernel.distance(query, store.vector(*row)));
            }
        }
    }
    nearest
}

/// Scores of rows wherever they lie; those side by side are scored together.
pub(super) fn score_rows(
    kernel: Kernel,
    store: &Store,
    rows: &[u32],
    query: &[f32],
    scores: &mut [f32],
) {
    let dim = store.dim();
    let mut done = 0;
    for run in rows.chunk_by(|a, b| a + 1 == *b) {
        let values = &store.rows().values[run[0] as usize * dim..][..run.len() * dim];
        kernel.scores(
            query,
            Rows { dim, values },
            &mut scores[done..done + run.len()],
        );
        done += run.len();
    }
}

/// The rows that may still be among the matches of one query.
struct Candidates {
    most: usize,
    /// How far below another score a row must be to be farther for certain.
    margin: f64,
    /// A row that scores below this cannot match.
    cutoff: f32,
    /// (score, row), in row order.
    found: Vec<(f32, u32)>,
    prune_at: usize,
}

impl Candidates {
    fn new(most: usize) -> Self {
        Self {
            most,
            margin: 0.0,
            cutoff: 0.0,
            found: Vec::new(),
            prune_at: 0,
        }
    }

    /// Begin with the query that `nearest` has begun with.
    fn begin(&mut self, nearest: &Nearest, store: &Store) {
        let error = score_error(store.dim());
        self.margin = 2.0 * error + store.spread();
        self.cutoff = rounded_down(nearest.least_score() - error);
        self.found.clear();
        self.prune_at = self.most.saturating_add(32);
    }

    /// Take up the scores of consecutive rows.
    fn offer(&mut self, first: u32, scores: &[f32]) {
        let best = highest(scores);
        if best < self.cutoff {
            return;
        }
        if self.most == 1 {
            self.raise_cutoff(best);
        }
        for (row, &score) in (first..).zip(scores) {
            if score >= self.cutoff {
                self.found.push((score, row));
            }
        }
        if self.found.len() >= self.prune_at {
            self.prune();
        }
    }

    /// `most` rows score at least `score`.
    fn raise_cutoff(&mut self, score: f32) {
        let cutoff = rounded_down(f64::from(score) - self.margin);
        self.cutoff = self.cutoff.max(cutoff);
    }

    /// Drop what the best `most` scores have ruled out.
    fn prune(&mut self) {
        if self.found.len() > self.most {
            let (_, kth, _) = self
                .found
                .select_nth_unstable_by(self.most - 1, |a, b| b.0.total_cmp(&a.0));
            let kth = kth.0;
            self.raise_cutoff(kth);
        }
        let cutoff = self.cutoff;
        self.found.retain(|(score, _)| *score >= cutoff);
        // Where many rows tie, wait until they have doubled: the pruning stays linear in all.
        self.prune_at = self.prune_at.max(2 * self.found.len());
    }

    /// Offer the rows by their float64 distances.
    fn confirm(&mut self, kernel: Kernel, query: &[f32], store: &Store, nearest: &mut Nearest) {
        self.prune();
        for &(_, row) in &self.found {
            nearest.offer(Hit {
                distance: kernel.distance(query, store.vector(row)),
                index: store.index(row),
                row,
            });
        }
    }
}

/// The highest of the scores, eight at a time so that it compiles to vector instructions.
fn highest(scores: &[f32]) -> f32 {
    let (eights, rest) = scores.as_chunks::<8>();
    let mut best = [f32::NEG_INFINITY; 8];
    for eight in eights {
        for i in 0..8 {
            best[i] = if eight[i] > best[i] {
                eight[i]
            } else {
                best[i]
            };
        }
    }
    best.iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

/// The float32 number at or just below a float64 number.
pub(super) fn rounded_down(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) > value {
        nearest.next_down()
    } else {
        nearest
    }
}
