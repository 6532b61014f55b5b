//! What 512-bit registers do otherwise: 64 byte products in one instruction, eight float64 numbers, 16 float32 numbers.

mod all_pairs;
mod codes5;
mod codes8;
mod exact;
mod ops;
mod scores;
