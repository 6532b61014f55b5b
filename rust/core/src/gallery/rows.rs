//! The references of a gallery, column by column.

use std::ops::Range;

use super::mapped::Values;
use crate::distance::Rows;

/// Entry of a row that has none.
pub(super) const NO_ENTRY: u32 = u32::MAX;

/// References by row. A removal moves the last row into the gap, so the number of a row says nothing about its age:
/// its index does.
#[derive(Debug, Clone)]
pub(super) struct References {
    dim: usize,
    /// `(rows, dim)`, row-major.
    values: Values,
    indices: Indices,
    /// Slot of the identity that each row belongs to.
    owners: Vec<u32>,
    /// Entry of the code table that stands for each row.
    entries: Vec<u32>,
    /// The squared norm of every row that was ever added lies within this distance of 1.
    spread: f64,
}

/// The columns beside the values.
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

    /// References with the given columns.
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

    /// Whether rows can neither be added nor removed.
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

    /// Append rows with these indices. `spread` is the largest distance of their squared norms from 1.
    ///
    /// # Panics
    /// If these references are read-only.
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

    /// Overwrite a row with the last one.
    ///
    /// # Panics
    /// If these references are read-only.
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

/// Indices, in four bytes each as long as they fit.
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

/// Make room for `more` items and little beyond: doubling would take twice the memory that the references need. Large
/// arrays move by pages, so growing often costs little.
pub(super) fn grow<T>(column: &mut Vec<T>, more: usize, unit: usize) {
    if column.capacity() - column.len() < more {
        let spare = (column.len() / 256).max(unit);
        column.reserve_exact(more + spare.next_multiple_of(unit));
    }
}
