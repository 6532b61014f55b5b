//! Names of identities, their numbers, and the rows of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::{CoreError, Result};

/// One identity.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    name: Arc<str>,
    /// Counts identities; never used again.
    pub number: i64,
    /// Rows of its references, in the order in which they were added.
    pub rows: Vec<u32>,
}

/// All identities. Each has a *slot*, a small number that is used again after a removal, and a number that is not.
#[derive(Debug, Clone, Default)]
pub(super) struct Identities {
    slots: Vec<Option<Identity>>,
    free: Vec<u32>,
    by_name: HashMap<Arc<str>, u32>,
    /// In the order in which they were first added.
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
    /// If no identity has this name.
    pub fn slot(&self, name: &str) -> Result<u32> {
        let slot = self.by_name.get(name).copied();
        slot.ok_or(CoreError::UnknownIdentity)
    }

    /// The slot of a name; an unknown name gets a new one.
    pub fn slot_or_new(&mut self, name: &str) -> u32 {
        if let Some(slot) = self.by_name.get(name) {
            return *slot;
        }
        let number = self.next_number;
        self.next_number += 1; // at most MAX_COUNT, as was checked before anything changed
        self.insert(Arc::from(name), number)
    }

    /// Take up an identity as it was written down, with its number. Returns false if the name is known already.
    pub fn restore(&mut self, name: &str, number: i64) -> bool {
        let new = !self.contains(name);
        if new {
            self.insert(Arc::from(name), number);
        }
        new
    }

    /// The number of the next new identity.
    pub fn next_number(&self) -> i64 {
        self.next_number
    }

    pub fn set_next_number(&mut self, number: i64) {
        self.next_number = number;
    }

    fn insert(&mut self, name: Arc<str>, number: i64) -> u32 {
        let identity = Identity {
            name: Arc::clone(&name),
            number,
            rows: Vec::new(),
        };
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(identity);
            slot
        } else {
            self.slots.push(Some(identity));
            (self.slots.len() - 1) as u32
        };
        self.by_name.insert(name, slot);
        self.by_number.insert(number, slot);
        slot
    }

    pub fn remove(&mut self, slot: u32) -> Vec<u32> {
        let identity = self.slots[slot as usize].take().expect("the slot is taken");
        self.by_name.remove(&identity.name);
        self.by_number.remove(&identity.number);
        self.free.push(slot);
        identity.rows
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

    /// The name of an identity number, unless that identity has been removed.
    pub fn name_of(&self, number: i64) -> Option<&str> {
        let slot = self.by_number.get(&number)?;
        Some(&self.get(*slot).name)
    }

    /// Bytes that the lists of rows take.
    pub fn nbytes(&self) -> usize {
        let lists = self.slots.iter().flatten();
        lists
            .map(|identity| identity.rows.capacity() * size_of::<u32>())
            .sum()
    }
}
