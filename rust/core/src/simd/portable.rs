//! Eight lanes in plain Rust, for every target.

use super::lanes::{LANES, Lanes};

/// Runs on every CPU. It does not fuse multiply-add: without the instruction that is a slow library call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Lanes for Portable {
    type Vector = [f32; LANES];

    #[inline(always)]
    fn zero(self) -> [f32; LANES] {
        [0.0; LANES]
    }

    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> [f32; LANES] {
        *values
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; LANES], b: [f32; LANES], mut c: [f32; LANES]) -> [f32; LANES] {
        for i in 0..LANES {
            c[i] += a[i] * b[i];
        }
        c
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; LANES] {
        [value; LANES]
    }

    #[inline(always)]
    fn store(self, vector: [f32; LANES], values: &mut [f32; LANES]) {
        *values = vector;
    }

    #[inline(always)]
    fn sums(self, vectors: [[f32; LANES]; 4]) -> [f32; 4] {
        let mut sums = [0.0; 4];
        for (sum, v) in sums.iter_mut().zip(&vectors) {
            *sum = ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
        }
        sums
    }

    #[inline(always)]
    fn below(self, vector: [f32; LANES], limit: f32) -> u32 {
        let bits = vector.iter().zip(0..);
        bits.fold(0, |bits, (x, k)| bits | u32::from(*x < limit) << k)
    }
}
