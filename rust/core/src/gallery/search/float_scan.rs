//! Nearest rows by a scan of float32 scores, re-ranked in float64: for few rows.
//!
//! ```text
//! for each tile of queries
//!     for each block of rows that fits the first-level cache
//!         score the tile against the block (float32, error at most E)
//!         per query: keep rows that score at least the cutoff
//!             cutoff = what the threshold demands - E, and (k-th best score so far) - 2 E - spread
//!     per query: distance of each kept row in float64; of the only one, in whichever order if that rounds to the same
//!         float32 number
//! ```
//!
//! A row that scores less than the k-th best by more than that is farther than k others whatever the rounding did, so
//! the result is that of a float64 search. Re-ranking takes longer the more rows score close to the k-th best: a
//! handful, unless references are copies of each other.

use std::ops::Range;

use super::exact_distances::{COUNTED, exact_hits, highest, kth_highest, rounded_down};
use super::hits::{Hit, HitLists, Nearest, Wanted};
use crate::distance::{PackedRows, Rows, score_error};
use crate::gallery::rows::References;
use crate::gallery::unit_vectors::UnitVectors;
use crate::simd::{Kernel, LANES, Lanes, Loops};

/// Number of queries from which on rows are copied to [`PackedRows`], and the most rows for which this pays.
const PACKED_FROM: usize = 64;
const PACKED_ROWS: usize = 1024;
/// Most rows that are scored together otherwise, and the most bytes that they take: with a tile of queries they stay
/// in a first-level cache of 32 KB.
const BLOCK_ROWS: usize = 64;
const BLOCK_BYTES: usize = 24 * 1024;
/// Numbers that are compared in a microsecond in float32, and in float64.
const SCORED_IN_A_US: usize = 20_000;
const CONFIRMED_IN_A_US: usize = 2_500;
/// A search of some queries among all references.
pub(in crate::gallery) struct FloatScan<'a> {
    kernel: Kernel,
    references: &'a References,
    queries: &'a UnitVectors,
    wanted: Wanted,
    /// Squared norms of the queries, where there is a threshold; computed before the threads begin, which would wait
    /// for each other.
    squares: Option<&'a [f64]>,
    packed: Option<PackedRows>,
    /// Queries scored together.
    tile: usize,
}

impl<'a> FloatScan<'a> {
    pub fn new(
        kernel: Kernel,
        references: &'a References,
        queries: &'a UnitVectors,
        wanted: Wanted,
    ) -> Self {
        let many = queries.len() >= PACKED_FROM && (1..=PACKED_ROWS).contains(&references.len());
        Self {
            kernel,
            references,
            queries,
            wanted,
            squares: wanted.threshold.map(|_| queries.squared_norms()),
            packed: many.then(|| PackedRows::new(references.rows())),
            tile: kernel.queries_together(),
        }
    }

    /// Estimated time on one thread, microseconds.
    pub fn work_us(&self) -> usize {
        let rows = self.references.len();
        let numbers = self.queries.len().saturating_mul(self.references.dim());
        // How many rows are within a threshold is not known.
        let hits = match self.wanted.most {
            usize::MAX => 0,
            most => most.min(rows),
        };
        let scores = numbers.saturating_mul(rows) / SCORED_IN_A_US;
        scores.saturating_add(numbers.saturating_mul(hits) / CONFIRMED_IN_A_US)
    }

    /// Number of tiles of queries.
    pub fn tiles(&self) -> usize {
        self.queries.len().div_ceil(self.tile)
    }

    /// The matches of the queries of some tiles.
    pub fn search(&self, tiles: Range<usize>) -> HitLists {
        let Self {
            kernel,
            references,
            tile,
            ..
        } = *self;
        let dim = references.dim();
        let queries = tiles.start * tile..self.queries.len().min(tiles.end * tile);
        let mut lists = HitLists::with_room(queries.len(), self.wanted, references.len());
        let mut nearest = Nearest::new(self.wanted);
        let mut hits = Vec::new();
        let together = tile.min(queries.len());
        let mut candidates: Vec<Candidates> = (0..together)
            .map(|_| Candidates::new(self.wanted.most, references))
            .collect();
        let width = self.packed.as_ref().map_or(BLOCK_ROWS, PackedRows::width);
        let mut scores = vec![0.0; together * width];
        let values = &self.queries.values()[queries.start * dim..queries.end * dim];
        for (first, tile) in queries.step_by(tile).zip(values.chunks(tile * dim)) {
            let candidates = &mut candidates[..tile.len() / dim];
            for (candidates, query) in candidates.iter_mut().zip(first..) {
                if let Some(squares) = self.squares {
                    nearest.begin(squares[query], references.spread());
                }
                candidates.begin(&nearest);
            }
            self.score(tile, candidates, &mut scores);
            for (candidates, query) in candidates.iter_mut().zip(tile.chunks_exact(dim)) {
                candidates.rerank(kernel, query, references, &nearest, &mut hits);
                lists.write(&mut hits, self.wanted.most);
            }
        }
        lists
    }

