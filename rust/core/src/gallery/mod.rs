//! A gallery: the references of many identities, how it changes, and searches of it.

mod codes;
mod file_format;
mod identities;
mod mapped;
mod rows;
mod search;
mod unit_vectors;

use std::ops::Range;

use crate::error::{CoreError, Result};
use crate::simd::{Backend, Kernel};
use codes::table::{BITS5_FROM, CodeTable, GROUPS_FROM};
use identities::Identities;
pub use mapped::Bytes;
use rows::References;
pub use search::matches::Matches;
use search::threads::WORTH_A_THREAD_US;
pub use unit_vectors::UnitVectors;
use unit_vectors::check_dim;

/// Number of references from which on they have codes: fewer are searched as fast without.
const CODED_FROM: usize = 128;
/// Most references: rows are numbered in 31 bits.
const MAX_ROWS: usize = (1 << 31) - 1;
/// Longest name in bytes: [`Gallery::to_bytes`] writes its length in four bytes.
const MAX_NAME: usize = u32::MAX as usize;
/// Most references, and most identities, that may ever be added to a gallery. At a billion a second it would take
/// more than a century to add them, so a file that claims more is damaged or forged. The sum of two such counts still
/// fits.
pub const MAX_COUNT: i64 = 1 << 62;

/// Reference vectors, each of one identity.
///
/// A reference has an *index*: a number that counts insertions and is never used again. An identity
/// has a *number* likewise; a name that was removed and added again gets a new one.
#[derive(Debug, Clone)]
pub struct Gallery {
    kernel: Kernel,
    references: References,
    identities: Identities,
    /// Codes of the references, once there are enough of them.
    table: Option<CodeTable>,
    /// Rows from which on the table has groups: [`GROUPS_FROM`], fewer in tests.
    groups_from: usize,
    /// Bytes from which on codes are of five bits: [`BITS5_FROM`], fewer in tests.
    bits5_from: usize,
    /// Microseconds that another thread must save: 0 in tests, where every thread is worth it.
    worth_a_thread_us: usize,
    next_index: i64,
}

impl Gallery {
    /// An empty gallery of vectors of `dim` values, on the fastest kernel of this CPU.
    ///
    /// # Errors
    /// If `dim` is out of range.
    pub fn new(dim: usize) -> Result<Self> {
        Self::on(Kernel::fastest(), dim)
    }

    /// An empty gallery on a given kernel.
    ///
    /// # Errors
    /// If `dim` is out of range.
    pub fn on(kernel: Kernel, dim: usize) -> Result<Self> {
        check_dim(dim)?;
        Ok(Self {
            kernel,
            references: References::new(dim),
            identities: Identities::default(),
            table: None,
            groups_from: GROUPS_FROM,
            bits5_from: BITS5_FROM,
            worth_a_thread_us: WORTH_A_THREAD_US,
            next_index: 0,
        })
    }

