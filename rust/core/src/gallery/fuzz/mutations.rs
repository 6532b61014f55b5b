//! Bytes of galleries, changed by somebody who knows the format.

use super::super::Gallery;
use super::super::file_format::checksum;
use super::model::{CHECKSUM, HEADER};
use super::random::{Random, scale};
use crate::gallery::unit_vectors::UnitVectors;
use crate::simd::Kernel;

const NAMES: [&str; 8] = ["ada", "bob", "Łukasz", "李", "é", "e\u{301}", "a", "🙂🙂"];
/// Where whole numbers of some width, and float64, end or begin to be different.
const ENDS: [i64; 18] = [
    0,
    1,
    -1,
    2,
    127,
    1 << 31,
    (1 << 31) - 1,
    1 << 32,
    (1 << 32) - 1,
    (1 << 32) - 3,
    1 << 53,
    1 << 62,
    (1 << 62) - 1,
    (1 << 62) - 2,
    (1 << 62) + 1,
    i64::MAX,
    i64::MAX - 1,
    i64::MIN,
];
const VALUES: [f32; 14] = [
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    1e-40,
    -1e-45,
    0.0,
    -0.0,
    1.0,
    -1.0,
    1e-20,
    1e19,
];
/// On both sides of what a norm may be.
const NORMS: [f64; 10] = [
    0.999,
    0.998_999_9,
    0.999_000_1,
    1.001,
    1.000_999_9,
    1.001_000_1,
    1.000_5,
    0.5,
    1.1,
    1e-30,
];

/// A gallery as it is written, column by column.
#[derive(Debug, Clone)]
pub struct Parts {
    version: u32,
    dim: u32,
    /// Instead of what the columns come to, if given: rows, people, bytes of names.
    counts: [Option<u64>; 3],
    next_index: i64,
    next_number: i64,
    padding: u32,
    rows: Vec<Row>,
    people: Vec<Person>,
}

#[derive(Debug, Clone)]
struct Row {
    values: Vec<f32>,
    index: i64,
    owner: u32,
}

#[derive(Debug, Clone)]
struct Person {
    number: i64,
    length: u32,
    name: Vec<u8>,
}

impl Parts {
    /// Of a gallery that has a history: people who came and went, so that rows do not lie in order.
    pub fn random(random: &mut Random, dim: usize, rows: usize) -> Self {
        let mut gallery = Gallery::on(Kernel::fastest(), dim).expect("a width in range");
        let people = 1 + random.below(NAMES.len());
        let mut left = rows;
        while left > 0 {
            let count = left.min(1 + random.below(1 + rows / 6));
            let values = (0..count).flat_map(|_| random.vector(dim)).collect();
            let vectors = UnitVectors::new("vectors", dim, values).expect("unit vectors");
            gallery
                .add(NAMES[random.below(people)], vectors)
                .expect("valid");
            left -= count;
            if random.one_in(3) {
                // Nobody may have that name.
                let _ = gallery.remove(NAMES[random.below(people)]);
            }
        }
        Self::of(&gallery)
    }

    fn of(gallery: &Gallery) -> Self {
        let places: Vec<u32> = gallery.identities.slots().collect();
        let rows = 0..gallery.len() as u32;
        let rows = rows.map(|row| {
            let owner = gallery.references.owner(row);
            let place = places.iter().position(|slot| *slot == owner);
            Row {
                values: gallery.references.vector(row).to_vec(),
                index: gallery.references.index(row),
                owner: place.expect("somebody's") as u32,
            }
        });
        let people = gallery.identities.slots().zip(gallery.identities());
        let people = people.map(|(slot, name)| Person {
            number: gallery.identities.get(slot).number,
            length: name.len() as u32,
            name: name.as_bytes().to_vec(),
        });
        Self {
            version: 1,
            dim: gallery.dim() as u32,
            counts: [None; 3],
            next_index: gallery.next_index,
            next_number: gallery.identities.next_number(),
            padding: 0,
            rows: rows.collect(),
            people: people.collect(),
        }
    }

