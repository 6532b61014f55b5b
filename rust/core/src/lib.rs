//! Depth preprocessing, face alignment and exact nearest-reference search.
//!
//! Plain Rust without Python: the modules read in the order in which a frame flows through them.

pub mod error;
pub mod distance;
pub mod gallery;

pub use error::{CoreError, Result};
