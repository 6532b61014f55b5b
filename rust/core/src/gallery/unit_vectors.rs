//! Checked unit vectors, which all references and queries are.

use std::sync::OnceLock;

use crate::distance::{MAX_DIM, NORM_TOLERANCE};
use crate::error::{CoreError, Result};
use crate::simd::{Kernel, LANES, Lanes, Loops};

/// Values that are copied before they are checked.
const PART: usize = 4096;

/// Float32 vectors of one width, each finite and of norm 1 within [`NORM_TOLERANCE`].
///
/// The error bounds of the search hold for such vectors only, and a NaN would be passed over in silence, since it
/// fails every comparison. So nothing else gets in.
#[derive(Debug, Clone)]
pub struct UnitVectors {
    dim: usize,
    values: Vec<f32>,
    /// Computed when first asked for: not every search needs them.
    squared_norms: OnceLock<Vec<f64>>,
}

impl UnitVectors {
    /// Check `(rows, dim)` row-major values; `argument` is the caller's name for them.
    ///
    /// # Errors
    /// Names the first row that is not a finite unit vector, but none of its values.
    pub fn new(argument: &'static str, dim: usize, values: Vec<f32>) -> Result<Self> {
        check_dim(dim)?;
        if !values.len().is_multiple_of(dim) {
            return Err(CoreError::invalid(
                argument,
                format!("rows of {dim} values"),
                format!("{} values", values.len()),
            ));
        }
        let vectors = Self {
            dim,
            values,
            squared_norms: OnceLock::new(),
        };
        let (kernel, values) = (Kernel::fastest(), &vectors.values[..]);
        if !kernel.run(ClearlyUnit { dim, values }) {
            let squared_norms = check_norms(argument, dim, values)?;
            vectors.squared_norms.get_or_init(|| squared_norms);
        }
        Ok(vectors)
    }

    /// [`Self::new`] of a copy of the values, checked part by part while they are in the first-level cache.
    ///
    /// # Errors
    /// Names the first row that is not a finite unit vector, but none of its values.
    pub fn copied(argument: &'static str, dim: usize, values: &[f32]) -> Result<Self> {
        check_dim(dim)?;
        let mut copy = Vec::with_capacity(values.len());
        let (kernel, mut unit) = (Kernel::fastest(), values.len().is_multiple_of(dim));
        for part in values.chunks((PART / dim).max(1) * dim) {
            let from = copy.len();
            copy.extend_from_slice(part);
            let values = &copy[from..];
            unit = unit && kernel.run(ClearlyUnit { dim, values });
        }
        if !unit {
            return Self::new(argument, dim, copy);
        }
        Ok(Self {
            dim,
            values: copy,
            squared_norms: OnceLock::new(),
        })
    }

    /// Values per vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of vectors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there is no vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All vectors, row-major.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Squared norm of each vector.
    #[must_use]
    pub fn squared_norms(&self) -> &[f64] {
        self.squared_norms
            .get_or_init(|| squared_norms(self.dim, &self.values))
    }

    /// The values, row-major, without the guarantee.
    #[must_use]
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
}

/// Tells whether row-major vectors are finite and have norms so near 1 that float32 shows it.
struct ClearlyUnit<'a> {
    dim: usize,
    values: &'a [f32],
}

impl Loops for ClearlyUnit<'_> {
    type Output = bool;

    /// In float32, a sum of squares errs by less than 2e-4 of itself for up to [`MAX_DIM`]
    /// values (see [`score_error`](crate::distance::score_error)). Where it is 1 within the tolerance, the norm is 1
    /// within two thirds of that.
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> bool {
        let Self { dim, values } = self;
        let steps = dim / LANES;
        let mut unit = true;
        for four in values.chunks(4 * dim) {
            // Past the end the last one stands in.
            let last = four.len() / dim - 1;
            let vectors: [&[f32]; 4] = std::array::from_fn(|v| &four[v.min(last) * dim..][..dim]);
            let eights: [&[[f32; LANES]]; 4] =
                std::array::from_fn(|v| &vectors[v].as_chunks().0[..steps]);
            let mut sums = [lanes.zero(); 4];
            for step in 0..steps {
                for v in 0..4 {
                    let eight = lanes.load(&eights[v][step]);
                    sums[v] = lanes.mul_add(eight, eight, sums[v]);
                }
            }
            let sums = lanes.sums(sums);
            for v in 0..4 {
                let rest = vectors[v][steps * LANES..].iter();
                let square = rest.fold(sums[v], |sum, value| sum + value * value);
                // NaN, for which every comparison is false, is not near.
                unit &= (square - 1.0).abs() <= NORM_TOLERANCE as f32;
            }
        }
        unit
    }
}

