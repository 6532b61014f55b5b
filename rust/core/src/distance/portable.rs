//! Eight lanes in plain Rust, for every target.
#![allow(clippy::inline_always, reason = "see generic.rs")]

use super::generic::{Lanes, WIDTH};

/// Needs nothing from the CPU. No fused multiply-add: without the instruction it is a slow library call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

impl Lanes for Portable {
    type Vector = [f32; WIDTH];

    #[inline(always)]
    fn zero(self) -> [f32; WIDTH] {
        [0.0; WIDTH]
    }

    #[inline(always)]
    fn load(self, values: &[f32; WIDTH]) -> [f32; WIDTH] {
        *values
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; WIDTH], b: [f32; WIDTH], mut c: [f32; WIDTH]) -> [f32; WIDTH] {
        for i in 0..WIDTH {
            c[i] += a[i] * b[i];
        }
        c
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; WIDTH] {
        [value; WIDTH]
    }

    #[inline(always)]
    fn store(self, vector: [f32; WIDTH], values: &mut [f32; WIDTH]) {
        *values = vector;
    }

    #[inline(always)]
    fn sums(self, vectors: [[f32; WIDTH]; 4]) -> [f32; 4] {
        let mut sums = [0.0; 4];
        for (sum, v) in sums.iter_mut().zip(&vectors) {
            *sum = ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
        }
        sums
    }

    #[inline(always)]
    fn below(self, vector: [f32; WIDTH], limit: f32) -> u32 {
        let bits = vector.iter().zip(0..);
        bits.fold(0, |bits, (x, k)| bits | u32::from(*x < limit) << k)
    }
}
