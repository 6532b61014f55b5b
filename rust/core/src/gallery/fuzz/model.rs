//! What a gallery must hold and answer, by a reading of the format and a brute force of their own.

use std::collections::HashSet;

use super::super::file_format::checksum;
use crate::distance::{NORM_TOLERANCE, exact};

/// The same as `MAX_COUNT`, written down apart: the format's limit.
pub const MOST: i64 = 1 << 62;
pub const HEADER: usize = 64;
pub const CHECKSUM: usize = 56;

/// A reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub index: i64,
    /// Of its identity.
    pub number: i64,
    pub vector: Vec<f32>,
}

/// A gallery as a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub dim: usize,
    /// In order of their indices.
    pub rows: Vec<Row>,
    /// Numbers and names, in order.
    pub people: Vec<(i64, String)>,
    pub next_index: i64,
    pub next_number: i64,
}

/// Little-endian numbers out of bytes, one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    fn number<const N: usize, T>(&mut self, read: fn([u8; N]) -> T) -> Option<T> {
        Some(read(self.bytes(N as u64)?.try_into().ok()?))
    }

    fn numbers<const N: usize, T>(&mut self, count: u64, read: fn([u8; N]) -> T) -> Option<Vec<T>> {
        // No more than there are bytes for.
        let bytes = self.bytes(count.checked_mul(N as u64)?)?;
        let numbers = bytes.chunks_exact(N).map(|bytes| bytes.try_into().ok());
        numbers.map(|bytes| bytes.map(read)).collect()
    }
}

impl Model {
    /// What the bytes hold, if they are as the format says.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let magic = reader.bytes(8)? == b"faceidG\n";
        let version = reader.number(u32::from_le_bytes)?;
        let dim = u64::from(reader.number(u32::from_le_bytes)?);
        let [rows, people, names] = [(); 3].map(|()| reader.number(u64::from_le_bytes));
        let (rows, people, names) = (rows?, people?, names?);
        let next_index = reader.number(i64::from_le_bytes)?;
        let next_number = reader.number(i64::from_le_bytes)?;
        let found = reader.number(u32::from_le_bytes)?;
        let padding = reader.number(u32::from_le_bytes)?;
        if !magic || version != 1 || padding != 0 || !(1..=2048).contains(&dim) {
            return None;
        }
        let counters = [next_index, next_number];
        if !counters.iter().all(|count| (0..=MOST).contains(count)) {
            return None;
        }
        let values = reader.numbers(rows.checked_mul(dim)?, f32::from_le_bytes)?;
        let indices = reader.numbers(rows, i64::from_le_bytes)?;
        let numbers = reader.numbers(people, i64::from_le_bytes)?;
        let owners = reader.numbers(rows, u32::from_le_bytes)?;
        let lengths = reader.numbers(people, u32::from_le_bytes)?;
        let mut names = Reader(reader.bytes(names)?);
        if !reader.0.is_empty() || found != checksum(bytes) {
            return None;
        }
        let mut model = Self {
            dim: dim as usize,
            rows: Vec::new(),
            people: Vec::new(),
            next_index,
            next_number,
        };
        for (number, length) in numbers.iter().zip(lengths) {
            let name = str::from_utf8(names.bytes(length.into())?).ok()?;
            model.people.push((*number, name.to_owned()));
        }
        let vectors = values.chunks_exact(model.dim);
        for ((index, owner), vector) in indices.iter().zip(&owners).zip(vectors) {
            let number = *numbers.get(*owner as usize)?;
            model.rows.push(Row {
                index: *index,
                number,
                vector: vector.to_vec(),
            });
        }
        model.rows.sort_by_key(|row| row.index);
        (names.0.is_empty() && model.is_one()).then_some(model)
    }

    /// Whether what was read can be a gallery.
    fn is_one(&self) -> bool {
        let ascending = |numbers: &[i64], end: i64| {
            numbers.is_sorted_by(|a, b| a < b) && numbers.iter().all(|n| (0..end).contains(n))
        };
        let indices: Vec<i64> = self.rows.iter().map(|row| row.index).collect();
        let numbers: Vec<i64> = self.people.iter().map(|(number, _)| *number).collect();
        let names: HashSet<&String> = self.people.iter().map(|(_, name)| name).collect();
        let owners: HashSet<i64> = self.rows.iter().map(|row| row.number).collect();
        ascending(&indices, self.next_index)
            && ascending(&numbers, self.next_number)
            && names.len() == numbers.len()
            && owners.len() == numbers.len()
            && names.iter().all(|name| !name.is_empty())
            && self.rows.iter().all(|row| {
                let norm = exact::squared_norm(&row.vector).sqrt();
                (norm - 1.0).abs() <= NORM_TOLERANCE
            })
    }

    pub fn number_of(&self, name: &str) -> Option<i64> {
        let found = self.people.iter().find(|(_, other)| other == name);
        found.map(|(number, _)| *number)
    }

    /// Distance, index and number of all references, nearest first.
    pub fn sorted(&self, query: &[f32]) -> Vec<(f64, i64, i64)> {
        let mut all: Vec<_> = self
            .rows
            .iter()
            .map(|row| (exact::distance(query, &row.vector), row.index, row.number))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all
    }

    /// Whether there is room for so many more references, and so many new identities.
    pub fn has_room(&self, rows: usize, people: usize) -> bool {
        let fits = |count: i64, more: usize| i128::from(count) + more as i128 <= i128::from(MOST);
        fits(self.next_index, rows) && fits(self.next_number, people)
    }

    /// Add references of one identity each, for which there is room.
    pub fn add(&mut self, names: &[&str], values: &[f32]) {
        for (name, vector) in names.iter().zip(values.chunks_exact(self.dim)) {
            let number = self.number_of(name).unwrap_or_else(|| {
                self.people.push((self.next_number, (*name).to_owned()));
                self.next_number += 1;
                self.next_number - 1
            });
            self.rows.push(Row {
                index: self.next_index,
                number,
                vector: vector.to_vec(),
            });
            self.next_index += 1;
        }
    }

    /// Remove the references of a number; returns how many they were.
    pub fn remove_rows(&mut self, number: i64) -> usize {
        let before = self.rows.len();
        self.rows.retain(|row| row.number != number);
        before - self.rows.len()
    }
}
