//! Checked unit vectors: what every search and every reference is made of.

use crate::distance::{Kernel, NORM_TOLERANCE};
use crate::error::{CoreError, Result};

/// Largest supported number of values per vector.
pub const MAX_DIM: usize = 2048;

/// Float32 vectors of one width, each finite and of norm 1 within [`NORM_TOLERANCE`].
///
/// The bounds of the search hold for such vectors only, and a NaN would fail every comparison and be
/// passed over in silence; so nothing else gets in.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitVectors {
    dim: usize,
    values: Vec<f32>,
    squared_norms: Vec<f64>,
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
        let squared_norms = check_norms(argument, dim, &values)?;
        Ok(Self {
            dim,
            values,
            squared_norms,
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
        &self.squared_norms
    }

    /// Give up the check and take the values, row-major.
    #[must_use]
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
}

/// The squared norms of row-major vectors.
///
/// # Errors
/// Names the first row that is not a finite unit vector, but none of its values.
pub(crate) fn check_norms(argument: &'static str, dim: usize, values: &[f32]) -> Result<Vec<f64>> {
    let kernel = Kernel::fastest();
    let mut squared_norms = Vec::with_capacity(values.len() / dim);
    let fours = values.chunks_exact(4 * dim);
    let rest = fours.remainder().chunks_exact(dim);
    for four in fours {
        let vectors = std::array::from_fn(|v| &four[v * dim..(v + 1) * dim]);
        squared_norms.extend(kernel.squared_norms(vectors));
    }
    squared_norms.extend(rest.map(|vector| kernel.squared_norm(vector)));
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

/// Refuse a width that no vector may have.
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
    use super::UnitVectors;

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
    }

    #[test]
    fn widths_outside_the_range_are_refused() {
        for dim in [0, super::MAX_DIM + 1] {
            assert!(UnitVectors::new("queries", dim, Vec::new()).is_err());
        }
    }
}
