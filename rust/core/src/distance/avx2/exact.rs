//! Float64 sums in the order of [`exact`]. The compiler does not find these instructions by itself. The kernels look
//! like those of AVX-512 but differ in every instruction, and in the feature that they must enable.

use std::arch::x86_64::{
    __m256d, _mm_loadu_ps, _mm256_add_pd, _mm256_cvtps_pd, _mm256_mul_pd, _mm256_setzero_pd,
    _mm256_storeu_pd, _mm256_sub_pd,
};

use crate::distance::exact::{self, ShortRuns};
use crate::simd::Avx2Fma;

impl ShortRuns for Avx2Fma {
    #[inline]
    fn squared_distance(self, a: &[f32], b: &[f32]) -> f64 {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { squared_distance(a, b) }
    }

    #[inline]
    fn squared_distances(self, a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
        // SAFETY: as in `squared_distance`.
        unsafe { squared_distances(a, others) }
    }

    #[inline]
    fn squared_norm(self, a: &[f32]) -> f64 {
        // SAFETY: as in `squared_distance`.
        unsafe { squared_norm(a) }
    }

    #[inline]
    fn squared_norms(self, vectors: [&[f32]; 4]) -> [f64; 4] {
        // SAFETY: as in `squared_distance`.
        unsafe { squared_norms(vectors) }
    }
}

/// [`ShortRuns::squared_distance`].
#[target_feature(enable = "avx2")]
fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let ((a_eights, a_rest), (b_eights, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [_mm256_setzero_pd(); 2];
    for (x, y) in a_eights.iter().zip(b_eights) {
        for (half, sum) in sums.iter_mut().enumerate() {
            let apart = _mm256_sub_pd(doubles(x, half), doubles(y, half));
            *sum = _mm256_add_pd(*sum, _mm256_mul_pd(apart, apart));
        }
    }
    exact::add_squared_distance(total(sums), a_rest, b_rest)
}

/// [`ShortRuns::squared_distances`].
#[target_feature(enable = "avx2")]
fn squared_distances(a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
    let (a_eights, a_rest) = a.as_chunks::<8>();
    let mut eights: [&[[f32; 8]]; 4] = [&[]; 4];
    for r in 0..4 {
        eights[r] = &others[r].as_chunks::<8>().0[..a_eights.len()];
    }
    let mut sums = [[_mm256_setzero_pd(); 2]; 4];
    for (step, x) in a_eights.iter().enumerate() {
        for half in 0..2 {
            let x = doubles(x, half);
            for r in 0..4 {
                let apart = _mm256_sub_pd(x, doubles(&eights[r][step], half));
                sums[r][half] = _mm256_add_pd(sums[r][half], _mm256_mul_pd(apart, apart));
            }
        }
    }
    let mut squares = [0.0; 4];
    for r in 0..4 {
        let rest = &others[r][a_eights.len() * 8..];
        squares[r] = exact::add_squared_distance(total(sums[r]), a_rest, rest);
    }
    squares
}

/// [`ShortRuns::squared_norms`].
#[target_feature(enable = "avx2")]
fn squared_norms(vectors: [&[f32]; 4]) -> [f64; 4] {
    let steps = vectors[0].len() / 8;
    let mut eights: [&[[f32; 8]]; 4] = [&[]; 4];
    for v in 0..4 {
        eights[v] = &vectors[v].as_chunks::<8>().0[..steps];
    }
    let mut sums = [[_mm256_setzero_pd(); 2]; 4];
    for step in 0..steps {
        for v in 0..4 {
            for half in 0..2 {
                let x = doubles(&eights[v][step], half);
                sums[v][half] = _mm256_add_pd(sums[v][half], _mm256_mul_pd(x, x));
            }
        }
    }
    let mut squares = [0.0; 4];
    for v in 0..4 {
        squares[v] = exact::add_squared_norm(total(sums[v]), &vectors[v][steps * 8..]);
    }
    squares
}

/// [`ShortRuns::squared_norm`].
#[target_feature(enable = "avx2")]
fn squared_norm(a: &[f32]) -> f64 {
    let (eights, rest) = a.as_chunks::<8>();
    let mut sums = [_mm256_setzero_pd(); 2];
    for x in eights {
        for (half, sum) in sums.iter_mut().enumerate() {
            let x = doubles(x, half);
            *sum = _mm256_add_pd(*sum, _mm256_mul_pd(x, x));
        }
    }
    exact::add_squared_norm(total(sums), rest)
}

/// One half of eight values, in float64.
#[target_feature(enable = "avx2")]
fn doubles(eight: &[f32; 8], half: usize) -> __m256d {
    let four = &eight[half * 4..half * 4 + 4];
    // SAFETY: the slice covers the four values read, and `loadu` takes any alignment.
    _mm256_cvtps_pd(unsafe { _mm_loadu_ps(four.as_ptr()) })
}

/// The total of eight running sums.
#[target_feature(enable = "avx2")]
fn total(sums: [__m256d; 2]) -> f64 {
    let mut s = [0.0; 8];
    for (sum, four) in sums.into_iter().zip(s.as_chunks_mut::<4>().0) {
        // SAFETY: the array covers the four values written, and `storeu` takes any alignment.
        unsafe { _mm256_storeu_pd(four.as_mut_ptr(), sum) }
    }
    exact::add_up(s)
}
