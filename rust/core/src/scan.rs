//! Exact nearest rows by a float32 scan, confirmed in float64.
//!
//! ```text
//! for each block of rows that fits the first-level cache
//!     for each tile of queries
//!         score the tile against the block (float32, error at most E)
//!         per query: keep rows that score at least the cutoff
//!             cutoff = what the threshold demands - E, and (k-th best score so far) - 2 E
//! per query: distance of each kept row in float64; sort by (distance, row); keep k
//! ```
//!
//! A row below the k-th best score by more than 2 E is farther than k others whatever the rounding
//! did, so the result is that of a float64 search. The work of confirming grows with the number of
//! rows within 2 E of the k-th best: a handful, unless references are copies of each other.

use std::ops::Range;

use crate::distance::{Kernel, Rows, exact, score_error};
use crate::vectors::UnitVectors;

/// Queries scored together: what the kernel keeps in registers.
const TILE: usize = 3;
/// Rows scored together, at most, and the bytes they may take: together with a tile of queries they
/// stay in a first-level cache of 48 KB.
const BLOCK_ROWS: usize = 64;
const BLOCK_BYTES: usize = 32 * 1024;

/// A row that matches a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hit {
    /// Euclidean distance in float64.
    pub distance: f64,
    /// Position among the rows.
    pub row: usize,
}

/// Which rows match.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// The nearest so many; `usize::MAX` means no limit.
    pub most: usize,
    /// And none farther than this, if given.
    pub threshold: Option<f64>,
}

/// The matching rows of each query, nearest first, of equal ones the earlier row first.
///
/// Only the rows in `runs` (ascending, disjoint) are looked at. `queries` are as wide as `rows`.
pub(crate) fn search(
    kernel: Kernel,
    rows: Rows<'_>,
    runs: impl Iterator<Item = Range<usize>>,
    queries: &UnitVectors,
    wanted: Wanted,
) -> Vec<Vec<Hit>> {
    let dim = rows.dim;
    let error = score_error(dim);
    let mut candidates: Vec<Candidates> = queries
        .values()
        .chunks_exact(dim)
        .map(|query| Candidates::new(query, wanted, error))
        .collect();

    let block_rows = (BLOCK_BYTES / (dim * size_of::<f32>())).clamp(4, BLOCK_ROWS);
    let mut scores = [0.0; TILE * BLOCK_ROWS];
    for run in runs {
        for first in run.clone().step_by(block_rows) {
            let count = block_rows.min(run.end - first);
            let block = Rows {
                dim,
                values: &rows.values[first * dim..(first + count) * dim],
                half_squares: &rows.half_squares[first..first + count],
            };
            let tiles = queries.values().chunks(TILE * dim);
            for (tile, candidates) in tiles.zip(candidates.chunks_mut(TILE)) {
                let scores = &mut scores[..candidates.len() * count];
                kernel.scores(tile, block, scores);
                for (candidates, scores) in candidates.iter_mut().zip(scores.chunks_exact(count)) {
                    candidates.offer(first, scores);
                }
            }
        }
    }

    queries
        .values()
        .chunks_exact(dim)
        .zip(candidates)
        .map(|(query, candidates)| candidates.confirm(query, rows, wanted))
        .collect()
}

/// The rows that may still be among the matches of one query.
struct Candidates {
    most: usize,
    /// Bound on the error of one score.
    error: f64,
    /// A row that scores below this cannot match.
    cutoff: f32,
    /// (score, row), in row order.
    found: Vec<(f32, usize)>,
    prune_at: usize,
}

impl Candidates {
    fn new(query: &[f32], wanted: Wanted, error: f64) -> Self {
        // |q - x|² = |q|² - 2 score <= threshold²
        let cutoff = wanted.threshold.map_or(f64::NEG_INFINITY, |threshold| {
            (exact::squared_norm(query) - threshold * threshold) / 2.0 - error
        });
        Self {
            most: wanted.most,
            error,
            cutoff: rounded_down(cutoff),
            found: Vec::new(),
            prune_at: wanted.most.saturating_add(32),
        }
    }

    /// Take up the scores of consecutive rows.
    fn offer(&mut self, first: usize, scores: &[f32]) {
        let best = highest(scores);
        if best < self.cutoff {
            return;
        }
        if self.most == 1 {
            self.raise_cutoff(best);
        }
        for (i, &score) in scores.iter().enumerate() {
            if score >= self.cutoff {
                self.found.push((score, first + i));
            }
        }
        if self.found.len() >= self.prune_at {
            self.prune();
        }
    }

    /// `most` rows score at least `score`.
    fn raise_cutoff(&mut self, score: f32) {
        let cutoff = rounded_down(f64::from(score) - 2.0 * self.error);
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

    /// The matches, by their float64 distances.
    fn confirm(mut self, query: &[f32], rows: Rows<'_>, wanted: Wanted) -> Vec<Hit> {
        self.prune();
        let dim = rows.dim;
        let mut hits: Vec<Hit> = self
            .found
            .iter()
            .map(|&(_, row)| Hit {
                distance: exact::distance(query, &rows.values[row * dim..(row + 1) * dim]),
                row,
            })
            .filter(|hit| wanted.threshold.is_none_or(|limit| hit.distance <= limit))
            .collect();
        hits.sort_unstable_by(|a, b| {
            let by_distance = a.distance.total_cmp(&b.distance);
            by_distance.then(a.row.cmp(&b.row))
        });
        hits.truncate(wanted.most);
        hits
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
fn rounded_down(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) > value {
        nearest.next_down()
    } else {
        nearest
    }
}