    /// Values per vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.references.dim()
    }

    /// Number of references.
    #[must_use]
    pub fn len(&self) -> usize {
        self.references.len()
    }

    /// Whether there is no reference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.references.len() == 0
    }

    /// Whether an identity has references.
    #[must_use]
    pub fn contains(&self, identity: &str) -> bool {
        self.identities.contains(identity)
    }

    /// The back end that scores.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.kernel.backend()
    }

    /// Names of the identities in order of their first reference.
    #[must_use]
    pub fn identities(&self) -> impl ExactSizeIterator<Item = &str> {
        self.identities.names()
    }

    /// The name of an identity number, unless the identity has been removed.
    #[must_use]
    pub fn name_of(&self, number: i64) -> Option<&str> {
        self.identities.name_of(number)
    }

    /// Bytes allocated for references: values, codes, and the columns beside them. Names of identities and their
    /// table are not counted.
    #[must_use]
    pub fn nbytes(&self) -> usize {
        let table = self.table.as_ref().map_or(0, CodeTable::nbytes);
        self.references.nbytes() + self.identities.nbytes() + table
    }

    /// Bytes of codes that a scan reads, which are part of these; 0 where there are no codes and values are scanned.
    #[must_use]
    pub fn code_nbytes(&self) -> usize {
        let table = self.table.as_ref();
        table.map_or(0, |table| table.blocks().codes.len())
    }

    /// Add references to one identity, which need not exist yet; returns their indices.
    ///
    /// # Errors
    /// If the name is empty, there is no vector, the width differs, or [`MAX_COUNT`] would be exceeded. Nothing is
    /// added then.
    pub fn add(&mut self, identity: &str, vectors: UnitVectors) -> Result<Range<i64>> {
        let indices = self.check_new(identity, &vectors)?;
        self.check_numbers(usize::from(!self.contains(identity)))?;
        let slot = self.identities.slot_or_new(identity);
        Ok(self.append_to(slot, vectors, indices))
    }

    /// Add one reference per identity given, in that order; returns their indices.
    ///
    /// # Errors
    /// If a name is empty, widths or lengths differ, or [`MAX_COUNT`] would be exceeded if every name were a new one.
    /// Nothing is added then.
    pub fn extend<S: AsRef<str>>(
        &mut self,
        vectors: UnitVectors,
        identities: &[S],
    ) -> Result<Range<i64>> {
        let indices = self.check_fits("vectors", &vectors)?;
        if identities.len() != vectors.len() {
            return Err(CoreError::invalid(
                "identities",
                format!("one per vector ({})", vectors.len()),
                identities.len().to_string(),
            ));
        }
        for identity in identities {
            check_name(identity.as_ref())?;
        }
        self.check_numbers(identities.len())?;
        let slots = identities
            .iter()
            .map(|name| self.identities.slot_or_new(name.as_ref()));
        let owners: Vec<u32> = slots.collect();
        self.append(vectors, &owners, indices.clone());
        Ok(indices)
    }

    /// Remove an identity with all its references; returns how many these were.
    ///
    /// # Errors
    /// If there is no such identity, or the gallery is read-only.
    pub fn remove(&mut self, identity: &str) -> Result<usize> {
        self.check_changeable()?;
        let slot = self.identities.slot(identity)?;
        let rows = self.identities.remove(slot);
        let count = rows.len();
        self.drop_rows(rows);
        Ok(count)
    }

    /// Put new references in the place of all those of an identity, which keeps its number; returns
    /// the new indices.
    ///
    /// # Errors
    /// If there is no such identity, no vector, the width differs, or [`MAX_COUNT`] would be exceeded. Nothing
    /// changes then.
    pub fn replace(&mut self, identity: &str, vectors: UnitVectors) -> Result<Range<i64>> {
        let indices = self.check_new(identity, &vectors)?;
        let slot = self.identities.slot(identity)?;
        let rows = std::mem::take(&mut self.identities.get_mut(slot).rows);
        self.drop_rows(rows);
        Ok(self.append_to(slot, vectors, indices))
    }

    /// Add checked vectors to the identity in a slot; returns their indices.
    fn append_to(&mut self, slot: u32, vectors: UnitVectors, indices: Range<i64>) -> Range<i64> {
        let owners = vec![slot; vectors.len()];
        self.append(vectors, &owners, indices.clone());
        indices
    }

    /// Add checked vectors; `owners` gives the slot of each, `indices` are what [`Self::check_fits`] found free.
    fn append(&mut self, vectors: UnitVectors, owners: &[u32], indices: Range<i64>) {
        let first = self.references.len();
        self.next_index = indices.end;
        let norms = vectors.squared_norms().iter();
        let spread = norms.fold(0.0_f64, |spread, square| spread.max((square - 1.0).abs()));
        self.references
            .append(vectors.into_values(), indices, owners, spread);

        let mut new: Vec<(u32, u32)> = owners.iter().copied().zip(first as u32..).collect();
        new.sort_unstable();
        let outgrown = match &self.table {
            Some(table) => table.is_outgrown(self.references.len()),
            None => self.codes_pay(),
        };
        for of_one in new.chunk_by(|a, b| a.0 == b.0) {
            let rows = &mut self.identities.get_mut(of_one[0].0).rows;
            let old = rows.len();
            rows.reserve_exact(of_one.len());
            rows.extend(of_one.iter().map(|(_, row)| *row));
            if let Some(table) = &mut self.table
                && !outgrown
            {
                table.insert(&mut self.references, rows, old);
            }
        }
        if outgrown {
            self.build_table();
        }
    }

    /// Whether codes pay for so many rows: soon where the CPU multiplies bytes, elsewhere only once groups are ruled
    /// out by them.
    fn codes_pay(&self) -> bool {
        let rows = self.references.len();
        rows >= CODED_FROM
            && (self.kernel.backend().has_byte_products() || rows >= self.groups_from)
    }

    /// Build the code table from all references.
    fn build_table(&mut self) {
        let grouping = self.references.len() >= self.groups_from;
        let all = self
            .identities
            .slots()
            .map(|slot| self.identities.get(slot));
        let entries = all.map(|identity| CodeTable::least_entries(identity.rows.len(), grouping));
        let packing = CodeTable::packing(self.kernel, self.dim(), entries.sum(), self.bits5_from);
        let mut table = CodeTable::new(self.kernel, &self.references, packing, grouping);
        for slot in self.identities.slots() {
            table.insert(&mut self.references, &self.identities.get(slot).rows, 0);
        }
        self.table = Some(table);
    }

    /// Remove rows that belong to no identity any more: the last rows move into the gaps.
    fn drop_rows(&mut self, mut rows: Vec<u32>) {
        if let Some(table) = &mut self.table {
            table.drop_entries(&mut self.references, &rows);
        }
        // The last first: what is moved into a gap then never is a row that goes.
        rows.sort_unstable_by(|a, b| b.cmp(a));
        for row in rows {
            let last = (self.references.len() - 1) as u32;
            self.references.swap_remove(row);
            if row == last {
                continue;
            }
            let theirs = &mut self.identities.get_mut(self.references.owner(row)).rows;
            if let Some(moved) = theirs.iter_mut().find(|theirs| **theirs == last) {
                *moved = row;
            }
            if let Some(table) = &mut self.table {
                table.rename_row(self.references.entry(row), last, row);
            }
        }
    }

    /// Check new references of one identity, and return the indices that they get.
    fn check_new(&self, identity: &str, vectors: &UnitVectors) -> Result<Range<i64>> {
        check_name(identity)?;
        if vectors.is_empty() {
            return Err(CoreError::invalid("vectors", "at least one row", "none"));
        }
        self.check_fits("vectors", vectors)
    }

    fn check_changeable(&self) -> Result<()> {
        if self.references.is_read_only() {
            return Err(CoreError::invalid(
                "gallery",
                "one in memory, to change it (from_bytes)",
                "one that was opened to be read",
            ));
        }
        Ok(())
    }

    /// Check that references fit, and return the indices that they get.
    fn check_fits(&self, argument: &'static str, vectors: &UnitVectors) -> Result<Range<i64>> {
        self.check_changeable()?;
        self.check_width(argument, vectors)?;
        if self.len().saturating_add(vectors.len()) > MAX_ROWS {
            let expected = format!("at most {MAX_ROWS} references in all");
            let got = format!("{} and {} more", self.len(), vectors.len());
            return Err(CoreError::invalid(argument, expected, got));
        }
        let end = counted("references", self.next_index, vectors.len())?;
        Ok(self.next_index..end)
    }

    /// Check that so many new identities can be numbered.
    fn check_numbers(&self, new: usize) -> Result<()> {
        counted("identities", self.identities.next_number(), new).map(drop)
    }

    fn check_width(&self, argument: &'static str, vectors: &UnitVectors) -> Result<()> {
        if vectors.dim() == self.dim() {
            return Ok(());
        }
        Err(CoreError::invalid(
            argument,
            format!("rows of {} values", self.dim()),
            format!("rows of {}", vectors.dim()),
        ))
    }
}

fn check_name(identity: &str) -> Result<()> {
    check_name_length(identity.len())
}

fn check_name_length(length: usize) -> Result<()> {
    let (expected, got) = match length {
        0 => ("a name".to_owned(), "an empty string".to_owned()),
        1..=MAX_NAME => return Ok(()),
        length => (
            format!("a name of at most {MAX_NAME} bytes"),
            length.to_string(),
        ),
    };
    Err(CoreError::invalid("identity", expected, got))
}

/// A count increased by so many, if it stays within [`MAX_COUNT`].
fn counted(what: &str, so_far: i64, more: usize) -> Result<i64> {
    let end = i64::try_from(more)
        .ok()
        .and_then(|more| so_far.checked_add(more));
    end.filter(|end| *end <= MAX_COUNT).ok_or_else(|| {
        let expected = format!(
            "at most {MAX_COUNT} {what} ever added (make a new gallery of its references: it counts from 0)"
        );
        CoreError::invalid("gallery", expected, format!("{so_far} and {more} more"))
    })
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
