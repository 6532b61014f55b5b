//! The format in which a gallery is written down: plain bytes.
//!
//! ```text
//! header    64 bytes: magic, version, width, rows, identities, bytes of names, next index, next number, CRC-32 of
//!           all else, zeros
//! values    rows x width float32
//! indices   rows int64
//! numbers   identities int64      in the order in which they were first added
//! owners    rows uint32           which of these
//! lengths   identities uint32     of their names
//! names     UTF-8, one after the other
//! ```
//!
//! Little endian throughout. Codes are not written: they are computed again, so that nothing but the vectors decides
//! what matches. On reading, vectors are checked like those of any caller, and whatever does not fit the format is
//! refused.

use std::ops::Range;
use std::sync::Arc;

use super::mapped::{Bytes, Values};
use super::rows::{References, RowData};
use super::{Gallery, MAX_COUNT, MAX_ROWS};
use crate::error::{CoreError, Result};
use crate::gallery::unit_vectors::{UnitVectors, check_dim, check_norms};
use crate::simd::Kernel;

const MAGIC: &[u8; 8] = b"faceidG\n";
const VERSION: u32 = 1;
const HEADER: usize = 64;
/// Position of the checksum of everything before and after it.
const CHECKSUM: usize = 56;
/// The zeros that fill up the header.
const PADDING: Range<usize> = CHECKSUM + 4..HEADER;

impl Gallery {
    /// The whole gallery as bytes, neither compressed nor encrypted.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let rows = self.len();
        let names: Vec<&str> = self.identities().collect();
        let names_length: usize = names.iter().map(|name| name.len()).sum();
        let mut places = std::collections::HashMap::new();
        let mut numbers = Vec::with_capacity(names.len());
        for (place, slot) in (0_u32..).zip(self.identities.slots()) {
            places.insert(slot, place);
            numbers.push(self.identities.get(slot).number);
        }
        let mut bytes = Vec::with_capacity(
            HEADER + rows * (self.dim() * 4 + 12) + names.len() * 12 + names_length,
        );
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.dim() as u32).to_le_bytes());
        for count in [rows, names.len(), names_length] {
            bytes.extend_from_slice(&(count as u64).to_le_bytes());
        }
        bytes.extend_from_slice(&self.next_index.to_le_bytes());
        bytes.extend_from_slice(&self.identities.next_number().to_le_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(
            self.references
                .rows()
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes()),
        );
        let all = 0..rows as u32;
        bytes.extend(
            all.clone()
                .flat_map(|row| self.references.index(row).to_le_bytes()),
        );
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(all.flat_map(|row| places[&self.references.owner(row)].to_le_bytes()));
        bytes.extend(
            names
                .iter()
                .flat_map(|name| (name.len() as u32).to_le_bytes()),
        );
        for name in names {
            bytes.extend_from_slice(name.as_bytes());
        }
        let checksum = checksum(&bytes);
        bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// A gallery from what [`Gallery::to_bytes`] made.
    ///
    /// # Errors
    /// If the bytes are damaged or of another format.
    pub fn from_bytes(kernel: Kernel, bytes: &[u8]) -> Result<Self> {
        let layout = Layout::of(bytes)?;
        let values = numbers(&bytes[layout.values.clone()], f32::from_le_bytes);
        let values = UnitVectors::new("data", layout.dim, values)?;
        let squares = values.squared_norms().to_vec();
        layout.build(kernel, bytes, Values::Owned(values.into_values()), &squares)
    }

    /// A gallery that reads its vectors where they are in `bytes`, and cannot be changed.
    ///
    /// # Errors
    /// If the bytes are damaged, of another format, or not aligned to four, or on a big-endian CPU.
    pub fn mapped(kernel: Kernel, bytes: &Bytes) -> Result<Self> {
        let layout = Layout::of((**bytes).as_ref())?;
        let values = Values::mapped(Arc::clone(bytes), layout.values.clone());
        let values = values.filter(|_| cfg!(target_endian = "little"));
        let values = values.ok_or_else(|| damaged("values that can be read where they are"))?;
        let squares = check_norms("data", layout.dim, &values)?;
        layout.build(kernel, (**bytes).as_ref(), values, &squares)
    }
}

fn damaged(expected: &str) -> CoreError {
    CoreError::invalid(
        "data",
        format!("{expected}, as Gallery.to_bytes writes"),
        "other bytes (damaged, cut off, or of another program)",
    )
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..CHECKSUM]);
    crc.update(&bytes[CHECKSUM + 4..]);
    crc.finalize()
}

/// Little-endian numbers, one after the other.
fn numbers<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|bytes| read(*bytes))
        .collect()
}

