//! Entries that may still hold matches of one query, as a scan finds them.

use std::cmp::Reverse;

use super::kth_bound::KthBound;
use crate::distance::codes8::BLOCK;
use crate::gallery::codes::quantizer::QueryCode;
use crate::gallery::codes::table::CodeTable;

/// An entry that may hold a match.
#[derive(Debug, Clone, Copy)]
pub(in crate::gallery) struct Candidate {
    /// Its sum: an upper bound of what its rows score.
    pub ceiling: i32,
    pub entry: u32,
}

/// The entries that may still hold matches of one query.
pub(in crate::gallery) struct Candidates {
    pub query: QueryCode,
    most: usize,
    /// An entry with a lower sum holds none.
    pub limit: i32,
    /// The highest of the floors.
    floors: KthBound,
    pub found: Vec<Candidate>,
    /// Whether the limit follows scores of rows from now on: floors say less, and cost a look at each entry.
    seeded: bool,
    prune_at: usize,
}

impl Candidates {
    pub fn new(most: usize) -> Self {
        Self {
            query: QueryCode::default(),
            most,
            limit: i32::MIN,
            floors: KthBound::new(most),
            found: Vec::with_capacity(BLOCK),
            seeded: false,
            prune_at: 0,
        }
    }

    pub fn begin(&mut self, query: QueryCode) {
        self.query = query;
        self.limit = i32::MIN;
        self.floors.clear();
        self.seeded = false;
        self.found.clear();
        self.prune_at = 8 * BLOCK;
    }

    pub fn raise_limit(&mut self, limit: i32) {
        self.limit = self.limit.max(limit);
    }

    /// Take up the entries of a block whose sums reach the limit.
    pub fn offer(&mut self, table: &CodeTable, block: usize, hits: u32, sums: &[i32; BLOCK]) {
        let first = block * BLOCK;
        let hits = hits & mask(table.len() - first);
        if !self.seeded && self.most == 1 && hits.count_ones() > 1 {
            // Let the best of them rule out others before these are written down.
            let floors = lanes(hits).map(|lane| table.floor(first + lane, sums[lane]));
            if self.floors.offer(floors.max().unwrap_or(i32::MIN)) {
                self.follow_floors();
            }
        }
        // The limit follows once for all of them: to compute it takes longer than what it would rule out.
        let mut floors_rose = false;
        for lane in lanes(hits) {
            let (ceiling, entry) = (sums[lane], first + lane);
            if ceiling < self.limit {
                continue;
            }
            floors_rose |= !self.seeded && self.floors.offer(table.floor(entry, ceiling));
            let entry = entry as u32;
            self.found.push(Candidate { ceiling, entry });
        }
        if floors_rose {
            self.follow_floors();
        }
        if self.found.len() >= self.prune_at {
            self.prune();
        }
    }

    /// Some rows reach these sums at least: once `most` of them do, the others need no less.
    fn follow_floors(&mut self) {
        let limit = self.query.limit_from(self.floors.least());
        self.raise_limit(limit);
    }

    /// Move those of the highest sums to the front, in order; these, at most so many.
    pub fn sort_best(&mut self, most: usize) -> &[Candidate] {
        let by_ceiling = |candidate: &Candidate| Reverse(candidate.ceiling);
        let most = most.min(self.found.len());
        if most < self.found.len() {
            self.found.select_nth_unstable_by_key(most, by_ceiling);
        }
        self.found[..most].sort_unstable_by_key(by_ceiling);
        &self.found[..most]
    }

    /// Raise the limit to what the scores of rows have shown to be enough, and drop what this rules out; with or
    /// without `floors` from now on.
    pub fn seed(&mut self, limit: i32, floors: bool) {
        self.raise_limit(limit);
        self.seeded = !floors;
        self.prune();
    }

    /// Drop what has been ruled out meanwhile.
    pub fn prune(&mut self) {
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
