//! What is written for 512-bit registers: 64 byte products, eight float64 or 16 float32 numbers in one instruction.

mod all_pairs;
mod codes5;
mod codes8;
mod exact;
mod ops;
mod scores;
