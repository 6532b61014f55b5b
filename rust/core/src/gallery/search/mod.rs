//! Searches of a gallery: the way that is fastest for its size and for what is asked.

pub(super) mod candidates;
pub(super) mod code_scan;
pub(super) mod exact_distances;
pub(super) mod float_scan;
pub(super) mod hits;
mod kth_bound;
pub(super) mod matches;
mod rank_all;
mod rerank;
pub(super) mod threads;
mod top_k;

use super::Gallery;
use super::unit_vectors::UnitVectors;
use crate::error::{CoreError, Result};
use crate::simd::Backend;
use code_scan::CodeScan;
use exact_distances::distance_to_nearest;
use float_scan::FloatScan;
use hits::{Hit, HitLists, Wanted};
use matches::Matches;
use rank_all::RankAll;
use threads::{available, by_queries, in_parallel};

/// Most matches that one search may return: more memory than this is likely a mistake in `k`.
const MAX_RESULTS: usize = 1 << 27;
/// Bytes of codes that are compared with a query in a microsecond, and those that are read from memory.
const COMPARED_IN_A_US: usize = 64 << 10;
const READ_IN_A_US: usize = 8 << 10;

impl Gallery {
    /// The `k` nearest references of each query, `(queries, k)` row-major, nearest first and of
    /// equally near ones the earlier first; padded where the gallery has fewer.
    ///
    /// # Errors
    /// If `k` is 0 or absurd, or the width differs.
    pub fn nearest(
        &self,
        queries: &UnitVectors,
        k: usize,
        threads: Option<usize>,
    ) -> Result<Matches> {
        if k == 0 || k.saturating_mul(queries.len().max(1)) > MAX_RESULTS {
            return Err(CoreError::invalid(
                "k",
                format!("at least 1, and k times queries at most {MAX_RESULTS}"),
                k.to_string(),
            ));
        }
        let wanted = Wanted {
            most: k,
            threshold: None,
        };
        self.padded(queries, wanted, k, threads)
    }

    /// Every reference within `threshold` (Euclidean) of each query, nearest first, one query after
    /// the other; those of query i stand at `offsets[i]..offsets[i + 1]`.
    ///
    /// # Errors
    /// If the threshold is negative or not finite, or the width differs.
    pub fn within(
        &self,
        queries: &UnitVectors,
        threshold: f64,
        threads: Option<usize>,
    ) -> Result<(Matches, Vec<i64>)> {
        check_threshold(threshold)?;
        self.check_search(queries, threads)?;
        let wanted = Wanted {
            most: usize::MAX,
            threshold: Some(threshold),
        };
        let found = self.search(queries, wanted, threads);
        let mut matches = Matches::default();
        let mut offsets = vec![0];
        for hits in found.iter() {
            self.write(hits, hits.len(), &mut matches);
            offsets.push(matches.index.len() as i64);
        }
        Ok((matches, offsets))
    }

    /// The identity with the nearest reference of each query, if within `threshold`; one entry each.
    ///
    /// # Errors
    /// If the threshold is negative or not finite, or the width differs.
    pub fn best_identity(
        &self,
        queries: &UnitVectors,
        threshold: Option<f64>,
        threads: Option<usize>,
    ) -> Result<Matches> {
        threshold.map_or(Ok(()), check_threshold)?;
        let wanted = Wanted { most: 1, threshold };
        self.padded(queries, wanted, 1, threads)
    }

    /// Distance of one query to the nearest reference of one identity.
    ///
    /// # Errors
    /// If there is no such identity, not one query, or the width differs.
    pub fn distance_to(&self, identity: &str, query: &UnitVectors) -> Result<f64> {
        self.check_width("query", query)?;
        if query.len() != 1 {
            return Err(CoreError::invalid(
                "query",
                "one vector",
                query.len().to_string(),
            ));
        }
        let slot = self.identities.slot(identity)?;
        let rows = &self.identities.get(slot).rows;
        Ok(distance_to_nearest(
            self.kernel,
            &self.references,
            rows,
            query.values(),
        ))
    }

