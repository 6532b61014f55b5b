//! Nearest rows by their codes, confirmed in float32 and float64: for many rows.
//!
//! ```text
//! for each stretch of blocks that fits the second-level cache
//!     for each tile of queries
//!         find blocks with a sum at the query's limit or above      (kernel)
//!         keep these entries; raise the limit to what the k-th best lower bound leaves
//!     of groups, and codes of five bits, after 1, 2, 4, 8 ... stretches: score the rows of the best entries
//!         so far, and raise the limit to what the k-th best score leaves
//! per query: the entries kept, those of the highest sums first           ([`super::confirm`])
//!     of a group, the rows whose residuals allow it                     ([`super::residuals`])
//!     of these, the distance in float64 of those whose float32 score allows it
//!     raise the limit to what the k-th nearest so far leaves
//! ```
//!
//! No entry is passed over unless its upper bound is below what k others reach at least, so the result
//! is that of a float64 search. Limits of one query are shared between threads.

use std::ops::Range;
use std::sync::atomic::{AtomicI32, Ordering};

use super::candidates::Candidates;
use super::hits::{HitLists, Nearest, Wanted};
use super::rerank::Reranker;
use crate::distance::codes8::{Found, Packing, TILES};
use crate::distance::score_error;
use crate::gallery::codes::quantizer::QueryCode;
use crate::gallery::codes::table::CodeTable;
use crate::gallery::rows::References;
use crate::gallery::unit_vectors::UnitVectors;
use crate::simd::Kernel;

/// Bytes of codes that one tile of queries after the other looks at.
const STRETCH_BYTES: usize = 256 * 1024;
/// Tiles that share the reading of what does not fit the caches; their candidates wait meanwhile.
const WAITING_TILES: usize = 32;

/// Some queries that a kernel takes together.
#[derive(Debug, Clone, Copy)]
struct Tile {
    first: usize,
    size: usize,
}

/// Memory for seeding.
#[derive(Default)]
struct Seeds {
    rows: Vec<u32>,
    scores: Vec<f32>,
}

/// A search: what in, for what.
pub(in crate::gallery) struct CodeScan<'a> {
    kernel: Kernel,
    references: &'a References,
    table: &'a CodeTable,
    wanted: Wanted,
    queries: &'a UnitVectors,
    coded: Vec<QueryCode>,
    tiles: Vec<Tile>,
    /// Those of a tile together: `(steps, size)` each.
    codes: Vec<i32>,
    /// Highest limit of each query that any thread knows of.
    limits: Vec<AtomicI32>,
}

impl<'a> CodeScan<'a> {
    pub fn new(
        kernel: Kernel,
        references: &'a References,
        table: &'a CodeTable,
        wanted: Wanted,
        queries: &'a UnitVectors,
    ) -> Self {
        let (dim, steps, count) = (references.dim(), table.blocks().steps, queries.len());
        let mut nearest = Nearest::new(wanted);
        let mut coded = Vec::with_capacity(count);
        let mut limits = Vec::with_capacity(count);
        let mut codes = vec![0; count * steps];
        let mut bytes = Vec::new();
        let mut tiles = Vec::with_capacity(count / TILES[0] + TILES.len());
        while coded.len() < count {
            let first = coded.len();
            let fits = |size: &usize| first + size <= count;
            let size = TILES.into_iter().find(fits).unwrap_or(1);
            tiles.push(Tile { first, size });
            for q in 0..size {
                let query = &queries.values()[(first + q) * dim..][..dim];
                let to = &mut codes[first * steps + q..(first + size) * steps];
                let spread = references.spread();
                let query = table.code(query, spread, to, size, &mut bytes);
                nearest.begin(queries.squared_norms()[first + q], references.spread());
                limits.push(AtomicI32::new(query.limit(nearest.least_score())));
                coded.push(query);
            }
        }
        Self {
            kernel,
            references,
            table,
            wanted,
            queries,
            coded,
            tiles,
            codes,
            limits,
        }
    }

    /// Number of tiles.
    pub fn tiles(&self) -> usize {
        self.tiles.len()
    }

    /// The matches of the queries of some tiles.
    pub fn search(&self, tiles: Range<usize>) -> HitLists {
        let blocks = 0..self.table.blocks().len();
        let waiting = if blocks.len() > self.stretch() {
            WAITING_TILES
        } else {
            1
        };
        let queries = self.tiles[tiles.clone()].iter().map(|tile| tile.size).sum();
        let mut lists = HitLists::with_room(queries, self.wanted, self.references.len());
        let mut reranker = self.reranker();
        let mut candidates = Vec::new();
        for start in tiles.clone().step_by(waiting) {
            let tiles = start..tiles.end.min(start + waiting);
            self.scan(tiles.clone(), blocks.clone(), &mut candidates);
            self.confirm(
                self.tiles[tiles.start].first,
                &mut candidates,
                &mut reranker,
                &mut lists,
            );
        }
        lists
    }

