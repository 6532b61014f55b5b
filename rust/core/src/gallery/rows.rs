//! The references themselves, in columns.

use std::ops::Range;

use super::mapped::Values;
use crate::distance::Rows;

/// A row that is in no entry of a table.
pub(super) const NO_ENTRY: u32 = u32::MAX;

/// References by row. A removal puts the last row into the gap: rows say nothing about age, indices do.
#[derive(Debug, Clone)]
pub(super) struct References {
    dim: usize,
    /// `(rows, dim)`, row-major.
    values: Values,
    indices: Indices,
    /// Slots of the people.
    owners: Vec<u32>,
    /// Entry of the table that stands for a row.
    entries: Vec<u32>,
    /// No norm squared of a row ever added was farther than this from 1.
    spread: f64,
}

/// What belongs to given values, by row.
pub(super) struct RowData<'a> {
    pub indices: Vec<i64>,
    pub owners: Vec<u32>,
    pub squared_norms: &'a [f64],
}

impl References {
    pub fn new(dim: usize) -> Self {
        Self {
            dim,
            values: Values::Owned(Vec::new()),
            indices: Indices::Narrow(Vec::new()),
            owners: Vec::new(),
            entries: Vec::new(),
            spread: 0.0,
        }
    }

    /// A references of given rows.
    pub fn of(dim: usize, values: Values, rest: RowData<'_>) -> Self {
        let narrow: Result<Vec<u32>, _> = rest.indices.iter().map(|i| u32::try_from(*i)).collect();
        let squares = rest.squared_norms.iter();
        Self {
            dim,
            values,
            indices: narrow.map_or(Indices::Wide(rest.indices), Indices::Narrow),
            entries: vec![NO_ENTRY; rest.owners.len()],
            owners: rest.owners,
            spread: squares.fold(0.0, |spread, square| spread.max((square - 1.0).abs())),
        }
    }

    /// Whether rows may be added and removed.
    pub fn is_read_only(&self) -> bool {
        matches!(self.values, Values::Mapped { .. })
    }

    pub fn dim(&self) -> usize {
        self.dim
    }

    pub fn len(&self) -> usize {
        self.owners.len()
    }

    pub fn rows(&self) -> Rows<'_> {
        Rows {
            dim: self.dim,
            values: &self.values,
        }
    }

    pub fn vector(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.dim..][..self.dim]
    }

    pub fn index(&self, row: u32) -> i64 {
        match &self.indices {
            Indices::Narrow(indices) => i64::from(indices[row as usize]),
            Indices::Wide(indices) => indices[row as usize],
        }
    }

    pub fn owner(&self, row: u32) -> u32 {
        self.owners[row as usize]
    }

    pub fn entry(&self, row: u32) -> u32 {
        self.entries[row as usize]
    }

    pub fn set_entry(&mut self, row: u32, entry: u32) {
        self.entries[row as usize] = entry;
    }

    pub fn spread(&self) -> f64 {
        self.spread
    }

    /// Append rows of these indices; `spread` is that of the new ones.
    ///
    /// # Panics
    /// If this references is read-only.
    pub fn append(&mut self, values: Vec<f32>, indices: Range<i64>, owners: &[u32], spread: f64) {
        let count = owners.len();
        self.spread = self.spread.max(spread);
        let all = self.values.owned().expect("not read-only");
        if all.is_empty() {
            *all = values; // a bulk load is not copied
        } else {
            grow(all, count * self.dim, self.dim);
            all.extend_from_slice(&values);
        }
        self.indices.extend(indices, count);
        grow(&mut self.owners, count, 1);
        self.owners.extend_from_slice(owners);
        grow(&mut self.entries, count, 1);
        self.entries.resize(self.owners.len(), NO_ENTRY);
    }

    /// Put the last row into the place of a row, which is lost.
    ///
    /// # Panics
    /// If this references is read-only.
    pub fn swap_remove(&mut self, row: u32) {
        let (row, last) = (row as usize, self.len() - 1);
        let values = self.values.owned().expect("not read-only");
        values.copy_within(last * self.dim.., row * self.dim);
        values[last * self.dim..].fill(0.0); // a template must not outlive its owner
        values.truncate(last * self.dim);
        match &mut self.indices {
            Indices::Narrow(indices) => drop(indices.swap_remove(row)),
            Indices::Wide(indices) => drop(indices.swap_remove(row)),
        }
        self.owners.swap_remove(row);
        self.entries.swap_remove(row);
    }

    pub fn nbytes(&self) -> usize {
        self.values.nbytes()
            + match &self.indices {
                Indices::Narrow(indices) => indices.capacity() * size_of::<u32>(),
                Indices::Wide(indices) => indices.capacity() * size_of::<i64>(),
            }
            + (self.owners.capacity() + self.entries.capacity()) * size_of::<u32>()
    }
}

/// Insertion numbers: in four bytes until there have been more insertions than these count.
#[derive(Debug, Clone)]
enum Indices {
    Narrow(Vec<u32>),
    Wide(Vec<i64>),
}

impl Indices {
    fn extend(&mut self, new: Range<i64>, count: usize) {
        if let Self::Narrow(narrow) = self {
            if let (Ok(first), Ok(end)) = (u32::try_from(new.start), u32::try_from(new.end)) {
                grow(narrow, count, 1);
                narrow.extend(first..end);
                return;
            }
            *self = Self::Wide(narrow.iter().map(|index| i64::from(*index)).collect());
        }
        if let Self::Wide(wide) = self {
            grow(wide, count, 1);
            wide.extend(new);
        }
    }
}

/// Make room for more, by little more than asked: doubling would hold twice the memory that
/// references take. Large arrays move by pages, so that growing often costs little.
pub(super) fn grow<T>(column: &mut Vec<T>, more: usize, unit: usize) {
    if column.capacity() - column.len() < more {
        let spare = (column.len() / 256).max(unit);
        column.reserve_exact(more + spare.next_multiple_of(unit));
    }
}
