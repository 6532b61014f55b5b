//! The float64 distances that decide: what "exact" means in this crate.
//!
//! The distance of two float32 vectors is `sqrt(Σ (aᵢ - bᵢ)²)` in float64, summed in the order in which numpy
//! computes `((a - b) ** 2).sum()`. Any order would do. Fixing this one makes results equal, bit for bit, to a
//! brute-force search in numpy, so order and ties can be checked with `==`.

use crate::simd::Portable;

/// Up to this length numpy adds eight running sums; a longer input it halves first.
const LONGEST_RUN: usize = 128;

/// Sums over short runs, of at most [`LONGEST_RUN`] values, in numpy's order. The sums of four vectors do not wait
/// for each other. All vectors must have one length.
pub(super) trait ShortRuns: Copy {
    /// `Σ (aᵢ - bᵢ)²`.
    fn squared_distance(self, a: &[f32], b: &[f32]) -> f64;

    /// The same of a vector and four others.
    fn squared_distances(self, a: &[f32], others: [&[f32]; 4]) -> [f64; 4];

    /// `Σ aᵢ²`.
    fn squared_norm(self, a: &[f32]) -> f64;

    /// The same of four vectors.
    fn squared_norms(self, vectors: [&[f32]; 4]) -> [f64; 4];
}

impl ShortRuns for Portable {
    #[inline]
    fn squared_distance(self, a: &[f32], b: &[f32]) -> f64 {
        eight_sums(a, b, |x, y| (x - y) * (x - y))
    }

    #[inline]
    fn squared_distances(self, a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
        others.map(|b| self.squared_distance(a, b))
    }

    #[inline]
    fn squared_norm(self, a: &[f32]) -> f64 {
        eight_sums(a, a, |x, y| x * y)
    }

    #[inline]
    fn squared_norms(self, vectors: [&[f32]; 4]) -> [f64; 4] {
        vectors.map(|vector| self.squared_norm(vector))
    }
}

/// Euclidean distance of two vectors of equal length; [`Kernel::distance`](crate::simd::Kernel::distance) is the same,
/// faster.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    squared_distance(Portable, a, b).sqrt()
}

/// Squared Euclidean norm; [`Kernel::squared_norm`](crate::simd::Kernel::squared_norm) is the same, faster.
#[must_use]
pub fn squared_norm(a: &[f32]) -> f64 {
    squared_norm_by(Portable, a)
}

/// Squared distance of two vectors, by the runs of a back end.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub(super) fn squared_distance<R: ShortRuns>(runs: R, a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    pairwise_sum(a, b, |a, b| runs.squared_distance(a, b))
}

/// [`squared_distance`] of a vector to each of four others.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub(super) fn squared_distances<R: ShortRuns>(runs: R, a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
    assert!(others.iter().all(|b| b.len() == a.len()));
    pairwise_sums(a, others, |a, others| runs.squared_distances(a, others))
}

/// [`squared_norm`] by the runs of a back end.
#[inline]
pub(super) fn squared_norm_by<R: ShortRuns>(runs: R, a: &[f32]) -> f64 {
    pairwise_sum(a, a, |a, _| runs.squared_norm(a))
}

/// [`squared_norm`] of four vectors of one length.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub(super) fn squared_norms<R: ShortRuns>(runs: R, vectors: [&[f32]; 4]) -> [f64; 4] {
    let length = vectors[0].len();
    assert!(vectors.iter().all(|v| v.len() == length));
    pairwise_sums(vectors[0], vectors, |_, vectors| {
        runs.squared_norms(vectors)
    })
}

/// A sum over two vectors in numpy's order (`pairwise_sum` in its `loops_utils.h.src`): halves them until `run` can
/// add up the parts.
#[inline]
fn pairwise_sum(a: &[f32], b: &[f32], run: impl Fn(&[f32], &[f32]) -> f64 + Copy) -> f64 {
    if a.len() <= LONGEST_RUN {
        return run(a, b);
    }
    let half = half(a.len());
    let ((a0, a1), (b0, b1)) = (a.split_at(half), b.split_at(half));
    pairwise_sum(a0, b0, run) + pairwise_sum(a1, b1, run)
}

/// [`pairwise_sum`] over one vector and each of four others of its length.
#[inline]
fn pairwise_sums(
    a: &[f32],
    others: [&[f32]; 4],
    run: impl Fn(&[f32], [&[f32]; 4]) -> [f64; 4] + Copy,
) -> [f64; 4] {
    if a.len() <= LONGEST_RUN {
        return run(a, others);
    }
    let half = half(a.len());
    let first = pairwise_sums(&a[..half], others.map(|b| &b[..half]), run);
    let second = pairwise_sums(&a[half..], others.map(|b| &b[half..]), run);
    std::array::from_fn(|k| first[k] + second[k])
}

/// Where numpy halves a longer input: the first half is a multiple of eight.
fn half(length: usize) -> usize {
    length / 2 / 8 * 8
}

#[inline]
fn eight_sums(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let ((a_eights, a_rest), (b_eights, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut s = [0.0; 8];
    for (x, y) in a_eights.iter().zip(b_eights) {
        for i in 0..8 {
            s[i] += term(f64::from(x[i]), f64::from(y[i]));
        }
    }
    a_rest.iter().zip(b_rest).fold(add_up(s), |sum, (x, y)| {
        sum + term(f64::from(*x), f64::from(*y))
    })
}

/// A sum plus `(aᵢ - bᵢ)²` one by one, for the last values that fill no eight sums.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn add_squared_distance(sum: f64, a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).fold(sum, |sum, (x, y)| {
        let apart = f64::from(*x) - f64::from(*y);
        sum + apart * apart
    })
}

/// A sum plus `aᵢ²` one by one.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn add_squared_norm(sum: f64, a: &[f32]) -> f64 {
    a.iter()
        .fold(sum, |sum, x| sum + f64::from(*x) * f64::from(*x))
}

/// The total of eight running sums, in numpy's order.
#[inline]
pub(super) fn add_up(s: [f64; 8]) -> f64 {
    ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))
}
