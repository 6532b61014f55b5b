//! Random numbers that are the same in every run.

use crate::distance::exact;

/// A xorshift generator.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below a limit that is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }

    /// Once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// A unit vector: on a coarse grid, so that copies and equal distances are common, or anywhere.
    pub fn vector(&mut self, dim: usize) -> Vec<f32> {
        let coarse = self.one_in(2);
        let mut values: Vec<f32> = (0..dim)
            .map(|_| {
                if coarse {
                    self.below(3) as f32 - 1.0
                } else {
                    (self.next() >> 40) as f32 / 8_388_608.0 - 1.0
                }
            })
            .collect();
        let at = self.below(dim);
        if values.iter().all(|value| *value == 0.0) {
            values[at] = 1.0;
        }
        scale(&mut values, 1.0);
        values
    }
}

/// Give a vector that is not 0 a norm.
pub fn scale(values: &mut [f32], norm: f64) {
    let by = norm / exact::squared_norm(values).sqrt();
    for value in values {
        *value = (f64::from(*value) * by) as f32;
    }
}
