//! What comes in: views of a camera's arrays, small holes in them, depth maps that were written as text, depth for
//! another camera's image.

pub mod bits;
pub mod depth_text;
pub mod holes;
pub mod registration;
pub mod views;
