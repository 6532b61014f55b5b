//! Nearest rows by byte codes, confirmed in float32 and float64: for many rows.
//!
//! ```text
//! for each stretch of blocks that fits the second-level cache
//!     for each tile of queries
//!         find blocks with a sum at the query's limit or above      (kernel)
//!         keep these entries; raise the limit to what the k-th best lower bound leaves
//! per query: from the highest sum down, until sums fall below the limit
//!     distance of the entry's rows in float64 (of a group, those whose float32 score allows it)
//!     raise the limit to what the k-th nearest so far leaves
//! ```
//!
//! No entry is passed over unless its upper bound is below what k others reach at least, so the result
//! is that of a float64 search. Limits of one query are shared between threads.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::atomic::{AtomicI32, Ordering};

use super::coding::CodedQuery;
use super::floors::Floors;
use super::nearest::{Lists, Nearest, Wanted};
use super::panel::{Member, Panel};
use super::residuals::FineQuery;
use super::scan::{confirm, highest, rounded_down};
use super::store::Store;
use crate::distance::codes::{BLOCK, Found, STEP_BYTES, TILES};
use crate::distance::{Kernel, score_error};
use crate::vectors::UnitVectors;

/// Bytes of codes that one tile of queries after the other looks at.
const STRETCH_BYTES: usize = 256 * 1024;
/// Tiles that share the reading of what does not fit the caches; their candidates wait meanwhile.
const WAITING_TILES: usize = 32;
/// Candidates, besides as many as are wanted, that are confirmed from the highest sum down.
const LIKELY: usize = 16;
/// How many candidates before its turn one is fetched from memory.
const AHEAD: usize = 4;
/// Rows whose float32 scores are computed together.
const ROWS: usize = 8;

/// Some queries that a kernel takes together.
#[derive(Debug, Clone, Copy)]
struct Tile {
    first: usize,
    size: usize,
}

/// A search: what in, for what.
pub(super) struct Coarse<'a> {
    kernel: Kernel,
    store: &'a Store,
    panel: &'a Panel,
    wanted: Wanted,
    queries: &'a UnitVectors,
    coded: Vec<CodedQuery>,
    tiles: Vec<Tile>,
    /// Those of a tile together: `(steps, size)` each.
    codes: Vec<i32>,
    /// Highest limit of each query that any thread knows of.
    limits: Vec<AtomicI32>,
}

