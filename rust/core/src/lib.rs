//! Depth preprocessing, face alignment and exact nearest-reference search.
//!
//! Plain Rust without Python. [`input`] holds what comes in, [`align`] leads from a frame to an aligned face,
//! [`gallery`] keeps references and searches them by [`distance`]; [`simd`] chooses the instruction set for all of
//! them. [`names`] compares what people are called.

pub mod align;
pub mod distance;
pub mod error;
pub mod gallery;
pub mod input;
pub mod names;
pub mod simd;

pub use error::{CoreError, Result};
