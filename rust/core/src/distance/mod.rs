//! Distances between unit vectors: fast float32 scores, and the float64 values that decide.
//!
//! One algorithm ([`generic`]) runs on every back end; a back end only supplies eight lanes of
//! float32 arithmetic ([`generic::Lanes`]). [`Kernel`] chooses one when a gallery is made, so a wheel
//! carries all of them and needs no build flags. This is the only part of the crate with `unsafe`.
//!
//! A *score* is `query · row - |row|² / 2`. Since `|query - row|² = |query|² - 2 * score`, the highest
//! score is the nearest row. Scores are float32 and rounded, by at most [`score_error`]: they select
//! candidates; [`exact`] decides between these.
#![allow(
    unsafe_code,
    reason = "calls into instruction sets are unsafe; each says why it is sound"
)]

pub mod exact;
mod generic;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use generic::Rows;

/// Largest accepted difference between the norm of a vector and 1.
pub const NORM_TOLERANCE: f64 = 1e-3;

/// Unit roundoff of float32: half the distance between 1 and the next number.
const ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;

/// An instruction set that can compute scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Eight float32 lanes with fused multiply-add (`x86_64` from 2013 on).
    Avx2Fma,
    /// Plain Rust that the compiler vectorises for the baseline of the target.
    Portable,
}

impl Backend {
    /// Every back end of the crate, fastest first, whether or not this CPU has it.
    pub const ALL: [Self; 2] = [Self::Avx2Fma, Self::Portable];

    /// The name shown to users.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx2Fma => "avx2+fma",
            Self::Portable => "portable",
        }
    }
}

/// A back end that this CPU has: holding one is the proof.
#[derive(Debug, Clone, Copy)]
pub struct Kernel(Chosen);

#[derive(Debug, Clone, Copy)]
enum Chosen {
    #[cfg(target_arch = "x86_64")]
    Avx2Fma(x86::Avx2Fma),
    Portable(portable::Portable),
}

impl Kernel {
    /// The kernel of one back end, or `None` where this CPU lacks it.
    #[must_use]
    pub fn of(backend: Backend) -> Option<Self> {
        match backend {
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2Fma => x86::Avx2Fma::detect().map(Chosen::Avx2Fma).map(Self),
            #[cfg(not(target_arch = "x86_64"))]
            Backend::Avx2Fma => None,
            Backend::Portable => Some(Self(Chosen::Portable(portable::Portable))),
        }
    }

    /// The fastest kernel that this CPU has.
    #[must_use]
    pub fn fastest() -> Self {
        Backend::ALL
            .into_iter()
            .find_map(Self::of)
            .unwrap_or(Self(Chosen::Portable(portable::Portable)))
    }

    /// Every kernel that this CPU has, fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Backend::ALL.into_iter().filter_map(Self::of)
    }

    /// The back end that this kernel runs on.
    #[must_use]
    pub fn backend(self) -> Backend {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(_) => Backend::Avx2Fma,
            Chosen::Portable(_) => Backend::Portable,
        }
    }

    /// Score every query against every row: `scores[query * rows + row]`.
    ///
    /// `queries` is row-major and as wide as `rows`.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn scores(self, queries: &[f32], rows: Rows<'_>, scores: &mut [f32]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.scores(queries, rows, scores),
            Chosen::Portable(lanes) => generic::scores(lanes, queries, rows, scores),
        }
    }
}

/// How far a score of [`Kernel::scores`] can be from the score in exact arithmetic, for vectors of
/// `dim` values whose norms are 1 within [`NORM_TOLERANCE`].
///
/// A dot product of n products, summed in any order and with or without fused multiply-add, errs by
/// at most `g(n) Σ|qᵢ xᵢ| <= g(n) |q| |x|` with `g(n) = n u / (1 - n u)` and u the unit roundoff
/// (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). With
/// `M = (1 + tolerance)² >= |q| |x|`, storing `|x|²/2 <= M/2` as float32 adds `u M/2`, and subtracting
/// it, where the result is at most `1.5 M (1 + g(n))`, adds `u * 1.5 M (1 + g(n))`: `g(n + 3) M` covers
/// the sum, and `g(n + 4) M` also the rounding of the float64 comparison value, which is 2⁻²⁹ as
/// coarse. Below the normal numbers the relative bound fails: each of the n products and sums can
/// lose up to the smallest normal number if the thread flushes subnormals to zero.
#[must_use]
pub fn score_error(dim: usize) -> f64 {
    let steps = (dim + 4) as f64 * ROUNDOFF;
    let product_of_norms = (1.0 + NORM_TOLERANCE) * (1.0 + NORM_TOLERANCE);
    let flushed = 2.0 * dim as f64 * f64::from(f32::MIN_POSITIVE);
    steps / (1.0 - steps) * product_of_norms + flushed
}

#[cfg(test)]
mod tests;
