//! Nearest rows by a scan of codes, re-ranked in float32 and float64: for many rows.
//!
//! ```text
//! for each stretch of blocks that fits the second-level cache
//!     for each tile of queries
//!         find blocks with a sum at the query's limit or above      (kernel)
//!         keep these entries; raise the limit to what the k-th best lower bound leaves
//!     of groups, and codes of five bits, after 1, 2, 4, 8 ... stretches: score the rows of the best entries
//!         so far, and raise the limit to what the k-th best score leaves
//! per query: re-rank the entries kept, those of the highest sums first   ([`super::rerank`])
//!     of a group, the rows whose residuals allow it                     ([`crate::gallery::codes::residuals`])
//!     of these, the distance in float64 of those whose float32 score allows it
//!     raise the limit to what the k-th nearest so far leaves
//! ```
//!
//! An entry is ruled out only if its upper bound is below what k other rows reach, so the result is that of a float64
//! search. Threads share the limit of a query.

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

/// Bytes of codes that every tile of queries reads before the scan moves on.
const STRETCH_BYTES: usize = 256 * 1024;
/// Tiles that read codes together where these do not fit the caches; their candidates are kept until then.
const WAITING_TILES: usize = 32;

/// Consecutive queries that a kernel takes together.
#[derive(Debug, Clone, Copy)]
struct Tile {
    first: usize,
    size: usize,
}

/// Scratch memory of [`CodeScan::seed`].
#[derive(Default)]
struct Seeds {
    rows: Vec<u32>,
    scores: Vec<f32>,
}

/// A search of some queries among the entries of a code table.
pub(in crate::gallery) struct CodeScan<'a> {
    kernel: Kernel,
    references: &'a References,
    table: &'a CodeTable,
    wanted: Wanted,
    queries: &'a UnitVectors,
    coded: Vec<QueryCode>,
    tiles: Vec<Tile>,
    /// The codes of the queries, tile by tile: `(steps, size)` each.
    codes: Vec<i32>,
    /// Highest limit of each query that any thread has found.
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
            self.rerank(
                self.tiles[tiles.start].first,
                &mut candidates,
                &mut reranker,
                &mut lists,
            );
        }
        lists
    }

    /// Number of blocks that stay in the second-level cache.
    fn stretch(&self) -> usize {
        (STRETCH_BYTES / self.table.blocks().block_bytes()).max(1)
    }

    /// Scan some blocks for some tiles of queries. `candidates` gets one element for each query, and is used again.
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
        // A search for all rows within a threshold has no k-th best. Lower bounds do as well for single rows with
        // codes of a byte; of a group they know one row only.
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

    /// Score the rows of the best candidates so far and raise the limit to the k-th best score, which is higher than
    /// what codes alone guarantee.
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

    /// Re-rank the candidates of consecutive queries and append their matches.
    pub fn rerank(
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
            reranker.rerank(values, square, candidates, lists);
        }
    }

    /// A re-ranker for its candidates.
    pub fn reranker(&self) -> Reranker<'a> {
        Reranker::new(self.kernel, self.references, self.table, self.wanted)
    }
}
