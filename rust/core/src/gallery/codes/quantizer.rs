//! Quantizing vectors, and bounds of the error that this makes in a score.
//!
//! A code `c` approximates a row, or the mean of several that make a group. With `r` the largest distance of
//! one of these rows to the code, and a query `q` of code `p`:
//!
//! ```text
//! q · x  <=  p · c + |q| r + |q - p| |c|        for every row x
//! q · x  >=  p · c - |q| m - |q - p| |c|        for at least one, with m the distance of code and mean
//! ```
//!
//! `p · c` is a whole number of *units* (one step of the references' codes times one of the queries').
//! `|q| r` is the entry's allowance, with which its sum begins, so that a sum is compared with one limit
//! per query, whichever the entry. The bounds hold in exact arithmetic; what is rounded is rounded up.

use crate::distance::NORM_TOLERANCE;
use crate::distance::codes8::Packing;
use crate::gallery::rows::References;
use crate::simd::Kernel;

/// One row in so many may have a value beyond what codes of a byte reach.
const CLIPPED_ROWS: usize = 1000;
/// One value in so many may lie beyond what codes of five bits reach: they have few levels, so wider steps would cost
/// more.
const CLIPPED_VALUES: usize = 1000;
/// Values that are sampled to find out.
const SAMPLE: usize = 1 << 20;
/// Largest norm that a vector may have.
pub(in crate::gallery) const NORM: f64 = 1.0 + NORM_TOLERANCE;
/// Upper bound of the rounding error of a group's float32 mean: 16 additions of values whose squares sum to 1.
const MEAN_ERROR: f64 = 1e-5;

/// Step sizes of the codes, and the kernel that computes them.
#[derive(Debug, Clone, Copy)]
pub(in crate::gallery) struct Quantizer {
    kernel: Kernel,
    packing: Packing,
    reference: f32,
    query: f32,
    query_levels: i32,
    shift: u32,
}

impl Quantizer {
    /// A quantizer whose range covers all but a few rows or values.
    pub fn of(kernel: Kernel, references: &References, packing: Packing) -> Self {
        let rows = references.rows();
        let vectors = rows.values.chunks_exact(rows.dim);
        let (mut reaches, clipped): (Vec<f32>, _) = match packing {
            Packing::Bits8 => {
                let peak = |row: &[f32]| row.iter().fold(0.0, |peak, v| v.abs().max(peak));
                (vectors.map(peak).collect(), CLIPPED_ROWS)
            }
            Packing::Bits5 => {
                let some = vectors.step_by(rows.values.len().div_ceil(SAMPLE));
                let values = some.flatten().map(|value| value.abs());
                (values.collect(), CLIPPED_VALUES)
            }
        };
        let at = reaches.len() - 1 - reaches.len() / clipped;
        let (_, reach, _) = reaches.select_nth_unstable_by(at, f32::total_cmp);
        // Nearly all values may be 0.
        let reach = reach.max(NORM as f32 / (rows.dim as f32).sqrt());
        let query_levels = kernel.backend().query_levels();
        let reference = reach / packing.levels() as f32;
        let query = reach / query_levels as f32;
        // A row and its code are never farther apart than two norms and the rounding of the code.
        let farthest = NORM * (2.0 * NORM + f64::from(reference) * (rows.dim as f64).sqrt());
        let unit = f64::from(reference) * f64::from(query);
        let words = 1.001 * farthest / unit / f64::from(u16::MAX - 1);
        Self {
            kernel,
            packing,
            reference,
            query,
            query_levels,
            shift: words.log2().ceil().max(0.0) as u32,
        }
    }

    fn unit(self) -> f64 {
        f64::from(self.reference) * f64::from(self.query)
    }

    pub fn packing(self) -> Packing {
        self.packing
    }

    /// Step size of the references' codes.
    pub fn step(self) -> f32 {
        self.reference
    }

    /// Allowances are stored in units of two to the power of this, so that they fit two bytes.
    pub fn shift(self) -> u32 {
        self.shift
    }

