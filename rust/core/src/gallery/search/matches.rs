//! What a search returns.

/// Matches, column by column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matches {
    /// Euclidean distance: computed and compared in float64, then rounded to float32, which keeps the order. Infinity
    /// where there is no match.
    pub distance: Vec<f32>,
    /// Index of the reference; -1 where there is no match.
    pub index: Vec<i64>,
    /// Number of its identity; -1 where there is no match.
    pub identity: Vec<i64>,
}

impl Matches {
    /// Empty, with room for so many matches.
    pub(in crate::gallery) fn with_room(count: usize) -> Self {
        Self {
            distance: Vec::with_capacity(count),
            index: Vec::with_capacity(count),
            identity: Vec::with_capacity(count),
        }
    }

    /// Append placeholders for so many missing matches.
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
