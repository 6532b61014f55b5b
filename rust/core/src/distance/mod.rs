//! Distances between unit vectors: fast float32 scores, and the float64 values that decide.
//!
//! Most loops are written once, over the lanes of [`crate::simd`]. Byte products, float64 sums and what is faster in
//! 512-bit registers are written for each instruction set. Distances that decide have the same bits on all of them.
//!
//! A *score* is the dot product `query · row`. Since `|query - row|² = |query|² + |row|² - 2 * score`, the row with
//! the highest score is the nearest, up to differences of the rows' norms. Scores are float32 with a rounding error
//! of at most [`score_error`], or coarse sums of codes ([`codes8`]). They select candidates; [`exact`] decides
//! between these.
#![allow(
    unsafe_code,
    clippy::unused_self,
    reason = "calls into instruction sets are unsafe; `self` is the proof that the CPU has them"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

mod all_pairs;
pub mod codes4;
pub mod codes5;
pub mod codes8;
mod dispatch;
mod error_bounds;
pub mod exact;
mod packed_scores;
mod scores;

pub use all_pairs::DoubleRows;
pub use error_bounds::{MAX_DIM, NORM_TOLERANCE, score_error, squared_distance_error};
pub use packed_scores::PackedRows;
pub use scores::Rows;

#[cfg(test)]
mod tests;