    fn write(&self) -> Vec<u8> {
        let names: usize = self.people.iter().map(|person| person.name.len()).sum();
        let mut bytes = b"faceidG\n".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.dim.to_le_bytes());
        let counts = [self.rows.len(), self.people.len(), names];
        for (count, instead) in counts.into_iter().zip(self.counts) {
            bytes.extend(instead.unwrap_or(count as u64).to_le_bytes());
        }
        bytes.extend(self.next_index.to_le_bytes());
        bytes.extend(self.next_number.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.padding.to_le_bytes());
        for value in self.rows.iter().flat_map(|row| &row.values) {
            bytes.extend(value.to_le_bytes());
        }
        for row in &self.rows {
            bytes.extend(row.index.to_le_bytes());
        }
        for person in &self.people {
            bytes.extend(person.number.to_le_bytes());
        }
        for row in &self.rows {
            bytes.extend(row.owner.to_le_bytes());
        }
        for person in &self.people {
            bytes.extend(person.length.to_le_bytes());
        }
        for person in &self.people {
            bytes.extend(&person.name);
        }
        bytes
    }

    /// Change something that the header says.
    fn change_header(&mut self, random: &mut Random) {
        match random.below(8) {
            0 => self.next_index = any_number(random, self.next_index),
            1 => self.next_number = any_number(random, self.next_number),
            2 => {
                let count = random.below(3);
                let now = [self.rows.len(), self.people.len(), 8][count] as i64;
                self.counts[count] = Some(any_number(random, now).cast_unsigned());
            }
            3 => self.dim = any_number(random, self.dim.into()) as u32,
            4 if random.one_in(3) => self.version = any_number(random, 1) as u32,
            5 if random.one_in(3) => self.padding = random.next() as u32,
            _ => self.move_numbers(random),
        }
    }

    /// Count on from somewhere else, in order: a gallery that may have come so far.
    fn move_numbers(&mut self, random: &mut Random) {
        let by = random.of(&ENDS).wrapping_sub(random.below(20) as i64);
        if random.one_in(3) {
            self.next_number = self.next_number.wrapping_add(by);
            for person in &mut self.people {
                person.number = person.number.wrapping_add(by);
            }
        } else {
            self.next_index = self.next_index.wrapping_add(by);
            for row in &mut self.rows {
                row.index = row.index.wrapping_add(by);
            }
        }
    }

    /// Change something about a reference.
    fn change_row(&mut self, random: &mut Random) {
        if self.rows.is_empty() {
            return;
        }
        let (at, other) = (random.below(self.rows.len()), random.below(self.rows.len()));
        let another = self.rows[other].clone();
        let (people, next_index) = (self.people.len(), self.next_index);
        let row = &mut self.rows[at];
        let place = random.below(row.values.len());
        match random.below(13) {
            0 => row.index = any_number(random, next_index),
            1 => row.index = another.index,
            2 => row.owner = any_number(random, people as i64) as u32,
            3 => row.owner = random.below(people) as u32,
            4 => row.values[place] = random.of(&VALUES),
            5 => scale(&mut row.values, random.of(&NORMS)),
            6 => row.values = another.values,
            7 => row.values.iter_mut().for_each(|value| *value = -*value),
            8 => {
                let bits = row.values[place].to_bits() ^ (1 << random.below(32));
                row.values[place] = f32::from_bits(bits);
            }
            9 => self.rows.swap(at, other),
            10 => drop(self.rows.remove(at)),
            11 => {
                let mut new = another;
                new.index = next_index;
                self.next_index = next_index.wrapping_add(1);
                self.rows.insert(at, new);
            }
            _ => row.values = random.vector(row.values.len()),
        }
    }

    /// Change something about an identity.
    fn change_person(&mut self, random: &mut Random) {
        if self.people.is_empty() {
            return;
        }
        let (at, other) = (
            random.below(self.people.len()),
            random.below(self.people.len()),
        );
        let another = self.people[other].clone();
        let next_number = self.next_number;
        let person = &mut self.people[at];
        match random.below(9) {
            0 => person.number = any_number(random, next_number),
            1 => person.number = another.number,
            2 => person.length = any_number(random, person.length.into()) as u32,
            3 => person.rename(another.name),
            4 => person.rename(Vec::new()),
            5 => {
                let at = random.below(person.name.len() + 1);
                person.name.insert(at, random.of(b"\xFF\x00\x80\xC3a"));
                person.length = person.length.wrapping_add(1);
            }
            6 => person.rename(random.of(&NAMES).as_bytes().to_vec()),
            // The border between two names moves, perhaps into a character.
            7 => {
                person.length = person.length.wrapping_add(1);
                self.people[other].length = self.people[other].length.wrapping_sub(1);
            }
            _ => self.people.swap(at, other),
        }
    }
}

impl Person {
    fn rename(&mut self, name: Vec<u8>) {
        self.length = name.len() as u32;
        self.name = name;
    }
}

/// A number at an end, or beside what is there now.
fn any_number(random: &mut Random, now: i64) -> i64 {
    if random.one_in(2) {
        random.of(&ENDS)
    } else {
        now.wrapping_add(random.below(7) as i64 - 3)
    }
}

/// The bytes of one of some galleries, changed in up to four ways.
pub fn mutated(random: &mut Random, galleries: &[Parts]) -> Vec<u8> {
    let mut parts = galleries[random.below(galleries.len())].clone();
    for _ in 0..random.below(4) {
        match random.below(4) {
            0 => parts.change_header(random),
            1 | 2 => parts.change_row(random),
            _ => parts.change_person(random),
        }
    }
    let mut bytes = parts.write();
    if random.one_in(4) {
        let other = galleries[random.below(galleries.len())].write();
        damage(random, &mut bytes, &other);
    }
    // Mostly by somebody who repairs the checksum.
    if bytes.len() >= HEADER && !random.one_in(30) {
        let sum = checksum(&bytes).to_le_bytes();
        bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum);
    }
    bytes
}

/// Change bytes without a look at what they mean.
fn damage(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(bytes.len());
    match random.below(7) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.next() as u8),
        2 => drop(bytes.remove(at)),
        3 => {
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        4 => {
            let end = bytes.len().min(at + 1 + random.below(16));
            bytes[at..end].fill(random.of(&[0, 0xFF, 0x7F, 0x80]));
        }
        // The beginning of one gallery and the end of another.
        5 => {
            bytes.truncate(at);
            bytes.extend(&other[at.min(other.len())..]);
        }
        _ => {
            let from = random.below(other.len());
            let count = random.below(other.len() - from).min(bytes.len() - at);
            bytes[at..at + count].copy_from_slice(&other[from..from + count]);
        }
    }
}
