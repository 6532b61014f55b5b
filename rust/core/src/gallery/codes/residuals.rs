//! Residuals: what a group's code leaves of each of its rows, in four bits a value.
//!
//! A group whose code cannot rule it out mostly belongs to somebody else: by its radius alone, some row *might* lie
//! in the direction of the query. Write a row as `x = c + r + e`, with `c` the group's code, `r` the code of the
//! residual and `e` the rest. For a query `q` with the finer code `p`:
//!
//! ```text
//! q · x  <=  q · c + p · r + |q - p| |r| + |q| |e|
//! ```
//!
//! where `|e|` is a tenth of the radius, and the codes are an eighth of the memory of the rows.

use super::quantizer::NORM;
use crate::distance::codes4::{self, LEVELS, QUAD, QueryStep};
use crate::distance::codes8;
use crate::gallery::rows::References;
use crate::simd::Kernel;

/// Value of code 0, in steps.
const LOWEST: f64 = -(LEVELS as f64) / 2.0;
/// Upper bound of the relative rounding errors of the bounds.
const ROUNDING: f64 = 1e-6;

/// The residuals of the rows of one group.
#[derive(Debug, Clone, Default)]
pub(in crate::gallery) struct Residuals {
    codes: Box<[u8]>,
    /// Step size of the codes.
    step: f32,
    /// Largest norm of a residual's code.
    reach: f32,
    /// Largest distance of a row to the sum of both codes.
    apart: f32,
}

impl Residuals {
    /// Residuals of rows against the group's code, whose step is `step`.
    pub fn of(references: &References, rows: &[u32], code: &[i8], step: f32) -> Self {
        let step = f64::from(step);
        let left = |row: u32| {
            let pairs = references.vector(row).iter().zip(code);
            pairs.map(move |(value, code)| f64::from(*value) - f64::from(*code) * step)
        };
        let all = rows.iter().flat_map(|row| left(*row));
        let peak = all.fold(0.0_f64, |peak, value| peak.max(value.abs()));
        // Some row may be its group's code exactly.
        let fine = (peak.max(f64::from(f32::MIN_POSITIVE) * 16.0) / -LOWEST) as f32;
        let step = f64::from(fine);
        let steps = codes4::steps(references.dim());
        let quads = rows.len().div_ceil(QUAD);
        let mut codes = vec![0; quads * steps * codes4::BYTES].into_boxed_slice();
        let (mut reach, mut apart) = (0.0_f64, 0.0_f64);
        for (place, row) in rows.iter().enumerate() {
            let (mut squares, mut off_squares) = (0.0, 0.0);
            for (dim, value) in left(*row).enumerate() {
                let code = (value / step - LOWEST).round().clamp(0.0, LEVELS.into());
                let stands_for = (code + LOWEST) * step;
                squares += stands_for * stands_for;
                off_squares += (value - stands_for) * (value - stands_for);
                codes4::write(&mut codes, steps, place, dim, code as u8);
            }
            reach = reach.max(squares.sqrt());
            apart = apart.max(off_squares.sqrt());
        }
        Self {
            codes,
            step: fine,
            reach: (reach * (1.0 + ROUNDING)) as f32,
            apart: (apart * (1.0 + ROUNDING)) as f32,
        }
    }

    pub fn codes(&self) -> &[u8] {
        &self.codes
    }

    pub fn nbytes(&self) -> usize {
        self.codes.len()
    }
}

/// A query, quantized once for all groups that it meets.
#[derive(Debug)]
pub(in crate::gallery) struct FineQuery {
    kernel: Kernel,
    codes: Vec<i8>,
    steps: Vec<QueryStep>,
    step: f64,
    total: f64,
    /// Upper bound of the distance of the query to its code.
    apart: f64,
    sums: Vec<[i32; QUAD]>,
}

impl FineQuery {
    pub fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            codes: Vec::new(),
            steps: Vec::new(),
            step: 0.0,
            total: 0.0,
            apart: 0.0,
            sums: Vec::new(),
        }
    }

    /// Begin with another query.
    pub fn clear(&mut self) {
        self.steps.clear();
    }

    fn code(&mut self, query: &[f32]) {
        let peak = query
            .iter()
            .fold(0.0_f32, |peak, value| peak.max(value.abs()));
        let step = peak / codes8::LEVELS as f32;
        self.codes.clear();
        self.codes.resize(query.len(), 0);
        self.apart = self
            .kernel
            .encode(query, step, codes8::LEVELS, &mut self.codes);
        self.step = f64::from(step);
        self.total = self.codes.iter().map(|code| f64::from(*code)).sum();
        codes4::lay_out(&self.codes, &mut self.steps);
    }

    /// Upper bounds of the scores of a group's rows, in order. `of_code` is an upper bound of the score of the
    /// group's code.
    pub fn upper_bounds(
        &mut self,
        query: &[f32],
        residuals: &Residuals,
        of_code: f64,
    ) -> impl Iterator<Item = f64> {
        if self.steps.is_empty() {
            self.code(query);
        }
        let quad = self.steps.len() * codes4::BYTES;
        self.sums.resize(residuals.codes.len() / quad, [0; QUAD]);
        self.kernel
            .code4_sums(&residuals.codes, &self.steps, &mut self.sums);
        let unit = f64::from(residuals.step) * self.step;
        let (reach, apart) = (f64::from(residuals.reach), f64::from(residuals.apart));
        let rest =
            of_code + LOWEST * self.total * unit + self.apart * reach + NORM * apart + ROUNDING;
        let sums = self.sums.iter().flatten();
        sums.map(move |sum| rest + f64::from(*sum) * unit)
    }
}
