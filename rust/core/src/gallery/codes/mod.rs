//! Codes: short approximations of the references, with bounds of what they leave out.

pub(in crate::gallery) mod quantizer;
pub(in crate::gallery) mod residuals;
pub(in crate::gallery) mod table;
