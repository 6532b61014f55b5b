//! Re-ranking: from the candidates of a query to its matches, by exact distances.

use super::candidates::{Candidate, Candidates};
use super::exact_distances::{COUNTED, exact_hits, kth_highest, rounded_down};
use super::hits::{HitLists, Nearest, Wanted};
use crate::distance::score_error;
use crate::gallery::codes::residuals::FineQuery;
use crate::gallery::codes::table::{CodeTable, Member};
use crate::gallery::rows::References;
use crate::simd::Kernel;

/// Besides as many as are wanted, so many candidates are re-ranked in the order of their sums.
const LIKELY: usize = 16;
/// A candidate is fetched from memory so many turns before its own.
const AHEAD: usize = 4;
/// Rows that are scored together once there are hits to compare them with.
const ROWS: usize = 8;
/// Before that, so many rows more than are wanted: their k-th best score rules the others out.
const MORE_AT_FIRST: usize = 6;

/// Re-ranks the candidates of one query after the other.
pub(in crate::gallery) struct Reranker<'a> {
    kernel: Kernel,
    references: &'a References,
    table: &'a CodeTable,
    wanted: Wanted,
    nearest: Nearest,
    fine: FineQuery,
    /// Rows that wait to be scored.
    rows: Vec<u32>,
    /// Number of rows that are scored together.
    wave: usize,
}

impl<'a> Reranker<'a> {
    pub fn new(
        kernel: Kernel,
        references: &'a References,
        table: &'a CodeTable,
        wanted: Wanted,
    ) -> Self {
        Self {
            kernel,
            references,
            table,
            wanted,
            nearest: Nearest::new(wanted),
            fine: FineQuery::new(kernel),
            rows: Vec::new(),
            wave: ROWS,
        }
    }

    /// Append the matches of a query: first the likely candidates, in order, then what they do not rule out of the
    /// others, in any order.
    pub fn rerank(
        &mut self,
        query: &[f32],
        squared_norm: f64,
        candidates: &mut Candidates,
        lists: &mut HitLists,
    ) {
        self.nearest.begin(squared_norm, self.references.spread());
        self.fine.clear();
        let first = self.wanted.most.saturating_add(MORE_AT_FIRST);
        // Of more scores the k-th best is not found by counting, and not worth finding otherwise.
        self.wave = if first > COUNTED {
            ROWS
        } else {
            first.next_multiple_of(ROWS)
        };
        let likely = self.wanted.most.saturating_add(LIKELY);
        let likely = candidates.sort_best(likely).len();
        let mut found = std::mem::take(&mut candidates.found);
        self.rerank_some(query, &found[..likely], candidates);
        found.drain(..likely);
        found.retain(|candidate| candidate.upper_bound >= candidates.limit);
        self.rerank_some(query, &found, candidates);
        candidates.found = found;
        self.nearest.write(lists);
    }

    fn rerank_some(&mut self, query: &[f32], found: &[Candidate], candidates: &mut Candidates) {
        for (i, candidate) in found.iter().enumerate() {
            if let Some(later) = found.get(i + 2 * AHEAD) {
                self.table.prefetch(self.kernel, later.entry);
            }
            if let Some(next) = found.get(i + AHEAD)
                && let Member::Group(group) = self.table.member(next.entry)
            {
                self.kernel.prefetch(group.residuals.codes());
            }
            if candidate.upper_bound < candidates.limit {
                continue;
            }
            match self.table.member(candidate.entry) {
                Member::Row(row) => self.rows.push(*row),
                Member::Group(group) => {
                    let sum = self
                        .table
                        .sum_of_code(candidate.entry, candidate.upper_bound);
                    let of_code = candidates.query.upper_bound(sum);
                    let upper_bounds = self.fine.upper_bounds(query, &group.residuals, of_code);
                    let least = self.nearest.least_score();
                    let pairs = group.rows.iter().zip(upper_bounds);
                    let near = pairs.filter(|(_, upper_bound)| *upper_bound >= least);
                    self.rows.extend(near.map(|(row, _)| *row));
                }
            }
            if self.rows.len() >= self.wave {
                self.rerank_rows(query, candidates);
            }
        }
        self.rerank_rows(query, candidates);
    }

    /// Score the waiting rows, compute the distances of those whose score allows it, and raise the limit of the
    /// candidates that follow.
    fn rerank_rows(&mut self, query: &[f32], candidates: &mut Candidates) {
        let (kernel, references, nearest) = (self.kernel, self.references, &mut self.nearest);
        let error = score_error(references.dim());
        let mut scores = [0.0; COUNTED];
        for rows in self.rows.chunks(self.wave) {
            let scores = &mut scores[..rows.len()];
            kernel.scores_of(query, references.rows(), rows, scores);
            let mut cutoff = rounded_down(nearest.least_score() - error);
            if scores.len() > self.wanted.most {
                let kth = f64::from(kth_highest(self.wanted.most, scores.iter().copied()));
                cutoff = cutoff.max(rounded_down(kth - 2.0 * error - references.spread()));
            }
            let pairs = rows.iter().zip(scores);
            let near = pairs.filter(|(_, score)| **score >= cutoff);
            let rows = near.map(|(row, _)| *row);
            exact_hits(kernel, query, references, rows, |hit| nearest.offer(hit));
        }
        self.rows.clear();
        self.wave = ROWS;
        candidates.raise_limit(candidates.query.limit(nearest.least_score()));
    }
}
