//! The float64 values that decide: what "exact" means in this crate.
//!
//! The distance of two float32 vectors is `sqrt(Σ (aᵢ - bᵢ)²)` in float64, summed in the order that
//! numpy uses for `((a - b) ** 2).sum()`. Any order would do; fixing this one makes results equal,
//! bit for bit, to a brute-force search written in numpy, so order and ties can be checked with `==`.

/// Below this length numpy adds eight running sums; above it, it halves the input first.
const LONGEST_RUN: usize = 128;

/// Euclidean distance of two vectors of equal length; [`super::Kernel::distance`] is the same, faster.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    squared_distance(a, b).sqrt()
}

/// Its square, before the root rounds.
///
/// # Panics
/// If the lengths differ.
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    pairwise_sum(a, b, squared_distance_of_run)
}

/// Squared Euclidean norm; [`super::Kernel::squared_norm`] is the same, faster.
#[must_use]
pub fn squared_norm(a: &[f32]) -> f64 {
    pairwise_sum(a, a, product_of_run)
}

/// A sum over two vectors in numpy's order (`pairwise_sum` in its `loops_utils.h.src`); `run` adds up
/// what is not halved any more.
#[inline]
pub(super) fn pairwise_sum(
    a: &[f32],
    b: &[f32],
    run: impl Fn(&[f32], &[f32]) -> f64 + Copy,
) -> f64 {
    if a.len() <= LONGEST_RUN {
        return run(a, b);
    }
    let half = half(a.len());
    let ((a0, a1), (b0, b1)) = (a.split_at(half), b.split_at(half));
    pairwise_sum(a0, b0, run) + pairwise_sum(a1, b1, run)
}

/// [`pairwise_sum`] over one vector and each of four others of its length.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn pairwise_sums(
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

/// Where numpy halves a longer input: the first half is one of whole eights.
fn half(length: usize) -> usize {
    length / 2 / 8 * 8
}

/// `Σ (aᵢ - bᵢ)²` of a short run.
#[inline]
pub(super) fn squared_distance_of_run(a: &[f32], b: &[f32]) -> f64 {
    eight_sums(a, b, |x, y| (x - y) * (x - y))
}

/// `Σ aᵢ bᵢ` of a short run.
#[inline]
pub(super) fn product_of_run(a: &[f32], b: &[f32]) -> f64 {
    eight_sums(a, b, |x, y| x * y)
}

/// `Σ aᵢ²` of a vector of any length, as if it were a short run.
#[inline]
pub(super) fn squared_norm_of_one_run(a: &[f32]) -> f64 {
    product_of_run(a, a)
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

/// A sum, and then `(aᵢ - bᵢ)²` one by one: what fills no eight sums.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn add_squared_distance(sum: f64, a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).fold(sum, |sum, (x, y)| {
        let apart = f64::from(*x) - f64::from(*y);
        sum + apart * apart
    })
}

/// A sum, and then `aᵢ²` one by one.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn add_squared_norm(sum: f64, a: &[f32]) -> f64 {
    a.iter()
        .fold(sum, |sum, x| sum + f64::from(*x) * f64::from(*x))
}

/// The eight running sums, in numpy's order.
#[inline]
pub(super) fn add_up(s: [f64; 8]) -> f64 {
    ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))
}
