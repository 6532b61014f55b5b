//! Candidates of one query: entries that a scan of codes could not rule out.

use std::cmp::Reverse;

use super::kth_bound::KthBound;
use crate::distance::codes8::BLOCK;
use crate::gallery::codes::quantizer::QueryCode;
use crate::gallery::codes::table::CodeTable;

/// An entry that may hold a match.
#[derive(Debug, Clone, Copy)]
pub(in crate::gallery) struct Candidate {
    /// Its sum, an upper bound of the scores of its rows.
    pub upper_bound: i32,
    pub entry: u32,
}

/// The candidates of one query.
pub(in crate::gallery) struct Candidates {
    pub query: QueryCode,
    most: usize,
    /// Entries with a lower sum are ruled out.
    pub limit: i32,
    /// The k-th highest lower bound so far.
    lower_bounds: KthBound,
    pub found: Vec<Candidate>,
    /// Whether the limit now follows the scores of rows: lower bounds say less and cost a look at each entry.
    seeded: bool,
    prune_at: usize,
}

impl Candidates {
    pub fn new(most: usize) -> Self {
        Self {
            query: QueryCode::default(),
            most,
            limit: i32::MIN,
            lower_bounds: KthBound::new(most),
            found: Vec::with_capacity(BLOCK),
            seeded: false,
            prune_at: 0,
        }
    }

    pub fn begin(&mut self, query: QueryCode) {
        self.query = query;
        self.limit = i32::MIN;
        self.lower_bounds.clear();
        self.seeded = false;
        self.found.clear();
        self.prune_at = 8 * BLOCK;
    }

    pub fn raise_limit(&mut self, limit: i32) {
        self.limit = self.limit.max(limit);
    }

    /// Add the entries of a block whose sums reach the limit.
    pub fn offer(&mut self, table: &CodeTable, block: usize, hits: u32, sums: &[i32; BLOCK]) {
        let first = block * BLOCK;
        let hits = hits & mask(table.len() - first);
        if !self.seeded && self.most == 1 && hits.count_ones() > 1 {
            // Let the best of them rule out others before these are written down.
            let lower_bounds = lanes(hits).map(|lane| table.lower_bound(first + lane, sums[lane]));
            if self
                .lower_bounds
                .offer(lower_bounds.max().unwrap_or(i32::MIN))
            {
                self.follow_lower_bounds();
            }
        }
        // Raise the limit once for all of them: computing it takes longer than what it would rule out.
        let mut bound_rose = false;
        for lane in lanes(hits) {
            let (upper_bound, entry) = (sums[lane], first + lane);
            if upper_bound < self.limit {
                continue;
            }
            bound_rose |= !self.seeded
                && self
                    .lower_bounds
                    .offer(table.lower_bound(entry, upper_bound));
            let entry = entry as u32;
            self.found.push(Candidate { upper_bound, entry });
        }
        if bound_rose {
            self.follow_lower_bounds();
        }
        if self.found.len() >= self.prune_at {
            self.prune();
        }
    }

    /// Raise the limit to the k-th highest lower bound: k rows score at least as much.
    fn follow_lower_bounds(&mut self) {
        let limit = self.query.limit_from(self.lower_bounds.kth());
        self.raise_limit(limit);
    }

    /// Move up to `most` candidates with the highest sums to the front, in order, and return them.
    pub fn sort_best(&mut self, most: usize) -> &[Candidate] {
        let by_upper_bound = |candidate: &Candidate| Reverse(candidate.upper_bound);
        let most = most.min(self.found.len());
        if most < self.found.len() {
            self.found.select_nth_unstable_by_key(most, by_upper_bound);
        }
        self.found[..most].sort_unstable_by_key(by_upper_bound);
        &self.found[..most]
    }

    /// Raise the limit to what the scores of rows allow, and drop what this rules out. `lower_bounds` says whether
    /// they are still followed.
    pub fn seed(&mut self, limit: i32, lower_bounds: bool) {
        self.raise_limit(limit);
        self.seeded = !lower_bounds;
        self.prune();
    }

    /// Drop the candidates below the limit.
    pub fn prune(&mut self) {
        let limit = self.limit;
        self.found
            .retain(|candidate| candidate.upper_bound >= limit);
        // Where many tie, wait until they have doubled: the pruning stays linear in all.
        self.prune_at = self.prune_at.max(2 * self.found.len());
    }

    /// Add what another thread found in other blocks.
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

/// A mask of the first `count` entries of a block.
fn mask(count: usize) -> u32 {
    if count >= BLOCK {
        u32::MAX
    } else {
        (1 << count) - 1
    }
}
