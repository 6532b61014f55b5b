//! Distances between unit vectors: fast float32 scores, and the float64 values that decide.
//!
//! Most loops are written once, over the lanes of [`crate::simd`]. Byte products, float64 sums and what 512-bit
//! registers do in another way are written for each instruction set. The values that decide have the same bits on all.
//!
//! A *score* is the dot product `query · row`. Since `|query - row|² = |query|² + |row|² - 2 * score`, the
//! highest score is the nearest row, up to how far the norms of rows differ. Scores are float32 and
//! rounded, by at most [`score_error`], or coarse sums of codes ([`codes`]): they select candidates;
//! [`exact`] decides between these.
#![allow(
    unsafe_code,
    clippy::unused_self,
    reason = "calls into instruction sets are unsafe; `self` is the proof that the CPU has them"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod codes;
mod every;
pub mod exact;
pub mod fives;
mod generic;
pub mod nibbles;
mod packed;

use std::ops::Range;

use codes::{Blocks, Found};
pub use every::DoubleRows;
use every::Every;
pub use generic::Rows;
use nibbles::{BYTES, QUAD, QueryStep};
pub use packed::PackedRows;

use crate::simd::{Backend, Chosen, Kernel};

/// Largest accepted difference between the norm of a vector and 1.
pub const NORM_TOLERANCE: f64 = 1e-3;

/// Unit roundoff of float32: half the distance between 1 and the next number.
const ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;

