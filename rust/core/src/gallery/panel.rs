//! Byte codes of the references, and how far these can be from the truth.
//!
//! An *entry* stands for one row, or for a *group*: 4 to 16 rows of one person that lie close together.
//! Its code `c` approximates the row, or the mean of the group. With `r` the largest distance of a row
//! of the entry to its code, and a query `q` of code `p`:
//!
//! ```text
//! q · x  <=  p · c + |q| r + |q - p| |c|        for every row x of the entry
//! q · x  >=  p · c - |q| m - |q - p| |c|        for at least one, with m the distance of code and mean
//! ```
//!
//! `p · c` is a whole number of *units* (one step of the references' codes times one of the queries').
//! `|q| r` is the entry's allowance, with which its sum begins, so that a sum is compared with one limit
//! per query, whichever the entry. The bounds hold in exact arithmetic; what is rounded is rounded up.

use super::store::{Store, grow};
use crate::distance::codes::{BLOCK, Blocks, REFERENCE_LEVELS, STEP, STEP_BYTES};
use crate::distance::{Kernel, NORM_TOLERANCE};

/// Rows of a group, at least: of fewer, codes of their own take little more memory.
const SMALLEST_GROUP: usize = 4;
/// Rows of a group, at most.
pub(super) const LARGEST_GROUP: usize = 16;
/// Rows of a gallery from which on groups pay: among fewer, a stranger's search rules out too few of
/// them, and the codes of single rows are read fast enough for everybody.
pub(super) const GROUPS_FROM: usize = 1 << 14;
/// Rows farther than this from their mean are no group: it would rarely be ruled out as a whole.
const GROUP_RADIUS: f64 = 0.45;
/// Of so many rows one may have a value that the codes do not reach.
const CLIPPED: usize = 1000;
/// Marks a member that is the number of a group.
const GROUP: u32 = 1 << 31;
/// Largest possible norm.
const NORM: f64 = 1.0 + NORM_TOLERANCE;
/// More than the float32 mean of a group can be off: 16 additions of values whose squares sum to 1.
const MEAN_ERROR: f64 = 1e-5;
/// Code of padding.
const ZERO: u8 = 128;

/// Codes of all references.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    kernel: Kernel,
    scale: Scale,
    steps: usize,
    codes: Vec<u8>,
    /// Per entry `|q| r` in units of `1 << scale.shift`, rounded up.
    allowances: Vec<u16>,
    /// A row, or the number of a group with the highest bit set.
    members: Vec<u32>,
    groups: Vec<Group>,
    free_groups: Vec<u32>,
    /// Largest norm of a code, ever.
    longest: f64,
    grouping: bool,
    /// Rows at the time of the last building.
    built_of: usize,
}

/// Rows that one entry stands for.
#[derive(Debug, Clone, Default)]
struct Group {
    rows: Vec<u32>,
    /// `|q| m`, as the allowances.
    lower: u16,
}

/// What one step of a code is worth.
#[derive(Debug, Clone, Copy)]
struct Scale {
    reference: f32,
    query: f32,
    query_levels: i32,
    shift: u32,
}

impl Scale {
    /// Codes that reach as far as all but a few rows do.
    fn of(kernel: Kernel, store: &Store) -> Self {
        let rows = store.rows();
        let mut peaks: Vec<f32> = rows
            .values
            .chunks_exact(rows.dim)
            .map(|row| row.iter().fold(0.0, |peak, value| value.abs().max(peak)))
            .collect();
        let at = peaks.len() - 1 - peaks.len() / CLIPPED;
        let (_, reach, _) = peaks.select_nth_unstable_by(at, f32::total_cmp);
        let query_levels = kernel.backend().query_levels();
        let reference = *reach / REFERENCE_LEVELS as f32;
        let query = *reach / query_levels as f32;
        // A row and its code are never farther apart than two norms and the rounding of the code.
        let farthest = NORM * (2.0 * NORM + f64::from(reference) * (rows.dim as f64).sqrt());
        let unit = f64::from(reference) * f64::from(query);
        let words = 1.001 * farthest / unit / f64::from(u16::MAX - 1);
        Self {
            reference,
            query,
            query_levels,
            shift: words.log2().ceil().max(0.0) as u32,
        }
    }

    fn unit(self) -> f64 {
        f64::from(self.reference) * f64::from(self.query)
    }

    /// A distance times the norm of any query, as an allowance.
    fn allowance(self, distance: f64) -> u16 {
        let units = distance * NORM * (1.0 + 1e-9) / self.unit();
        (units / f64::from(1_u32 << self.shift)).ceil() as u16
    }
}

/// A query, coded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CodedQuery {
    /// What the shift of reference codes to unsigned bytes adds to each sum.
    offset: f64,
    /// `|q - p| |c|` in units.
    slack: f64,
    /// The spread of the rows' norms, in units.
    spread: f64,
    unit: f64,
}

