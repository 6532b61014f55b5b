//! What is written for AVX2: byte products, and the float64 sums that decide.

mod codes4;
mod codes5;
mod codes8;
mod exact;
mod ops;
