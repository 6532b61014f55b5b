//! The code table: what a scan of codes looks through.
//!
//! An *entry* stands for one row, or for a *group*: 4 to 16 rows of one identity that lie close together.
//! [`super::quantizer`] gives the bounds that its code guarantees.

use super::quantizer::{Code, Quantizer, QueryCode};
use super::residuals::Residuals;
use crate::distance::codes5;
use crate::distance::codes8::{BLOCK, Blocks, Packing, STEP, STEP_BYTES};
use crate::gallery::rows::{References, grow};
use crate::simd::Kernel;

/// Fewest rows of a group: with fewer, a code for each row takes little more memory.
const SMALLEST_GROUP: usize = 4;
/// Most rows of a group.
const LARGEST_GROUP: usize = 16;
/// Rows from which on groups pay. In smaller galleries a query rules out too few groups, and the codes of single rows
/// are read fast enough.
pub(in crate::gallery) const GROUPS_FROM: usize = 1 << 14;
/// Bytes of codes from which on they have five bits: few caches hold so much, and what need not be read saves time.
pub(in crate::gallery) const BITS5_FROM: usize = 16 << 20;
/// Widest vectors with codes of five bits. The error of a code is a fixed share of a vector's length, but the scores
/// of wider vectors differ less.
const WIDEST_BITS5: usize = 256;
/// Rows farther than this from their mean make no group: it would rarely be ruled out as a whole.
const GROUP_RADIUS: f64 = 0.45;
/// Marks a member that is the number of a group, not of a row.
const GROUP: u32 = 1 << 31;

/// Codes of all references.
#[derive(Debug, Clone)]
pub(in crate::gallery) struct CodeTable {
    quantizer: Quantizer,
    steps: usize,
    codes: Vec<u8>,
    /// Allowance of each entry: `|q| r` in units of `1 << quantizer.shift()`, rounded up.
    allowances: Vec<u16>,
    /// The row of each entry, or the number of its group with the highest bit set.
    members: Vec<u32>,
    groups: Vec<Group>,
    free_groups: Vec<u32>,
    /// Largest norm that any code has had.
    longest: f64,
    grouping: bool,
    /// Number of rows when the table was built.
    built_of: usize,
}

/// Rows that one entry stands for.
#[derive(Debug, Clone, Default)]
pub(in crate::gallery) struct Group {
    pub rows: Vec<u32>,
    pub residuals: Residuals,
    /// `|q| m` in the units of the allowances.
    lower: u16,
}