    /// The matches of all queries as columns of `width` entries each.
    fn padded(
        &self,
        queries: &UnitVectors,
        wanted: Wanted,
        width: usize,
        threads: Option<usize>,
    ) -> Result<Matches> {
        self.check_search(queries, threads)?;
        if self.table.is_none()
            && let Some(all_pairs) = RankAll::new(self.kernel, &self.references, queries, wanted)
        {
            let threads = self.threads_for(all_pairs.work_us() / self.pace(), threads);
            let search = |tiles| all_pairs.search(tiles, width, |row| self.number(row));
            return Ok(by_queries(
                threads,
                all_pairs.tiles(),
                search,
                Matches::append,
            ));
        }
        let found = self.search(queries, wanted, threads);
        let mut matches = Matches::with_room(found.len() * width);
        for hits in found.iter() {
            self.write(hits, width, &mut matches);
        }
        Ok(matches)
    }

    /// The matches of each query, of queries that have been checked.
    fn search(&self, queries: &UnitVectors, wanted: Wanted, threads: Option<usize>) -> HitLists {
        let Some(table) = &self.table else {
            let scan = FloatScan::new(self.kernel, &self.references, queries, wanted);
            let threads = self.threads_for(scan.work_us() / self.pace(), threads);
            let search = |tiles| scan.search(tiles);
            return by_queries(threads, scan.tiles(), search, HitLists::append);
        };
        let bytes = table.blocks().codes.len();
        let compared = bytes.saturating_mul(queries.len()) / COMPARED_IN_A_US / self.pace();
        let threads = self.threads_for(compared.saturating_add(bytes / READ_IN_A_US), threads);
        let scan = CodeScan::new(self.kernel, &self.references, table, wanted, queries);
        search(&scan, table.blocks().len(), threads)
    }

    fn check_search(&self, queries: &UnitVectors, threads: Option<usize>) -> Result<()> {
        self.check_width("queries", queries)?;
        if threads == Some(0) {
            return Err(CoreError::invalid("threads", "at least 1", "0"));
        }
        Ok(())
    }

    /// Speed of this CPU's back end, as a multiple of AVX2's, for which all estimates of time are made.
    fn pace(&self) -> usize {
        match self.kernel.backend() {
            Backend::Avx512Vnni => 3,
            Backend::Avx2Fma | Backend::Portable => 1,
        }
    }

    /// Number of threads that so much work is worth, at most those that were asked for.
    fn threads_for(&self, work_us: usize, threads: Option<usize>) -> usize {
        let worth = work_us.checked_div(self.worth_a_thread_us);
        let worth = worth.map_or(usize::MAX, |threads| 1 + threads);
        threads.unwrap_or_else(available).min(worth)
    }

    /// Append the hits of one query, padded to `width` entries.
    fn write(&self, hits: &[Hit], width: usize, matches: &mut Matches) {
        let distances = hits.iter().map(|hit| hit.distance as f32);
        matches.distance.extend(distances);
        matches.index.extend(hits.iter().map(|hit| hit.index));
        let identities = hits.iter().map(|hit| self.number(hit.row));
        matches.identity.extend(identities);
        matches.pad(width - hits.len());
    }

    /// Number of the identity that a row belongs to.
    fn number(&self, row: u32) -> i64 {
        self.identities.get(self.references.owner(row)).number
    }
}

/// Scan the code table on several threads.
fn search(scan: &CodeScan<'_>, blocks: usize, threads: usize) -> HitLists {
    let tiles = scan.tiles();
    if tiles >= threads {
        return by_queries(threads, tiles, |tiles| scan.search(tiles), HitLists::append);
    }
    // Fewer queries than threads: each thread looks for all of them in a part of the gallery.
    let parts = in_parallel(threads.min(blocks), blocks, |blocks| {
        let mut candidates = Vec::new();
        scan.scan(0..tiles, blocks, &mut candidates);
        candidates
    });
    let mut parts = parts.into_iter();
    let mut joined = parts.next().unwrap_or_default();
    for part in parts {
        for (all, candidates) in joined.iter_mut().zip(part) {
            all.join(candidates);
        }
    }
    let mut lists = HitLists::default();
    scan.rerank(0, &mut joined, &mut scan.reranker(), &mut lists);
    lists
}

fn check_threshold(threshold: f64) -> Result<()> {
    if threshold.is_finite() && threshold >= 0.0 {
        return Ok(());
    }
    Err(CoreError::invalid(
        "threshold",
        "a finite distance of at least 0",
        // Not the number itself, which could be one of a face's.
        if threshold < 0.0 {
            "a negative one"
        } else {
            "one that is not finite"
        },
    ))
}
