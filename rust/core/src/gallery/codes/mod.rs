//! Codes of the references, and what they promise about these.

pub(in crate::gallery) mod quantizer;
pub(in crate::gallery) mod residuals;
pub(in crate::gallery) mod table;