/// What an entry stands for.
pub(in crate::gallery) enum Member<'a> {
    Row(&'a u32),
    Group(&'a Group),
}

impl CodeTable {
    /// An empty table with a quantizer for these references, with groups or without.
    pub fn new(kernel: Kernel, references: &References, packing: Packing, grouping: bool) -> Self {
        Self {
            quantizer: Quantizer::of(kernel, references, packing),
            steps: packing.steps(references.dim()),
            codes: Vec::new(),
            allowances: Vec::new(),
            members: Vec::new(),
            groups: Vec::new(),
            free_groups: Vec::new(),
            longest: 0.0,
            grouping,
            built_of: references.len(),
        }
    }

    /// The best packing for so many entries of vectors of `dim` values.
    pub fn packing(kernel: Kernel, dim: usize, entries: usize, bits5_from: usize) -> Packing {
        let rows = |packing: Packing| packing.rows(packing.steps(dim));
        let (bytes, bits5) = (rows(Packing::Bits8), rows(Packing::Bits5));
        let saves_memory = 5 * bits5 <= 4 * bytes; // not where they only fill up a group of steps
        let saves_time = kernel.backend().has_byte_products() && dim <= WIDEST_BITS5;
        if saves_memory && saves_time && entries * bytes * STEP >= bits5_from {
            Packing::Bits5
        } else {
            Packing::Bits8
        }
    }

    /// Number of entries for so many rows of one identity if they lie close together.
    pub fn least_entries(rows: usize, grouping: bool) -> usize {
        if grouping && rows >= SMALLEST_GROUP {
            rows.div_ceil(LARGEST_GROUP)
        } else {
            rows
        }
    }

    /// Whether so many rows have been added that the table should be built again, with a new quantizer.
    pub fn is_outgrown(&self, rows: usize) -> bool {
        rows > 2 * self.built_of
    }

    /// Whether some entry stands for several rows, or once did.
    pub fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn blocks(&self) -> Blocks<'_> {
        Blocks {
            codes: &self.codes,
            packing: self.quantizer.packing(),
            allowances: &self.allowances,
            shift: self.quantizer.shift(),
            steps: self.steps,
        }
    }

    /// The rows of an entry.
    pub fn rows_of(&self, entry: u32) -> &[u32] {
        match self.member(entry) {
            Member::Row(row) => std::slice::from_ref(row),
            Member::Group(group) => &group.rows,
        }
    }

    pub fn member(&self, entry: u32) -> Member<'_> {
        let member = &self.members[entry as usize];
        if member & GROUP == 0 {
            Member::Row(member)
        } else {
            Member::Group(&self.groups[(member & !GROUP) as usize])
        }
    }

    /// Fetch what [`Self::member`] refers to into the caches.
    pub fn prefetch(&self, kernel: Kernel, entry: u32) {
        if let Member::Group(group) = self.member(entry) {
            kernel.prefetch(std::slice::from_ref(group));
        }
    }

    /// An entry's sum without its allowance: the score of its code.
    pub fn sum_of_code(&self, entry: u32, sum: i32) -> i32 {
        let allowance = u32::from(self.allowances[entry as usize]);
        sum - (allowance << self.quantizer.shift()).cast_signed()
    }

    /// Lower bound of the best score among an entry's rows: its sum without the allowance, less the distance of the
    /// mean to the code.
    pub fn lower_bound(&self, entry: usize, sum: i32) -> i32 {
        let entry = entry as u32;
        // A single row is its own mean.
        let lower = match self.member(entry) {
            Member::Row(_) => self.allowances[entry as usize],
            Member::Group(group) => group.lower,
        };
        self.sum_of_code(entry, sum) - (u32::from(lower) << self.quantizer.shift()).cast_signed()
    }

    /// Quantize a query: `codes[step * stride]` gets each step of its code. `bytes` is scratch memory.
    pub fn code(
        &self,
        query: &[f32],
        spread: f64,
        codes: &mut [i32],
        stride: usize,
        bytes: &mut Vec<i8>,
    ) -> QueryCode {
        bytes.clear();
        bytes.resize(self.steps * STEP, 0);
        let apart = self.quantizer.encode_query(query, bytes);
        let steps = bytes.as_chunks::<STEP>().0.iter();
        for (step, code) in steps.zip(codes.iter_mut().step_by(stride)) {
            *code = i32::from_ne_bytes(step.map(i8::cast_unsigned));
        }
        let total = bytes.iter().map(|code| i32::from(*code)).sum();
        self.quantizer.query(total, apart * self.longest, spread)
    }

    /// Give new rows of one identity an entry each, or one for several. `rows` are all rows of the identity,
    /// `rows[first..]` the new ones. Earlier rows without a full group may be joined with them.
    pub fn insert(&mut self, references: &mut References, rows: &[u32], first: usize) {
        let mut start = first;
        while start > 0 && first - (start - 1) < LARGEST_GROUP {
            let entry = references.entry(rows[start - 1]);
            let size = self.rows_of(entry).len();
            if size > 1 {
                // An open group is taken up whole; its rows are consecutive.
                if size < LARGEST_GROUP && start == first {
                    start -= size;
                }
                break;
            }
            start -= 1;
        }
        let mut rest = &rows[start..];
        let mut fresh = first - start;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.len().min(LARGEST_GROUP));
            self.insert_chunk(references, chunk, fresh.min(chunk.len()));
            fresh = fresh.saturating_sub(chunk.len());
            rest = after;
        }
    }

    /// Insert rows of which the first `old` have entries already.
    fn insert_chunk(&mut self, references: &mut References, rows: &[u32], old: usize) {
        if self.grouping
            && rows.len() >= SMALLEST_GROUP
            && let Some(coded) = self.code_group(references, rows)
        {
            self.drop_entries(references, &rows[..old]);
            self.push(references, rows, &coded);
            return;
        }
        for row in &rows[old..] {
            let row = std::slice::from_ref(row);
            let coded = self.quantizer.encode_rows(references, row);
            self.push(references, row, &coded);
        }
    }

    /// The code of a group; none if the rows are too far apart for one.
    fn code_group(&self, references: &References, rows: &[u32]) -> Option<Code> {
        let coded = self.quantizer.encode_rows(references, rows);
        (coded.radius <= GROUP_RADIUS).then_some(coded)
    }

    fn push(&mut self, references: &mut References, rows: &[u32], coded: &Code) {
        let entry = self.members.len();
        if entry == self.allowances.len() {
            let block = self.code_rows() * STEP_BYTES;
            grow(&mut self.codes, block, block);
            self.codes.resize(self.codes.len() + block, 0);
            grow(&mut self.allowances, BLOCK, BLOCK);
            self.allowances.resize(entry + BLOCK, 0);
        }
        let member = match rows {
            [row] => *row,
            rows => {
                let lower = self.quantizer.allowance(coded.lower);
                let residuals =
                    Residuals::of(references, rows, &coded.codes, self.quantizer.step());
                let rows = rows.to_vec();
                GROUP
                    | self.new_group(Group {
                        rows,
                        residuals,
                        lower,
                    })
            }
        };
        grow(&mut self.members, 1, 1);
        self.members.push(member);
        for row in rows {
            references.set_entry(*row, entry as u32);
        }
        self.write(entry, &coded.codes);
        self.allowances[entry] = self.quantizer.allowance(coded.radius);
        self.longest = self.longest.max(coded.length * (1.0 + 1e-9));
    }

    fn new_group(&mut self, group: Group) -> u32 {
        if let Some(number) = self.free_groups.pop() {
            self.groups[number as usize] = group;
            return number;
        }
        grow(&mut self.groups, 1, 1);
        self.groups.push(group);
        (self.groups.len() - 1) as u32
    }

    /// Store an entry's code in its packing.
    fn write(&mut self, entry: usize, code: &[i8]) {
        let shift = self.quantizer.packing().levels() as u8 + 1;
        let mut stored = vec![shift; self.steps * STEP];
        for (stored, code) in stored.iter_mut().zip(code) {
            *stored = code.cast_unsigned().wrapping_add(shift);
        }
        match self.quantizer.packing() {
            Packing::Bits8 => {
                for (row, codes) in stored.chunks_exact(STEP).enumerate() {
                    let at = self.at(entry, row);
                    self.codes[at..at + STEP].copy_from_slice(codes);
                }
            }
            Packing::Bits5 => {
                for (group, codes) in stored.chunks_exact(codes5::GROUP * STEP).enumerate() {
                    for d in 0..STEP {
                        let packed = codes5::pack(std::array::from_fn(|i| codes[i * STEP + d]));
                        for (row, byte) in packed.into_iter().enumerate() {
                            let at = self.at(entry, group * codes5::PACKED + row);
                            self.codes[at + d] = byte;
                        }
                    }
                }
            }
        }
    }

    /// Rows of [`STEP_BYTES`] that the code of an entry lies in.
    fn code_rows(&self) -> usize {
        self.quantizer.packing().rows(self.steps)
    }

    /// Position of an entry's bytes in such a row.
    fn at(&self, entry: usize, row: usize) -> usize {
        (entry / BLOCK * self.code_rows() + row) * STEP_BYTES + entry % BLOCK * STEP
    }

    /// Remove the entries of some rows, which must be all rows of these entries.
    pub fn drop_entries(&mut self, references: &mut References, rows: &[u32]) {
        let mut entries: Vec<u32> = rows.iter().map(|row| references.entry(*row)).collect();
        // The last first: what is moved into a gap then never is an entry that goes.
        entries.sort_unstable_by(|a, b| b.cmp(a));
        entries.dedup();
        for entry in entries {
            self.swap_remove(references, entry as usize);
        }
    }

    fn swap_remove(&mut self, references: &mut References, entry: usize) {
        let last = self.members.len() - 1;
        let member = self.members.swap_remove(entry);
        if member & GROUP != 0 {
            let group = member & !GROUP;
            self.groups[group as usize] = Group::default();
            self.free_groups.push(group);
        }
        for row in 0..self.code_rows() {
            let (from, to) = (self.at(last, row), self.at(entry, row));
            self.codes.copy_within(from..from + STEP, to);
        }
        // What is left behind must not outlive its owner.
        for row in 0..self.code_rows() {
            let at = self.at(last, row);
            self.codes[at..at + STEP].fill(0);
        }
        self.allowances[entry] = self.allowances[last];
        if entry < last {
            for row in self.rows_of(entry as u32) {
                references.set_entry(*row, entry as u32);
            }
        }
        if last.is_multiple_of(BLOCK) {
            self.codes.truncate(self.at(last, 0));
            self.allowances.truncate(last);
        }
    }

    /// Note that a row of this entry has moved to another place.
    pub fn rename_row(&mut self, entry: u32, from: u32, to: u32) {
        let member = &mut self.members[entry as usize];
        if *member & GROUP == 0 {
            *member = to;
            return;
        }
        let rows = &mut self.groups[(*member & !GROUP) as usize].rows;
        if let Some(row) = rows.iter_mut().find(|row| **row == from) {
            *row = to;
        }
    }

    pub fn nbytes(&self) -> usize {
        let groups = self.groups.iter();
        let lists: usize = groups.clone().map(|group| group.rows.capacity()).sum();
        let residuals: usize = groups.map(|group| group.residuals.nbytes()).sum();
        self.codes.capacity()
            + residuals
            + self.allowances.capacity() * size_of::<u16>()
            + (self.members.capacity() + lists + self.free_groups.capacity()) * size_of::<u32>()
            + self.groups.capacity() * size_of::<Group>()
    }
}
