//! Depth preprocessing, face alignment and exact nearest-reference search.
//!
//! Plain Rust without Python: the modules read in the order in which a frame flows through them.

pub mod align;
pub mod distance;
pub mod error;
pub mod gallery;
pub mod input;
pub mod simd;

pub use error::{CoreError, Result};