    /// A distance times the largest norm of a query, as an allowance.
    pub fn allowance(self, distance: f64) -> u16 {
        let units = distance * NORM * (1.0 + 1e-9) / self.unit();
        (units / f64::from(1_u32 << self.shift)).ceil() as u16
    }

    /// Quantize a query. Returns an upper bound of its distance to its code.
    pub fn encode_query(self, query: &[f32], codes: &mut [i8]) -> f64 {
        self.kernel
            .encode(query, self.query, self.query_levels, codes)
    }

    /// The bounds that belong to a quantized query, from the total of its codes, its distance to its code times the
    /// largest norm of any reference's code, and the spread of the rows' norms.
    pub fn query(self, total: i32, apart: f64, spread: f64) -> QueryCode {
        let unit = self.unit();
        QueryCode {
            offset: f64::from(total) * f64::from(self.packing.levels() + 1),
            slack: apart / unit + 1.0,
            spread: spread / unit + 1.0,
            unit,
        }
    }

    /// Quantize the mean of some rows.
    pub fn encode_rows(self, references: &References, rows: &[u32]) -> Code {
        let dim = references.dim();
        let mut mean = references.vector(rows[0]).to_vec();
        if rows.len() > 1 {
            for row in &rows[1..] {
                for (sum, value) in mean.iter_mut().zip(references.vector(*row)) {
                    *sum += value;
                }
            }
            let count = rows.len() as f32;
            for sum in &mut mean {
                *sum /= count;
            }
        }
        let mut codes = vec![0; dim];
        let step = self.reference;
        let lower = self
            .kernel
            .encode(&mean, step, self.packing.levels(), &mut codes);
        let step = f64::from(step);
        let apart = |row: &u32| {
            let pairs = references.vector(*row).iter().zip(&codes);
            pairs.fold(0.0, |sum, (value, code)| {
                let off = f64::from(*value) - f64::from(*code) * step;
                sum + off * off
            })
        };
        let radius = match rows {
            [_] => lower,
            rows => rows.iter().map(apart).fold(0.0, f64::max).sqrt(),
        };
        let square: i32 = codes
            .iter()
            .map(|code| i32::from(*code) * i32::from(*code))
            .sum();
        Code {
            codes,
            radius,
            // The mean itself is rounded to float32, by at most half a unit in the last place per
            // addition and value.
            lower: lower + MEAN_ERROR,
            length: f64::from(square).sqrt() * step,
        }
    }
}

/// The code of one row or of the mean of several.
pub(in crate::gallery) struct Code {
    pub codes: Vec<i8>,
    /// Largest distance of one of the rows to the code.
    pub radius: f64,
    /// Distance of the mean to the code.
    pub lower: f64,
    /// Norm of the code.
    pub length: f64,
}

/// What bounds need to know of a quantized query.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::gallery) struct QueryCode {
    /// What storing reference codes as unsigned numbers adds to each sum.
    offset: f64,
    /// `|q - p| |c|` in units.
    slack: f64,
    /// The spread of the rows' norms, in units.
    spread: f64,
    unit: f64,
}

/// A whole number at most 2 below a value and never above it. Truncates instead of `floor`, which is a slow call on
/// the oldest CPUs that the crate supports; the conversion saturates.
fn rounded_down(value: f64) -> i32 {
    (value - 1.0) as i32
}

impl QueryCode {
    /// The limit for a score: if an entry's sum is below it, all its rows score less than `score`.
    pub fn limit(&self, score: f64) -> i32 {
        rounded_down(score / self.unit - self.slack + self.offset - 1.0)
    }

    /// Upper bound of the score of a code, given its sum without the allowance.
    pub fn upper_bound(&self, sum: i32) -> f64 {
        (f64::from(sum) - self.offset + self.slack + 1.0) * self.unit
    }

    /// The limit once some row of an entry is known to be among the matches. `lower_bound` is the entry's sum without
    /// the allowance, less the distance of its mean.
    pub fn limit_from(&self, lower_bound: i32) -> i32 {
        rounded_down(f64::from(lower_bound) - 2.0 * self.slack - self.spread - 1.0)
    }
}
