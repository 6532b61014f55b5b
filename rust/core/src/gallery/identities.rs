//! Names of identities, their numbers, and which rows are theirs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::{CoreError, Result};

/// One identity.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    name: Arc<str>,
    /// Counts identities and is never used again.
    pub number: i64,
    /// Rows of the references, those added first in front.
    pub rows: Vec<u32>,
}

/// All identities. A person has a *slot*, which is small and used again after a removal, and a number.
#[derive(Debug, Clone, Default)]
pub(super) struct Identities {
    slots: Vec<Option<Identity>>,
    free: Vec<u32>,
    by_name: HashMap<Arc<str>, u32>,
    /// In order of arrival.
    by_number: BTreeMap<i64, u32>,
    next_number: i64,
}

impl Identities {
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The slot of a name.
    ///
    /// # Errors
    /// If nobody has this name.
    pub fn slot(&self, name: &str) -> Result<u32> {
        let slot = self.by_name.get(name).copied();
        slot.ok_or(CoreError::UnknownIdentity)
    }

    /// The slot of a name, given out on first sight.
    pub fn slot_or_new(&mut self, name: &str) -> u32 {
        if let Some(slot) = self.by_name.get(name) {
            return *slot;
        }
        let number = self.next_number;
        self.next_number += 1; // at most MAX_COUNT, as was checked before anything changed
        self.insert(Arc::from(name), number)
    }

    /// A person as they were, with their number; returns whether nobody has this name yet.
    pub fn restore(&mut self, name: &str, number: i64) -> bool {
        let new = !self.contains(name);
        if new {
            self.insert(Arc::from(name), number);
        }
        new
    }

    /// The number that the next new person gets.
    pub fn next_number(&self) -> i64 {
        self.next_number
    }

    pub fn set_next_number(&mut self, number: i64) {
        self.next_number = number;
    }

    fn insert(&mut self, name: Arc<str>, number: i64) -> u32 {
        let person = Identity {
            name: Arc::clone(&name),
            number,
            rows: Vec::new(),
        };
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(person);
            slot
        } else {
            self.slots.push(Some(person));
            (self.slots.len() - 1) as u32
        };
        self.by_name.insert(name, slot);
        self.by_number.insert(number, slot);
        slot
    }

    pub fn remove(&mut self, slot: u32) -> Vec<u32> {
        let person = self.slots[slot as usize].take().expect("the slot is taken");
        self.by_name.remove(&person.name);
        self.by_number.remove(&person.number);
        self.free.push(slot);
        person.rows
    }

    pub fn get(&self, slot: u32) -> &Identity {
        self.slots[slot as usize]
            .as_ref()
            .expect("the slot is taken")
    }

    pub fn get_mut(&mut self, slot: u32) -> &mut Identity {
        self.slots[slot as usize]
            .as_mut()
            .expect("the slot is taken")
    }

    /// Names in order of arrival.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.by_number.values().map(|slot| &*self.get(*slot).name)
    }

    /// Slots in order of arrival.
    pub fn slots(&self) -> impl ExactSizeIterator<Item = u32> {
        self.by_number.values().copied()
    }

    /// The name behind a number, unless that person has been removed.
    pub fn name_of(&self, number: i64) -> Option<&str> {
        let slot = self.by_number.get(&number)?;
        Some(&self.get(*slot).name)
    }

    /// Bytes of the lists of rows.
    pub fn nbytes(&self) -> usize {
        let lists = self.slots.iter().flatten();
        lists
            .map(|person| person.rows.capacity() * size_of::<u32>())
            .sum()
    }
}