/// Squared norm of each of some row-major vectors.
fn squared_norms(dim: usize, values: &[f32]) -> Vec<f64> {
    let kernel = Kernel::fastest();
    let mut squared_norms = Vec::with_capacity(values.len() / dim);
    let fours = values.chunks_exact(4 * dim);
    let rest = fours.remainder().chunks_exact(dim);
    for four in fours {
        let vectors = std::array::from_fn(|v| &four[v * dim..(v + 1) * dim]);
        squared_norms.extend(kernel.squared_norms(vectors));
    }
    squared_norms.extend(rest.map(|vector| kernel.squared_norm(vector)));
    squared_norms
}

/// The squared norms of row-major vectors.
///
/// # Errors
/// Names the first row that is not a finite unit vector, but none of its values.
pub(crate) fn check_norms(argument: &'static str, dim: usize, values: &[f32]) -> Result<Vec<f64>> {
    let squared_norms = squared_norms(dim, values);
    for (row, square) in squared_norms.iter().enumerate() {
        let norm = square.sqrt();
        // Written so that NaN, for which every comparison is false, is refused.
        if (norm - 1.0).abs() <= NORM_TOLERANCE {
            continue;
        }
        let got = if norm.is_finite() {
            format!("norm {norm:.4} in row {row}")
        } else {
            format!("NaN or infinity in row {row}")
        };
        let expected = format!("finite vectors of norm 1 within {NORM_TOLERANCE}");
        return Err(CoreError::invalid(argument, expected, got));
    }
    Ok(squared_norms)
}

/// Refuse a number of values that no vector may have.
pub(crate) fn check_dim(dim: usize) -> Result<()> {
    if (1..=MAX_DIM).contains(&dim) {
        return Ok(());
    }
    Err(CoreError::invalid(
        "dim",
        format!("1 to {MAX_DIM}"),
        dim.to_string(),
    ))
}

#[cfg(test)]
mod tests {
    use super::{UnitVectors, check_norms};
    use crate::simd::Kernel;

    fn refusal(values: Vec<f32>) -> String {
        UnitVectors::new("queries", 2, values)
            .expect_err("must be refused")
            .to_string()
    }

    #[test]
    fn unit_vectors_within_the_tolerance_pass() {
        let vectors = UnitVectors::new("queries", 2, vec![1.0, 0.0, 0.6, 0.8, 1.0009, 0.0]);
        assert_eq!(vectors.expect("all are unit vectors").len(), 3);
    }

    /// At the border of what float32 accepts, and at that of what is allowed, for every place in four vectors.
    #[test]
    fn what_float32_accepts_float64_does_too() {
        for dim in [1, 3, 8, 20, 133, 2048] {
            for off in [
                -0.00101, -0.00099, -0.0006, -0.0004, 0.0, 0.0004, 0.0006, 0.00099, 0.00101,
            ] {
                for place in 0..6 {
                    let mut values = vec![f32::sqrt(1.0 / dim as f32); 6 * dim];
                    for value in &mut values[place * dim..][..dim] {
                        *value *= 1.0 + off;
                    }
                    let exact = check_norms("vectors", dim, &values);
                    assert_eq!(exact.is_ok(), off.abs() < 0.001);
                    let clear = Kernel::available().map(|kernel| {
                        let values = &values[..];
                        kernel.run(super::ClearlyUnit { dim, values })
                    });
                    assert!(clear.into_iter().all(|clear| clear == (off.abs() < 0.0005)));
                    let copied = UnitVectors::copied("vectors", dim, &values);
                    assert!(copied.iter().all(|copied| copied.values() == values));
                    for vectors in [copied, UnitVectors::new("vectors", dim, values)] {
                        let found = vectors.map(|vectors| vectors.squared_norms().to_vec());
                        assert_eq!(found, exact);
                    }
                }
            }
        }
    }

    #[test]
    fn the_row_at_fault_is_named_and_its_values_are_not() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let message = refusal(vec![1.0, 0.0, bad, 0.123_456]);
            assert!(message.contains("queries") && message.contains("NaN or infinity in row 1"));
            assert!(!message.contains("0.123"));
        }
        assert!(refusal(vec![0.0, 0.0]).contains("norm 0.0000 in row 0"));
        assert!(refusal(vec![1.0, 0.0, 0.0, 1.0011]).contains("norm 1.0011 in row 1"));
        assert!(refusal(vec![f32::MAX, f32::MAX]).contains("in row 0"));
        assert!(refusal(vec![1.0, 0.0, 1.0]).contains("rows of 2 values"));
        assert!(UnitVectors::copied("queries", 2, &[1.0, 0.0, 1.0]).is_err());
    }

    #[test]
    fn widths_outside_the_range_are_refused() {
        for dim in [0, super::MAX_DIM + 1] {
            assert!(UnitVectors::new("queries", dim, Vec::new()).is_err());
            assert!(UnitVectors::copied("queries", dim, &[]).is_err());
        }
    }
}
