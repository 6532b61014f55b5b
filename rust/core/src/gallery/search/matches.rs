//! What a search returns.

/// Columns of results, one entry per match.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matches {
    /// Euclidean distance: the float64 value, which has decided, rounded to float32, which keeps the order;
    /// infinity where nothing matches.
    pub distance: Vec<f32>,
    /// Index of the reference; -1 where nothing matches.
    pub index: Vec<i64>,
    /// Number of its identity; -1 where nothing matches.
    pub identity: Vec<i64>,
}

impl Matches {
    /// None yet, with room for so many.
    pub(in crate::gallery) fn with_room(count: usize) -> Self {
        Self {
            distance: Vec::with_capacity(count),
            index: Vec::with_capacity(count),
            identity: Vec::with_capacity(count),
        }
    }

    /// Append what stands for so many missing ones.
    pub(in crate::gallery) fn pad(&mut self, missing: usize) {
        if missing == 0 {
            return;
        }
        let end = self.index.len() + missing;
        self.distance.resize(end, f32::INFINITY);
        self.index.resize(end, -1);
        self.identity.resize(end, -1);
    }

    pub(in crate::gallery) fn append(&mut self, other: &Self) {
        self.distance.extend_from_slice(&other.distance);
        self.index.extend_from_slice(&other.index);
        self.identity.extend_from_slice(&other.identity);
    }
}
