//! What comes in: views of a camera's arrays, depth maps that were written as text, depth for another camera's image.

pub mod depth_text;
pub mod registration;
pub mod views;