impl<'a> Coarse<'a> {
    pub fn new(
        kernel: Kernel,
        store: &'a Store,
        panel: &'a Panel,
        wanted: Wanted,
        queries: &'a UnitVectors,
    ) -> Self {
        let (dim, steps, count) = (store.dim(), panel.blocks().steps, queries.len());
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
                let spread = store.spread();
                let query = panel.code(query, spread, to, size, &mut bytes);
                nearest.begin(queries.squared_norms()[first + q], store.spread());
                limits.push(AtomicI32::new(query.limit(nearest.least_score())));
                coded.push(query);
            }
        }
        Self {
            kernel,
            store,
            panel,
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
    pub fn search(&self, tiles: Range<usize>) -> Lists {
        let blocks = 0..self.panel.blocks().len();
        let waiting = if blocks.len() > self.stretch() {
            WAITING_TILES
        } else {
            1
        };
        let mut lists = Lists::default();
        let mut nearest = Nearest::new(self.wanted);
        let mut candidates = Vec::new();
        for start in tiles.clone().step_by(waiting) {
            let tiles = start..tiles.end.min(start + waiting);
            self.scan(tiles.clone(), blocks.clone(), &mut candidates);
            self.confirm(
                self.tiles[tiles.start].first,
                &mut candidates,
                &mut nearest,
                &mut lists,
            );
        }
        lists
    }

    /// Blocks that stay in a cache.
    fn stretch(&self) -> usize {
        (STRETCH_BYTES / (self.panel.blocks().steps * STEP_BYTES)).max(1)
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
        candidates.resize_with(count, || Candidates::new(self.kernel, self.wanted.most));
        for (candidates, query) in candidates.iter_mut().zip(&self.coded[first..]) {
            candidates.begin(*query);
        }
        let view = self.panel.blocks();
        let stretch = self.stretch();
        let mut found = Found::default();
        for start in blocks.clone().step_by(stretch) {
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
                            candidates[q].offer(self.panel, block, found.hits[q], &found.sums[q]);
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

    /// Append the matches among the candidates of consecutive queries.
    pub fn confirm(
        &self,
        first: usize,
        candidates: &mut [Candidates],
        nearest: &mut Nearest,
        lists: &mut Lists,
    ) {
        for (query, candidates) in (first..).zip(candidates) {
            nearest.begin(self.queries.squared_norms()[query], self.store.spread());
            candidates.raise_limit(self.limits[query].load(Ordering::Relaxed));
            candidates.prune();
            self.confirm_one(query, candidates, nearest);
            nearest.write(lists);
        }
    }

    /// Offer the rows of one query's candidates that may count: the likely ones first, in order, what
    /// they leave of the others as it lies.
    fn confirm_one(&self, query: usize, candidates: &mut Candidates, nearest: &mut Nearest) {
        let values = &self.queries.values()[query * self.store.dim()..][..self.store.dim()];
        candidates.fine.clear();
        let mut found = std::mem::take(&mut candidates.found);
        let likely = self.wanted.most.saturating_add(LIKELY).min(found.len());
        if likely < found.len() {
            found.select_nth_unstable_by_key(likely, |candidate| Reverse(candidate.ceiling));
        }
        found[..likely].sort_unstable_by_key(|candidate| Reverse(candidate.ceiling));
        self.confirm_some(values, &found[..likely], candidates, nearest);
        found.drain(..likely);
        found.retain(|candidate| candidate.ceiling >= candidates.limit);
        self.confirm_some(values, &found, candidates, nearest);
        candidates.found = found;
    }

    fn confirm_some(
        &self,
        values: &[f32],
        found: &[Candidate],
        candidates: &mut Candidates,
        nearest: &mut Nearest,
    ) {
        let Candidates {
            query,
            limit,
            fine,
            rows,
            ..
        } = candidates;
        for (i, candidate) in found.iter().enumerate() {
            if let Some(later) = found.get(i + 2 * AHEAD) {
                self.panel.prefetch(self.kernel, later.entry);
            }
            if let Some(next) = found.get(i + AHEAD)
                && let Member::Group(group) = self.panel.member(next.entry)
            {
                self.kernel.prefetch(group.residuals.codes());
            }
            if candidate.ceiling < *limit {
                continue;
            }
            match self.panel.member(candidate.entry) {
                Member::Row(row) => rows.push(row),
                Member::Group(group) => {
                    let sum = self.panel.sum_of_code(candidate.entry, candidate.ceiling);
                    let ceilings = fine.ceilings(values, &group.residuals, query.ceiling(sum));
                    let least = nearest.least_score();
                    let pairs = group.rows.iter().zip(ceilings);
                    rows.extend(pairs.filter(|(_, c)| *c >= least).map(|(row, _)| *row));
                }
            }
            if rows.len() >= ROWS {
                self.confirm_rows(values, rows, nearest);
                *limit = (*limit).max(query.limit(nearest.least_score()));
            }
        }
        self.confirm_rows(values, rows, nearest);
        *limit = (*limit).max(query.limit(nearest.least_score()));
    }

    /// Offer rows, those by their distance that their float32 score allows.
    fn confirm_rows(&self, query: &[f32], rows: &mut Vec<u32>, nearest: &mut Nearest) {
        let (kernel, store) = (self.kernel, self.store);
        let error = score_error(store.dim());
        let mut scores = [0.0; ROWS];
        for rows in rows.chunks(ROWS) {
            let scores = &mut scores[..rows.len()];
            kernel.scores_of(query, store.rows(), rows, scores);
            let mut cutoff = rounded_down(nearest.least_score() - error);
            if self.wanted.most == 1 {
                let least = f64::from(highest(scores)) - 2.0 * error - store.spread();
                cutoff = cutoff.max(rounded_down(least));
            }
            let pairs = rows.iter().zip(scores);
            let near = pairs.filter(|(_, score)| **score >= cutoff);
            confirm(kernel, query, store, near.map(|(row, _)| *row), nearest);
        }
        rows.clear();
    }
}

/// An entry that may hold a match.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    /// Its sum: an upper bound of what its rows score.
    ceiling: i32,
    entry: u32,
}

/// The entries that may still hold matches of one query.
pub(super) struct Candidates {
    query: CodedQuery,
    most: usize,
    /// An entry with a lower sum holds none.
    limit: i32,
    /// The highest of the floors.
    floors: Floors,
    found: Vec<Candidate>,
    prune_at: usize,
    /// What confirming needs: the query as residuals take it, and rows whose turn is next.
    fine: FineQuery,
    rows: Vec<u32>,
}

impl Candidates {
    fn new(kernel: Kernel, most: usize) -> Self {
        Self {
            query: CodedQuery::default(),
            most,
            limit: i32::MIN,
            floors: Floors::new(most),
            found: Vec::with_capacity(BLOCK),
            prune_at: 0,
            fine: FineQuery::new(kernel),
            rows: Vec::new(),
        }
    }

    fn begin(&mut self, query: CodedQuery) {
        self.query = query;
        self.limit = i32::MIN;
        self.floors.clear();
        self.found.clear();
        self.prune_at = 8 * BLOCK;
    }

    fn raise_limit(&mut self, limit: i32) {
        self.limit = self.limit.max(limit);
    }

    /// Take up the entries of a block whose sums reach the limit.
    fn offer(&mut self, panel: &Panel, block: usize, hits: u32, sums: &[i32; BLOCK]) {
        let first = block * BLOCK;
        let hits = hits & mask(panel.len() - first);
        if self.most == 1 && hits.count_ones() > 1 {
            // Let the best of them rule out others before these are written down.
            let floors = lanes(hits).map(|lane| panel.floor(first + lane, sums[lane]));
            self.note_floor(floors.max().unwrap_or(i32::MIN));
        }
        for lane in lanes(hits) {
            let (ceiling, entry) = (sums[lane], first + lane);
            if ceiling < self.limit {
                continue;
            }
            let floor = panel.floor(entry, ceiling);
            self.note_floor(floor);
            let entry = entry as u32;
            self.found.push(Candidate { ceiling, entry });
        }
        if self.found.len() >= self.prune_at {
            self.prune();
        }
    }

    /// Some row reaches this sum at least: once `most` of them do, the others need no less.
    fn note_floor(&mut self, floor: i32) {
        if self.floors.offer(floor) {
            let limit = self.query.limit_from(self.floors.least());
            self.raise_limit(limit);
        }
    }

    /// Drop what has been ruled out meanwhile.
    fn prune(&mut self) {
        let limit = self.limit;
        self.found.retain(|candidate| candidate.ceiling >= limit);
        // Where many tie, wait until they have doubled: the pruning stays linear in all.
        self.prune_at = self.prune_at.max(2 * self.found.len());
    }

    /// Take up what another thread found in other blocks.
    pub fn join(&mut self, other: Self) {
        self.raise_limit(other.limit);
        self.found.extend(other.found);
    }
}

/// The positions of the bits that are set.
fn lanes(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = bits.trailing_zeros() as usize;
        bits &= bits.checked_sub(1)?;
        Some(lane)
    })
}

/// Bits of the first `count` entries of a block.
fn mask(count: usize) -> u32 {
    if count >= BLOCK {
        u32::MAX
    } else {
        (1 << count) - 1
    }
}