/// A whole number that is not above a value, and at most 2 below it. Without `floor`, which is a slow call
/// on a CPU of the oldest kind that the crate runs on; the ends of the range stay.
fn rounded_down(value: f64) -> i32 {
    (value - 1.0) as i32
}

impl CodedQuery {
    /// The limit below which the sums of all entries are whose rows' scores are all below `score`.
    pub fn limit(&self, score: f64) -> i32 {
        rounded_down(score / self.unit - self.slack + self.offset - 1.0)
    }

    /// The limit that remains if some row of an entry is among the matches; `floor` is the entry's sum
    /// without allowance, less what its mean may be off.
    pub fn limit_from(&self, floor: i32) -> i32 {
        rounded_down(f64::from(floor) - 2.0 * self.slack - self.spread - 1.0)
    }
}

impl Panel {
    /// A panel without entries, for rows like those of the store, with groups or without.
    pub fn new(kernel: Kernel, store: &Store, grouping: bool) -> Self {
        Self {
            kernel,
            scale: Scale::of(kernel, store),
            steps: store.dim().div_ceil(STEP),
            codes: Vec::new(),
            allowances: Vec::new(),
            members: Vec::new(),
            groups: Vec::new(),
            free_groups: Vec::new(),
            longest: 0.0,
            grouping,
            built_of: store.len(),
        }
    }

    /// Whether so much has been added that it had better be built anew, with a scale that suits.
    pub fn is_outgrown(&self, rows: usize) -> bool {
        rows > 2 * self.built_of
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn blocks(&self) -> Blocks<'_> {
        Blocks {
            codes: &self.codes,
            allowances: &self.allowances,
            shift: self.scale.shift,
            steps: self.steps,
        }
    }

    /// Rows that an entry stands for.
    pub fn rows_of(&self, entry: u32) -> &[u32] {
        let member = &self.members[entry as usize];
        if member & GROUP == 0 {
            std::slice::from_ref(member)
        } else {
            &self.groups[(member & !GROUP) as usize].rows
        }
    }

    /// A sum of this entry, less its allowance and what its mean may be off.
    pub fn floor(&self, entry: usize, sum: i32) -> i32 {
        let allowance = self.allowances[entry];
        let member = self.members[entry];
        // A single row is its own mean.
        let lower = if member & GROUP == 0 {
            allowance
        } else {
            self.groups[(member & !GROUP) as usize].lower
        };
        let off = u32::from(allowance) + u32::from(lower);
        sum - (off << self.scale.shift).cast_signed()
    }

    /// Code a query: `codes[step * stride]` gets each step of it. `bytes` is memory to use.
    pub fn code(
        &self,
        kernel: Kernel,
        query: &[f32],
        spread: f64,
        codes: &mut [i32],
        stride: usize,
        bytes: &mut Vec<i8>,
    ) -> CodedQuery {
        let Scale {
            query: step,
            query_levels,
            ..
        } = self.scale;
        bytes.clear();
        bytes.resize(self.steps * STEP, 0);
        let apart = kernel.encode(query, step, query_levels, bytes);
        let total: i32 = bytes.iter().map(|code| i32::from(*code)).sum();
        for (step, code) in bytes
            .as_chunks::<STEP>()
            .0
            .iter()
            .zip(codes.iter_mut().step_by(stride))
        {
            *code = i32::from_ne_bytes(step.map(i8::cast_unsigned));
        }
        let unit = self.scale.unit();
        CodedQuery {
            offset: f64::from(total) * f64::from(ZERO),
            slack: apart * self.longest / unit + 1.0,
            spread: spread / unit + 1.0,
            unit,
        }
    }

    /// Give new rows of one person an entry each, or one for several: `rows` are the person's, of which
    /// those from `first` on are new. Earlier ones without a full group may be joined with them.
    pub fn insert(&mut self, store: &mut Store, rows: &[u32], first: usize) {
        let mut start = first;
        while start > 0 && first - (start - 1) < LARGEST_GROUP {
            let entry = store.entry(rows[start - 1]);
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
            self.insert_chunk(store, chunk, fresh.min(chunk.len()));
            fresh = fresh.saturating_sub(chunk.len());
            rest = after;
        }
    }

    /// Rows of which the first `old` have entries.
    fn insert_chunk(&mut self, store: &mut Store, rows: &[u32], old: usize) {
        if self.grouping
            && rows.len() >= SMALLEST_GROUP
            && let Some(coded) = self.code_group(store, rows)
        {
            self.drop_entries(store, &rows[..old]);
            self.push(store, rows, &coded);
            return;
        }
        for row in &rows[old..] {
            let row = std::slice::from_ref(row);
            let coded = self.code_rows(store, row);
            self.push(store, row, &coded);
        }
    }

    /// The code of a group, unless the rows are too far apart for one.
    fn code_group(&self, store: &Store, rows: &[u32]) -> Option<Coded> {
        let coded = self.code_rows(store, rows);
        (coded.radius <= GROUP_RADIUS).then_some(coded)
    }

