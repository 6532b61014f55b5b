//! Derived bounds of rounding errors.

#[cfg(doc)]
use crate::simd::Kernel;

/// Largest accepted difference between the norm of a vector and 1.
pub const NORM_TOLERANCE: f64 = 1e-3;

/// Unit roundoff of float32: half the distance between 1 and the next number.
const ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;

/// Largest supported number of values per vector.
pub const MAX_DIM: usize = 2048;

/// Upper bound of the error of a score of [`Kernel::scores`], for vectors of `dim` values whose norms are 1 within
/// [`NORM_TOLERANCE`].
///
/// A dot product of n products, summed in any order and with or without fused multiply-add, errs by
/// at most `g(n) Σ|qᵢ xᵢ| <= g(n) |q| |x|` with `g(n) = n u / (1 - n u)` and u the unit roundoff
/// (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1); `|q| |x|` is at most
/// `M = (1 + tolerance)²`, and `g(n + 1) M` also covers the rounding of float64 comparison values, which
/// is 2⁻²⁹ as coarse. Below the normal numbers the relative bound fails: each of the n products and
/// sums can lose up to the smallest normal number if the thread flushes subnormals to zero.
#[must_use]
pub fn score_error(dim: usize) -> f64 {
    let steps = (dim + 1) as f64 * ROUNDOFF;
    let product_of_norms = (1.0 + NORM_TOLERANCE) * (1.0 + NORM_TOLERANCE);
    let flushed = 2.0 * dim as f64 * f64::from(f32::MIN_POSITIVE);
    steps / (1.0 - steps) * product_of_norms + flushed
}

/// Upper bound of the difference between a result of [`Kernel::squared_distances`], `(|q|² + |x|²) - 2 q·x`, and the
/// sum of squares whose root [`Kernel::distance`] is, for vectors of `dim` values whose norms are 1 within
/// [`NORM_TOLERANCE`].
///
/// With u the unit roundoff of float64, n values, `g(n) = n u / (1 - n u)` and `M = (1 + tolerance)²`, and all
/// three sums of n terms in any order (as for [`score_error`]):
///
/// - The terms `qᵢ xᵢ`, `qᵢ²` and `xᵢ²` are exact, since two times 24 bits are less than 53, and nothing is below
///   the normal numbers, since each is a multiple of 2⁻²⁹⁸. So each of the norms errs by `g(n) M` at most, twice
///   the product by `2 g(n) M`, and the two last steps, whose results are at most `2 M` and `4 M`, by `6 u M`.
/// - The terms `(qᵢ - xᵢ)²` of the other sum are rounded twice, the first time before they are squared: it errs
///   by `g(n + 2)` of itself at most, and is at most `4 M`.
///
/// Together that is less than `8 g(n + 2) M`. What is returned, `8 g(n + 8) M`, exceeds it by more than `40 u M`:
/// adding it to such a number or taking it off rounds by `4 u M`; and numbers that are more than twice it apart
/// stand for sums more than `80 u M` apart, of which neither is above `4 M`, so that even their rounded roots
/// differ.
#[must_use]
pub fn squared_distance_error(dim: usize) -> f64 {
    let steps = (dim + 8) as f64 * f64::EPSILON / 2.0;
    8.0 * steps / (1.0 - steps) * (1.0 + NORM_TOLERANCE) * (1.0 + NORM_TOLERANCE)
}

/// Upper bound of the relative difference between [`Kernel::distance`] and the distance if the terms are added in any
/// other order, with or without fused multiply-add, for vectors of `dim` values.
///
/// As in [`squared_distance_error`], each of the two sums errs by `g(n + 2)` of itself at most, their roots by half
/// of that. Both roots are rounded by u, and so is the sum of the distance and its error: `g(n + 8)` covers it all,
/// and twice `(n + 8) u` that.
#[cfg(target_arch = "x86_64")]
pub(super) fn distance_error(dim: usize) -> f64 {
    (dim + 8) as f64 * f64::EPSILON
}