    /// Blocks that stay in a cache.
    fn stretch(&self) -> usize {
        (STRETCH_BYTES / self.table.blocks().block_bytes()).max(1)
    }

    /// The entries of some blocks that may matter to the queries of some tiles: one of `candidates`
    /// for each query. These are used again, and made where there are too few.
    pub fn scan(
        &self,
        tiles: Range<usize>,
        blocks: Range<usize>,
        candidates: &mut Vec<Candidates>,
    ) {
        let tiles = &self.tiles[tiles];
        let first = tiles.first().map_or(0, |tile| tile.first);
        let count = tiles.iter().map(|tile| tile.size).sum();
        candidates.resize_with(count, || Candidates::new(self.wanted.most));
        for (candidates, query) in candidates.iter_mut().zip(&self.coded[first..]) {
            candidates.begin(*query);
        }
        let view = self.table.blocks();
        let stretch = self.stretch();
        let mut found = Found::default();
        let mut seeds = Seeds::default();
        // Of whichever are near enough there is no k-th best. KthBound do as well for single rows of a byte a value;
        // of a group they know one row only.
        let most = self.wanted.most;
        let bits5 = view.packing == Packing::Bits5;
        let seeding = most < usize::MAX && (bits5 || most > 1 && self.table.has_groups());
        for (number, start) in blocks.clone().step_by(stretch).enumerate() {
            if seeding && number.is_power_of_two() {
                for (query, candidates) in (first..).zip(&mut *candidates) {
                    self.seed(query, candidates, &mut seeds);
                }
            }
            let end = blocks.end.min(start + stretch);
            for tile in tiles {
                let codes = &self.codes[tile.first * view.steps..][..tile.size * view.steps];
                let shared = &self.limits[tile.first..][..tile.size];
                let candidates = &mut candidates[tile.first - first..][..tile.size];
                let mut limits = [0; TILES[0]];
                let limits = &mut limits[..tile.size];
                for q in 0..tile.size {
                    candidates[q].raise_limit(shared[q].load(Ordering::Relaxed));
                    limits[q] = candidates[q].limit;
                }
                let mut next = start;
                while let Some(block) =
                    self.kernel
                        .next_hit(view, next..end, codes, limits, &mut found)
                {
                    for q in 0..tile.size {
                        if found.hits[q] != 0 {
                            candidates[q].offer(self.table, block, found.hits[q], &found.sums[q]);
                            limits[q] = candidates[q].limit;
                        }
                    }
                    next = block + 1;
                }
                for q in 0..tile.size {
                    shared[q].fetch_max(limits[q], Ordering::Relaxed);
                }
            }
        }
    }

    /// Have the best entries so far rule out others by the scores of their rows: what their codes say is much less.
    fn seed(&self, query: usize, candidates: &mut Candidates, seeds: &mut Seeds) {
        let most = self.wanted.most;
        let Seeds { rows, scores } = seeds;
        rows.clear();
        for candidate in candidates.sort_best(most) {
            if rows.len() >= 2 * most {
                break; // entries of several rows each
            }
            rows.extend_from_slice(self.table.rows_of(candidate.entry));
        }
        if rows.len() < most {
            return;
        }
        let dim = self.references.dim();
        let values = &self.queries.values()[query * dim..][..dim];
        scores.resize(rows.len(), 0.0);
        self.kernel
            .scores_of(values, self.references.rows(), rows, scores);
        let (_, kth, _) = scores.select_nth_unstable_by(most - 1, |a, b| b.total_cmp(a));
        let sure = f64::from(*kth) - score_error(dim) - self.references.spread();
        let lower_bounds = self.table.blocks().packing == Packing::Bits8;
        candidates.seed(candidates.query.limit(sure), lower_bounds);
    }

    /// Append the matches among the candidates of consecutive queries.
    pub fn confirm(
        &self,
        first: usize,
        candidates: &mut [Candidates],
        reranker: &mut Reranker<'_>,
        lists: &mut HitLists,
    ) {
        let dim = self.references.dim();
        for (query, candidates) in (first..).zip(candidates) {
            candidates.raise_limit(self.limits[query].load(Ordering::Relaxed));
            candidates.prune();
            let values = &self.queries.values()[query * dim..][..dim];
            let square = self.queries.squared_norms()[query];
            reranker.confirm(values, square, candidates, lists);
        }
    }

    /// What confirms its candidates.
    pub fn reranker(&self) -> Reranker<'a> {
        Reranker::new(self.kernel, self.references, self.table, self.wanted)
    }
}