    /// The code of the mean of some rows.
    fn code_rows(&self, store: &Store, rows: &[u32]) -> Coded {
        let dim = store.dim();
        let mut mean = store.vector(rows[0]).to_vec();
        if rows.len() > 1 {
            for row in &rows[1..] {
                for (sum, value) in mean.iter_mut().zip(store.vector(*row)) {
                    *sum += value;
                }
            }
            let count = rows.len() as f32;
            for sum in &mut mean {
                *sum /= count;
            }
        }
        let mut codes = vec![0; self.steps * STEP];
        let step = self.scale.reference;
        let lower = self
            .kernel
            .encode(&mean, step, REFERENCE_LEVELS, &mut codes);
        let step = f64::from(step);
        let apart = |row: &u32| {
            let pairs = store.vector(*row).iter().zip(&codes[..dim]);
            pairs.fold(0.0, |sum, (value, code)| {
                let off = f64::from(*value) - f64::from(*code) * step;
                sum + off * off
            })
        };
        let radius = match rows {
            [_] => lower,
            rows => rows.iter().map(apart).fold(0.0, f64::max).sqrt(),
        };
        let steps: i32 = codes
            .iter()
            .map(|code| i32::from(*code) * i32::from(*code))
            .sum();
        Coded {
            codes,
            radius,
            // The mean itself is rounded to float32, by at most half a unit in the last place per
            // addition and value.
            lower: lower + MEAN_ERROR,
            length: f64::from(steps).sqrt() * step,
        }
    }

    fn push(&mut self, store: &mut Store, rows: &[u32], coded: &Coded) {
        let entry = self.members.len();
        if entry == self.allowances.len() {
            let block = self.steps * STEP_BYTES;
            grow(&mut self.codes, block, block);
            self.codes.resize(self.codes.len() + block, ZERO);
            grow(&mut self.allowances, BLOCK, BLOCK);
            self.allowances.resize(entry + BLOCK, 0);
        }
        let member = match rows {
            [row] => *row,
            rows => {
                let lower = self.scale.allowance(coded.lower);
                let rows = rows.to_vec();
                GROUP | self.new_group(Group { rows, lower })
            }
        };
        grow(&mut self.members, 1, 1);
        self.members.push(member);
        for row in rows {
            store.set_entry(*row, entry as u32);
        }
        for (step, codes) in coded.codes.chunks_exact(STEP).enumerate() {
            let at = self.at(entry, step);
            for (byte, code) in self.codes[at..at + STEP].iter_mut().zip(codes) {
                *byte = (i32::from(*code) + i32::from(ZERO)) as u8;
            }
        }
        self.allowances[entry] = self.scale.allowance(coded.radius);
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

    /// Where a step of an entry's code lies.
    fn at(&self, entry: usize, step: usize) -> usize {
        (entry / BLOCK * self.steps + step) * STEP_BYTES + entry % BLOCK * STEP
    }

    /// Remove the entries of some rows; all rows of these entries must be among them.
    pub fn drop_entries(&mut self, store: &mut Store, rows: &[u32]) {
        let mut entries: Vec<u32> = rows.iter().map(|row| store.entry(*row)).collect();
        // The last first: what is moved into a gap then never is an entry that goes.
        entries.sort_unstable_by(|a, b| b.cmp(a));
        entries.dedup();
        for entry in entries {
            self.swap_remove(store, entry as usize);
        }
    }

    fn swap_remove(&mut self, store: &mut Store, entry: usize) {
        let last = self.members.len() - 1;
        let member = self.members.swap_remove(entry);
        if member & GROUP != 0 {
            let group = member & !GROUP;
            self.groups[group as usize] = Group::default();
            self.free_groups.push(group);
        }
        for step in 0..self.steps {
            let (from, to) = (self.at(last, step), self.at(entry, step));
            self.codes.copy_within(from..from + STEP, to);
        }
        self.allowances[entry] = self.allowances[last];
        if entry < last {
            for row in self.rows_of(entry as u32) {
                store.set_entry(*row, entry as u32);
            }
        }
        if last.is_multiple_of(BLOCK) {
            self.codes.truncate(self.at(last, 0));
            self.allowances.truncate(last);
        }
    }

    /// A row of this entry has another place now.
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
        let lists: usize = self.groups.iter().map(|group| group.rows.capacity()).sum();
        self.codes.capacity()
            + self.allowances.capacity() * size_of::<u16>()
            + (self.members.capacity() + lists + self.free_groups.capacity()) * size_of::<u32>()
            + self.groups.capacity() * size_of::<Group>()
    }
}

/// The code of one row or of the mean of several.
struct Coded {
    /// Padded to whole steps.
    codes: Vec<i8>,
    /// Largest distance of a row to what the code stands for.
    radius: f64,
    /// Distance of the mean to it.
    lower: f64,
    /// Norm of it.
    length: f64,
}