    /// Score all rows and add them to the candidates of each query of a tile.
    fn score(&self, tile: &[f32], candidates: &mut [Candidates], scores: &mut [f32]) {
        let (rows, dim) = (self.references.rows(), self.references.dim());
        if let Some(packed) = &self.packed {
            let width = packed.width();
            let scores = &mut scores[..candidates.len() * width];
            self.kernel.packed_scores(tile, packed, scores);
            self.kernel.run(Offer {
                candidates,
                first: 0,
                count: rows.len(),
                width,
                scores,
            });
            return;
        }
        let block_rows = (BLOCK_BYTES / (dim * size_of::<f32>())).clamp(4, BLOCK_ROWS);
        let blocks = rows.values.chunks(block_rows * dim);
        for (first, values) in (0..).step_by(block_rows).zip(blocks) {
            let block = Rows { dim, values };
            let count = block.len();
            let scores = &mut scores[..candidates.len() * count];
            self.kernel.scores(tile, block, scores);
            self.kernel.run(Offer {
                candidates,
                first,
                count,
                width: count,
                scores,
            });
        }
    }
}

/// The rows that may still be among the matches of one query.
struct Candidates {
    most: usize,
    /// Error bound of a float32 score.
    error: f64,
    /// A row that scores less than another by more than this is farther for certain.
    margin: f64,
    /// Rows that score less are ruled out.
    cutoff: f32,
    /// (score, row), in row order.
    found: Vec<(f32, u32)>,
    prune_at: usize,
}

impl Candidates {
    fn new(most: usize, references: &References) -> Self {
        let error = score_error(references.dim());
        Self {
            most,
            error,
            margin: 2.0 * error + references.spread(),
            cutoff: 0.0,
            found: Vec::new(),
            prune_at: 0,
        }
    }

    /// Begin with the query that `nearest` has begun with.
    fn begin(&mut self, nearest: &Nearest) {
        self.cutoff = rounded_down(nearest.least_score() - self.error);
        self.found.clear();
        self.prune_at = self.most.saturating_add(32);
    }

    /// Add consecutive rows by their scores.
    #[inline(always)]
    fn offer<L: Lanes>(&mut self, lanes: L, first: u32, scores: &[f32]) {
        let best = highest(scores);
        if best < self.cutoff {
            return;
        }
        if self.most == 1 {
            self.raise_cutoff(best);
        }
        // Written down without a branch for each.
        for (first, scores) in (first..).step_by(64).zip(scores.chunks(64)) {
            let mut reaching = reaching(lanes, scores, self.cutoff);
            while reaching != 0 {
                let at = reaching.trailing_zeros();
                self.found.push((scores[at as usize], first + at));
                reaching &= reaching - 1;
            }
        }
        if self.found.len() >= self.prune_at {
            self.prune();
        }
    }

    /// Raise the cutoff, given that `most` rows score at least `score`.
    fn raise_cutoff(&mut self, score: f32) {
        let cutoff = rounded_down(f64::from(score) - self.margin);
        self.cutoff = self.cutoff.max(cutoff);
    }

    /// Drop what the `most` best scores rule out.
    fn prune(&mut self) {
        if self.found.len() > self.most {
            let kth = self.kth_best();
            self.raise_cutoff(kth);
        }
        let cutoff = self.cutoff;
        self.found.retain(|(score, _)| *score >= cutoff);
        // Where many rows tie, wait until they have doubled: the pruning stays linear in all.
        self.prune_at = self.prune_at.max(2 * self.found.len());
    }

    /// The `most`-th best score; there must be more than so many.
    fn kth_best(&mut self) -> f32 {
        if self.found.len() > COUNTED {
            let at = self.most - 1;
            let (_, kth, _) = self
                .found
                .select_nth_unstable_by(at, |a, b| b.0.total_cmp(&a.0));
            return kth.0;
        }
        kth_highest(self.most, self.found.iter().map(|(score, _)| *score))
    }

    /// The float64 distances of the rows that are left, in any order.
    fn rerank(
        &mut self,
        kernel: Kernel,
        query: &[f32],
        references: &References,
        nearest: &Nearest,
        hits: &mut Vec<Hit>,
    ) {
        self.prune();
        hits.clear();
        if let [(_, row)] = self.found[..]
            && nearest.reaches_all()
        {
            let distance = kernel
                .rounded_distance(query, references.vector(row))
                .into();
            let index = references.index(row);
            hits.push(Hit {
                distance,
                index,
                row,
            });
            return;
        }
        let rows = self.found.iter().map(|(_, row)| *row);
        exact_hits(kernel, query, references, rows, |hit| {
            if nearest.reaches(&hit) {
                hits.push(hit);
            }
        });
    }
}

/// Adds the same consecutive rows to the candidates of several queries.
struct Offer<'a> {
    candidates: &'a mut [Candidates],
    /// Number of the first row, and how many there are.
    first: u32,
    count: usize,
    /// Scores of each query, of which the first `count` are those of the rows.
    width: usize,
    scores: &'a [f32],
}

impl Loops for Offer<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let scores = self.scores.chunks_exact(self.width);
        for (candidates, scores) in self.candidates.iter_mut().zip(scores) {
            candidates.offer(lanes, self.first, &scores[..self.count]);
        }
    }
}

/// Bit i is set if the i-th of up to 64 scores is at least the cutoff.
#[inline(always)]
fn reaching<L: Lanes>(lanes: L, scores: &[f32], cutoff: f32) -> u64 {
    let (eights, rest) = scores.as_chunks::<LANES>();
    let mut reaching = 0;
    for (block, eight) in eights.iter().enumerate() {
        let below = lanes.below(lanes.load(eight), cutoff);
        reaching |= u64::from(!below & 0xFF) << (block * LANES);
    }
    for (score, at) in rest.iter().zip(eights.len() * LANES..) {
        reaching |= u64::from(*score >= cutoff) << at;
    }
    reaching
}
