//! The matches of one query as they are confirmed, and what a further one must be to count.

use std::cmp::Ordering;

use super::top_k::TopK;

/// Which rows match.
#[derive(Debug, Clone, Copy)]
pub(in crate::gallery) struct Wanted {
    /// The nearest so many; `usize::MAX` means no limit.
    pub most: usize,
    /// And none farther than this, if given.
    pub threshold: Option<f64>,
}

/// A row that matches a query. The lesser of two hits comes first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::gallery) struct Hit {
    /// Euclidean distance in float64; of a row that nothing is compared with, rounded to float32 already.
    pub distance: f64,
    /// Insertion number: of equally near rows the earlier comes first.
    pub index: i64,
    pub row: u32,
}

impl Eq for Hit {}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_distance = self.distance.total_cmp(&other.distance);
        by_distance.then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Confirmed matches of one query after the other.
#[derive(Debug)]
pub(in crate::gallery) struct Nearest {
    threshold: f64,
    /// `|q|² + 1 - spread`: less the squared distance, twice the least score of a row so near.
    base: f64,
    best: TopK<Hit>,
}

impl Nearest {
    pub fn new(wanted: Wanted) -> Self {
        Self {
            threshold: wanted.threshold.unwrap_or(f64::INFINITY),
            base: 0.0,
            best: TopK::new(wanted.most),
        }
    }

    /// Begin with a query of this squared norm; no squared norm of a row is farther than `spread` from 1.
    pub fn begin(&mut self, squared_norm: f64, spread: f64) {
        self.base = squared_norm + 1.0 - spread;
        self.best.clear();
    }

    /// A row whose score, in exact arithmetic, is below this does not count, as far as is known by now.
    pub fn least_score(&self) -> f64 {
        let kth = self.best.kth().map_or(f64::INFINITY, |hit| hit.distance);
        let reach = kth.min(self.threshold);
        (self.base - reach * reach) / 2.0
    }

    /// Whether rows are within the threshold however far they are.
    pub fn reaches_all(&self) -> bool {
        self.threshold.is_infinite()
    }

    /// Whether a confirmed row is within the threshold.
    pub fn reaches(&self, hit: &Hit) -> bool {
        hit.distance <= self.threshold
    }

    /// Take up a confirmed row, if it counts.
    pub fn offer(&mut self, hit: Hit) {
        if self.reaches(&hit) {
            self.best.offer(hit);
        }
    }

    /// Append what was confirmed as the list of the next query.
    pub fn write(&mut self, lists: &mut HitLists) {
        self.best.drain_into(&mut lists.hits);
        lists.ends.push(lists.hits.len());
    }
}

/// The matches of several queries, each list nearest first.
#[derive(Debug, Default)]
pub(in crate::gallery) struct HitLists {
    hits: Vec<Hit>,
    ends: Vec<usize>,
}

impl HitLists {
    /// No lists yet, with room for those of so many queries; how many are within a threshold nobody knows.
    pub fn with_room(queries: usize, wanted: Wanted, rows: usize) -> Self {
        let each = match wanted.most {
            usize::MAX => 0,
            most => most.min(rows),
        };
        Self {
            hits: Vec::with_capacity(queries * each),
            ends: Vec::with_capacity(queries),
        }
    }

    /// Append the `most` least of some hits as the list of the next query.
    pub fn write(&mut self, hits: &mut [Hit], most: usize) {
        let mut least = hits;
        if most < least.len() {
            least.select_nth_unstable(most);
            least = &mut least[..most];
        }
        least.sort_unstable();
        self.push(least.iter().copied());
    }

    /// Append hits that are in order as the list of the next query.
    pub fn push(&mut self, hits: impl Iterator<Item = Hit>) {
        self.hits.extend(hits);
        self.ends.push(self.hits.len());
    }

    /// Append the lists of further queries.
    pub fn append(&mut self, other: &Self) {
        let start = self.hits.len();
        self.hits.extend_from_slice(&other.hits);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }

    pub fn iter(&self) -> impl Iterator<Item = &[Hit]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.hits[start..*end])
    }

    /// Number of lists.
    pub fn len(&self) -> usize {
        self.ends.len()
    }
}
