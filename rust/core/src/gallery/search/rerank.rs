//! From entries that may hold matches of a query to its matches.

use super::candidates::{Candidate, Candidates};
use super::exact_distances::{COUNTED, confirm, kth_highest, rounded_down};
use super::hits::{HitLists, Nearest, Wanted};
use crate::distance::score_error;
use crate::gallery::codes::residuals::FineQuery;
use crate::gallery::codes::table::{CodeTable, Member};
use crate::gallery::rows::References;
use crate::simd::Kernel;

/// Candidates, besides as many as are wanted, that are confirmed from the highest sum down.
const LIKELY: usize = 16;
/// How many candidates before its turn one is fetched from memory.
const AHEAD: usize = 4;
/// Rows whose float32 scores are computed together, once there are matches to measure them by.
const ROWS: usize = 8;
/// Before, so many more than are wanted: of those the k-th best score rules the others out.
const MORE_AT_FIRST: usize = 6;

/// Confirms the candidates of one query after the other.
pub(in crate::gallery) struct Reranker<'a> {
    kernel: Kernel,
    references: &'a References,
    table: &'a CodeTable,
    wanted: Wanted,
    nearest: Nearest,
    fine: FineQuery,
    /// Rows whose turn is next.
    rows: Vec<u32>,
    /// How many of these are scored together.
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

    /// Append the matches of a query: the likely candidates first, in order, then what these leave of the
    /// others, as it lies.
    pub fn confirm(
        &mut self,
        query: &[f32],
        squared_norm: f64,
        candidates: &mut Candidates,
        lists: &mut HitLists,
    ) {
        self.nearest.begin(squared_norm, self.references.spread());
        self.fine.clear();
        let first = self.wanted.most.saturating_add(MORE_AT_FIRST);
        // Of more the k-th best is not found by counting, and not worth finding otherwise.
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

    /// Offer rows, those by their distance that their float32 score allows; raise the limit to what the
    /// candidates that follow must reach.
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
            confirm(kernel, query, references, rows, |hit| nearest.offer(hit));
        }
        self.rows.clear();
        self.wave = ROWS;
        candidates.raise_limit(candidates.query.limit(nearest.least_score()));
    }
}
