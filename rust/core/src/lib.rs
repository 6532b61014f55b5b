//! Depth preprocessing, face alignment and exact nearest-reference search.
//!
//! Plain Rust without Python: the modules read in the order in which a frame flows through them.

pub mod align;
mod correct;
pub mod cues;
pub mod depth;
pub mod distance;
pub mod error;
pub mod fit;
pub mod gallery;
pub mod head_model;
pub mod input;
mod least_squares;
pub mod locate;
mod normalise;
pub mod pose;
mod raster;
pub mod rays;
pub mod resample;
pub mod simd;
pub mod surface;
pub mod vectors;

pub use error::{CoreError, Result};