impl Kernel {
    /// Score every query against every row: `scores[query * rows + row]`.
    ///
    /// `queries` is row-major and as wide as `rows`.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn scores(self, queries: &[f32], rows: Rows<'_>, scores: &mut [f32]) {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.avx2().scores(queries, rows, scores),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.scores(queries, rows, scores),
            Chosen::Portable(lanes) => generic::scores(lanes, queries, rows, scores),
        }
    }

    /// [`Self::scores`] of many queries against few rows: `scores[query * rows.width() + row]`.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn packed_scores(self, queries: &[f32], rows: &PackedRows, scores: &mut [f32]) {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.packed_scores(queries, rows, scores),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.packed_scores(queries, rows, scores),
            Chosen::Portable(lanes) => packed::packed_scores(lanes, queries, rows, scores),
        }
    }

    /// How many queries these take best together: of fewer, some would be scored more than once.
    #[must_use]
    pub fn queries_together(self) -> usize {
        match self.backend() {
            Backend::Avx512Vnni => 16,
            Backend::Avx2Fma | Backend::Portable => 12,
        }
    }

    /// Score one query against rows wherever they lie: one score for each.
    ///
    /// # Panics
    /// If the lengths do not agree, or there is no such row.
    pub fn scores_of(self, query: &[f32], all: Rows<'_>, rows: &[u32], scores: &mut [f32]) {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.avx2().scores_of(query, all, rows, scores),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.scores_of(query, all, rows, scores),
            Chosen::Portable(lanes) => generic::scores_of(lanes, query, all, rows, scores),
        }
    }

    /// [`exact::distance`]: the same bits on every back end.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.distance(a, b),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.distance(a, b),
            Chosen::Portable(_) => exact::distance(a, b),
        }
    }

    /// [`Kernel::distance`] rounded to float32: the same number, sooner where the order of addition makes no
    /// difference to it.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn rounded_distance(self, a: &[f32], b: &[f32]) -> f32 {
        #[cfg(target_arch = "x86_64")]
        if let Chosen::Avx512Vnni(lanes) = self.chosen() {
            let distance = lanes.distance_unordered(a, b);
            let error = distance * distance_error(a.len());
            let (least, most) = ((distance - error) as f32, (distance + error) as f32);
            if least.to_bits() == most.to_bits() {
                return least;
            }
        }
        self.distance(a, b) as f32
    }

    /// [`Kernel::distance`] of a vector to four others, in less than twice the time of one.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn distances(self, a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.distances(a, others),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.distances(a, others),
            Chosen::Portable(_) => others.map(|b| exact::distance(a, b)),
        }
    }

    /// Squared distances of queries to every one of some rows, `squares[query * rows.width() + row]`: as near to
    /// those that decide as [`squared_distance_error`] says, and the same bits on every back end.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn squares_to_every(self, queries: &[f32], rows: &DoubleRows, squares: &mut [f64]) {
        #[cfg(target_arch = "x86_64")]
        if let Chosen::Avx512Vnni(lanes) = self.chosen() {
            return lanes.squares_to_every(queries, rows, squares);
        }
        rows.check(queries, squares);
        self.run(Every {
            queries,
            rows,
            squares,
        });
    }

    /// [`exact::squared_norm`]: the same bits on every back end.
    #[must_use]
    pub fn squared_norm(self, a: &[f32]) -> f64 {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.squared_norm(a),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.squared_norm(a),
            Chosen::Portable(_) => exact::squared_norm(a),
        }
    }

    /// [`Kernel::squared_norm`] of four vectors, in less than twice the time of one.
    #[must_use]
    pub fn squared_norms(self, vectors: [&[f32]; 4]) -> [f64; 4] {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.squared_norms(vectors),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.squared_norms(vectors),
            Chosen::Portable(_) => vectors.map(exact::squared_norm),
        }
    }

    /// The nearest codes of finite values, of `levels` (at most 127) either way; returns at least the
    /// distance of the values to what the codes stand for, `code * step`.
    ///
    /// # Panics
    /// If there are fewer codes than values, or the step is not a normal number above zero.
    pub fn encode(self, values: &[f32], step: f32, levels: i32, codes: &mut [i8]) -> f64 {
        assert!(step.is_normal() && step > 0.0 && levels <= codes::LEVELS);
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.avx2().encode(values, step, levels, codes),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.encode(values, step, levels, codes),
            Chosen::Portable(_) => codes::encode(values, step, levels, codes),
        }
    }

    /// Dot products of a query's codes and those of rows, four rows at a time; see [`nibbles`].
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn nibble_sums(self, codes: &[u8], query: &[QueryStep], sums: &mut [[i32; QUAD]]) {
        assert!(!query.is_empty() && codes.len() == sums.len() * query.len() * BYTES);
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.avx2().nibble_sums(codes, query, sums),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.nibble_sums(codes, query, sums),
            Chosen::Portable(_) => nibbles::sums(codes, query, sums),
        }
    }

    /// The first block of `range` in which some sum reaches its query's limit; what was found there
    /// then stands in `found`.
    ///
    /// A sum is the reference's allowance plus the dot product of the stored (shifted) reference codes
    /// and the query codes, the same on every back end. `queries` are `limits.len()` of them (one of
    /// [`codes::TILES`]), step by step: four codes of each as one number, of at most
    /// [`Backend::query_levels`].
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn next_hit(
        self,
        blocks: Blocks<'_>,
        range: Range<usize>,
        queries: &[i32],
        limits: &[i32],
        found: &mut Found,
    ) -> Option<usize> {
        blocks.check(queries, limits.len());
        assert!(range.end <= blocks.len());
        if let Ok(limits) = <&[i32; 8]>::try_from(limits) {
            self.next_hit_of(blocks, range, queries, limits, found)
        } else if let Ok(limits) = <&[i32; 4]>::try_from(limits) {
            self.next_hit_of(blocks, range, queries, limits, found)
        } else {
            let limits = <&[i32; 1]>::try_from(limits).expect("a size of TILES");
            self.next_hit_of(blocks, range, queries, limits, found)
        }
    }

    fn next_hit_of<const Q: usize>(
        self,
        blocks: Blocks<'_>,
        range: Range<usize>,
        queries: &[i32],
        limits: &[i32; Q],
        found: &mut Found,
    ) -> Option<usize> {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.next_hit(blocks, range, queries, limits, found),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.next_hit(blocks, range, queries, limits, found),
            Chosen::Portable(_) => codes::next_hit(blocks, range, queries, limits, found),
        }
    }
}

/// How far a score of [`Kernel::scores`] can be from the score in exact arithmetic, for vectors of
/// `dim` values whose norms are 1 within [`NORM_TOLERANCE`].
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

/// How far a number of [`Kernel::squares_to_every`], `(|q|² + |x|²) - 2 q·x`, can be from the sum of squares
/// whose root [`Kernel::distance`] is, for vectors of `dim` values whose norms are 1 within [`NORM_TOLERANCE`].
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

/// How far the distance of two vectors of `dim` values is from [`Kernel::distance`], in proportion, if the terms
/// are added in any order, and with or without fused multiply-add.
///
/// As in [`squared_distance_error`], each of the two sums errs by `g(n + 2)` of itself at most, their roots by half
/// of that. Both roots are rounded by u, and so is the sum of the distance and its error: `g(n + 8)` covers it all,
/// and twice `(n + 8) u` that.
#[cfg(target_arch = "x86_64")]
fn distance_error(dim: usize) -> f64 {
    (dim + 8) as f64 * f64::EPSILON
}

#[cfg(test)]
mod tests;
