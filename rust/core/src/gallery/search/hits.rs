//! The best hits of a query so far, and the least score that a further row must have.

use std::cmp::Ordering;

use super::top_k::TopK;

/// What a search asks for.
#[derive(Debug, Clone, Copy)]
pub(in crate::gallery) struct Wanted {
    /// Number of nearest rows; `usize::MAX` for all.
    pub most: usize,
    /// Largest Euclidean distance, if any.
    pub threshold: Option<f64>,
}

/// A row and its distance to a query; orders by distance, then by index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::gallery) struct Hit {
    /// Euclidean distance in float64. For an only candidate, which is compared with nothing, rounded to float32.
    pub distance: f64,
    /// Index of the reference: of equally near rows the earlier comes first.
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

/// The nearest hits of one query at a time.
#[derive(Debug)]
pub(in crate::gallery) struct Nearest {
    threshold: f64,
    /// `|q|² + 1 - spread`. Half of this less the squared distance is the least score of a row at that distance.
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

    /// Begin with a query of this squared norm. The squared norms of all rows lie within `spread` of 1.
    pub fn begin(&mut self, squared_norm: f64, spread: f64) {
        self.base = squared_norm + 1.0 - spread;
        self.best.clear();
    }

    /// A row with a lower score (in exact arithmetic) is farther than the threshold or than the k-th hit.
    pub fn least_score(&self) -> f64 {
        let kth = self.best.kth().map_or(f64::INFINITY, |hit| hit.distance);
        let reach = kth.min(self.threshold);
        (self.base - reach * reach) / 2.0
    }

    /// Whether there is no threshold.
    pub fn reaches_all(&self) -> bool {
        self.threshold.is_infinite()
    }

    /// Whether a hit is within the threshold.
    pub fn reaches(&self, hit: &Hit) -> bool {
        hit.distance <= self.threshold
    }

    /// Add a hit, if it is near enough.
    pub fn offer(&mut self, hit: Hit) {
        if self.reaches(&hit) {
            self.best.offer(hit);
        }
    }

    /// Append the hits as the list of the next query.
    pub fn write(&mut self, lists: &mut HitLists) {
        self.best.drain_into(&mut lists.hits);
        lists.ends.push(lists.hits.len());
    }
}

/// The hits of several queries, each list nearest first.
#[derive(Debug, Default)]
pub(in crate::gallery) struct HitLists {
    hits: Vec<Hit>,
    ends: Vec<usize>,
}

impl HitLists {
    /// Empty, with room for the hits of so many queries. How many rows are within a threshold is not known.
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

    /// Append the `most` nearest of some hits as the list of the next query.
    pub fn write(&mut self, hits: &mut [Hit], most: usize) {
        let mut least = hits;
        if most < least.len() {
            least.select_nth_unstable(most);
            least = &mut least[..most];
        }
        least.sort_unstable();
        self.push(least.iter().copied());
    }

    /// Append hits, which must be in order, as the list of the next query.
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