/// Where each part of a file stands.
struct Layout {
    dim: usize,
    next_index: i64,
    next_number: i64,
    values: Range<usize>,
    indices: Range<usize>,
    numbers: Range<usize>,
    owners: Range<usize>,
    lengths: Range<usize>,
    names: Range<usize>,
}

impl Layout {
    fn of(bytes: &[u8]) -> Result<Self> {
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or_else(|| damaged("a gallery"))?;
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        if &header[..8] != MAGIC {
            return Err(damaged("a gallery"));
        }
        if half(8) != VERSION {
            let got = half(8).to_string();
            return Err(CoreError::invalid(
                "data",
                format!("format version {VERSION}"),
                got,
            ));
        }
        let dim = half(12) as usize;
        check_dim(dim)?;
        // Counts that cannot be true must not be multiplied.
        let count = |at: usize| {
            usize::try_from(word(at))
                .ok()
                .filter(|count| *count <= bytes.len())
        };
        let (Some(rows), Some(people), Some(names)) = (count(16), count(24), count(32)) else {
            return Err(damaged("counts that fit"));
        };
        let counter = |at: usize| {
            let number = i64::try_from(word(at)).ok();
            number.filter(|number| *number <= MAX_COUNT)
        };
        let (Some(next_index), Some(next_number)) = (counter(40), counter(48)) else {
            return Err(damaged("counts of insertions that can be"));
        };
        if rows > MAX_ROWS || bytes[PADDING] != [0; PADDING.end - PADDING.start] {
            return Err(damaged("a header"));
        }
        let mut end = HEADER;
        let mut next = |length: usize| {
            let start = end;
            end = end.saturating_add(length);
            start..end
        };
        let layout = Self {
            dim,
            next_index,
            next_number,
            values: next(rows.saturating_mul(dim * 4)),
            indices: next(rows.saturating_mul(8)),
            numbers: next(people.saturating_mul(8)),
            owners: next(rows.saturating_mul(4)),
            lengths: next(people.saturating_mul(4)),
            names: next(names),
        };
        if end != bytes.len() {
            return Err(damaged("as many bytes as its header says"));
        }
        if half(CHECKSUM) != checksum(bytes) {
            return Err(damaged("bytes that agree with their checksum"));
        }
        Ok(layout)
    }

    fn build(
        self,
        kernel: Kernel,
        bytes: &[u8],
        values: Values,
        squares: &[f64],
    ) -> Result<Gallery> {
        let indices = numbers(&bytes[self.indices], i64::from_le_bytes);
        let people = numbers(&bytes[self.numbers], i64::from_le_bytes);
        let owners = numbers(&bytes[self.owners], u32::from_le_bytes);
        let mut gallery = Gallery::on(kernel, self.dim)?;
        let mut names = &bytes[self.names];
        let mut last = -1;
        for (number, length) in people
            .iter()
            .zip(numbers(&bytes[self.lengths], u32::from_le_bytes))
        {
            let (name, rest) = names
                .split_at_checked(length as usize)
                .ok_or_else(|| damaged("names"))?;
            names = rest;
            let name = std::str::from_utf8(name).map_err(|_| damaged("names in UTF-8"))?;
            let new = last < *number && *number < self.next_number && !name.is_empty();
            if !new || !gallery.identities.restore(name, *number) {
                return Err(damaged("people with names and numbers of their own"));
            }
            last = *number;
        }
        let mut rows: Vec<(i64, u32)> = indices.iter().copied().zip(0..).collect();
        rows.sort_unstable();
        let distinct = rows.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let in_range = rows
            .iter()
            .all(|(index, _)| (0..self.next_index).contains(index));
        if !distinct || !in_range || owners.iter().any(|owner| *owner as usize >= people.len()) {
            return Err(damaged("rows with owners and numbers of their own"));
        }
        // The rows of an identity stand in the order in which they were added.
        for (_, row) in &rows {
            let owner = owners[*row as usize]; // slots count from 0 in an empty gallery
            gallery.identities.get_mut(owner).rows.push(*row);
        }
        if !names.is_empty()
            || gallery
                .identities
                .slots()
                .any(|slot| gallery.identities.get(slot).rows.is_empty())
        {
            return Err(damaged("references for everybody"));
        }
        let rest = RowData {
            indices,
            owners,
            squared_norms: squares,
        };
        gallery.references = References::of(self.dim, values, rest);
        gallery.next_index = self.next_index;
        gallery.identities.set_next_number(self.next_number);
        if gallery.codes_pay() {
            gallery.build_table();
        }
        Ok(gallery)
    }
}
