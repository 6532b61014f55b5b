//! Float64 sums in the order of [`exact`], whose eight running sums fill one register.

use std::arch::x86_64::{
    __m512d, _mm256_loadu_ps, _mm256_storeu_pd, _mm512_add_pd, _mm512_castpd512_pd256,
    _mm512_cvtps_pd, _mm512_fmadd_pd, _mm512_mul_pd, _mm512_reduce_add_pd, _mm512_setzero_pd,
    _mm512_shuffle_f64x2, _mm512_storeu_pd, _mm512_sub_pd, _mm512_unpackhi_pd, _mm512_unpacklo_pd,
};

use crate::distance::exact::{self, ShortRuns};
use crate::simd::Avx512Vnni;

impl ShortRuns for Avx512Vnni {
    #[inline]
    fn squared_distance(self, a: &[f32], b: &[f32]) -> f64 {
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
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
#[target_feature(enable = "avx512f")]
fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let ((a_eights, a_rest), (b_eights, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = _mm512_setzero_pd();
    for (x, y) in a_eights.iter().zip(b_eights) {
        let apart = _mm512_sub_pd(doubles(x), doubles(y));
        sums = _mm512_add_pd(sums, _mm512_mul_pd(apart, apart));
    }
    exact::add_squared_distance(total(sums), a_rest, b_rest)
}

/// `Σ (aᵢ - bᵢ)²` of vectors of any length, in another order: four running sums of eight lanes, none of which waits
/// for another.
#[target_feature(enable = "avx512f")]
pub(super) fn squared_distance_unordered(a: &[f32], b: &[f32]) -> f64 {
    let ((a_eights, a_rest), (b_eights, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let ((a_fours, a_eights), (b_fours, b_eights)) =
        (a_eights.as_chunks::<4>(), b_eights.as_chunks::<4>());
    let mut sums = [_mm512_setzero_pd(); 4];
    for (x, y) in a_fours.iter().zip(b_fours) {
        for i in 0..4 {
            let apart = _mm512_sub_pd(doubles(&x[i]), doubles(&y[i]));
            sums[i] = _mm512_fmadd_pd(apart, apart, sums[i]);
        }
    }
    for (x, y) in a_eights.iter().zip(b_eights) {
        let apart = _mm512_sub_pd(doubles(x), doubles(y));
        sums[0] = _mm512_fmadd_pd(apart, apart, sums[0]);
    }
    let pairs = [
        _mm512_add_pd(sums[0], sums[1]),
        _mm512_add_pd(sums[2], sums[3]),
    ];
    let sum = _mm512_reduce_add_pd(_mm512_add_pd(pairs[0], pairs[1]));
    exact::add_squared_distance(sum, a_rest, b_rest)
}

/// [`ShortRuns::squared_distances`].
#[target_feature(enable = "avx512f")]
fn squared_distances(a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
    let (a_eights, a_rest) = a.as_chunks::<8>();
    let mut eights: [&[[f32; 8]]; 4] = [&[]; 4];
    for r in 0..4 {
        eights[r] = &others[r].as_chunks::<8>().0[..a_eights.len()];
    }
    let mut sums = [_mm512_setzero_pd(); 4];
    for (step, x) in a_eights.iter().enumerate() {
        let x = doubles(x);
        for r in 0..4 {
            let apart = _mm512_sub_pd(x, doubles(&eights[r][step]));
            sums[r] = _mm512_add_pd(sums[r], _mm512_mul_pd(apart, apart));
        }
    }
    let mut squares = totals(sums);
    for r in 0..4 {
        let rest = &others[r][a_eights.len() * 8..];
        squares[r] = exact::add_squared_distance(squares[r], a_rest, rest);
    }
    squares
}

/// [`ShortRuns::squared_norms`].
#[target_feature(enable = "avx512f")]
fn squared_norms(vectors: [&[f32]; 4]) -> [f64; 4] {
    let steps = vectors[0].len() / 8;
    let mut eights: [&[[f32; 8]]; 4] = [&[]; 4];
    for v in 0..4 {
        eights[v] = &vectors[v].as_chunks::<8>().0[..steps];
    }
    let mut sums = [_mm512_setzero_pd(); 4];
    for step in 0..steps {
        for v in 0..4 {
            let x = doubles(&eights[v][step]);
            sums[v] = _mm512_add_pd(sums[v], _mm512_mul_pd(x, x));
        }
    }
    let mut squares = totals(sums);
    for v in 0..4 {
        squares[v] = exact::add_squared_norm(squares[v], &vectors[v][steps * 8..]);
    }
    squares
}

/// [`ShortRuns::squared_norm`].
#[target_feature(enable = "avx512f")]
fn squared_norm(a: &[f32]) -> f64 {
    let (eights, rest) = a.as_chunks::<8>();
    let mut sums = _mm512_setzero_pd();
    for x in eights {
        let x = doubles(x);
        sums = _mm512_add_pd(sums, _mm512_mul_pd(x, x));
    }
    exact::add_squared_norm(total(sums), rest)
}

#[target_feature(enable = "avx512f")]
pub(super) fn doubles(eight: &[f32; 8]) -> __m512d {
    // SAFETY: the reference covers the eight values read, and `loadu` takes any alignment.
    _mm512_cvtps_pd(unsafe { _mm256_loadu_ps(eight.as_ptr()) })
}

/// The total of eight running sums.
#[target_feature(enable = "avx512f")]
pub(super) fn total(sums: __m512d) -> f64 {
    let mut s = [0.0; 8];
    // SAFETY: the array covers the eight values written, and `storeu` takes any alignment.
    unsafe { _mm512_storeu_pd(s.as_mut_ptr(), sums) }
    exact::add_up(s)
}

/// The totals of four times eight running sums.
#[target_feature(enable = "avx512f")]
fn totals([a, b, c, d]: [__m512d; 4]) -> [f64; 4] {
    // In each quarter, a pair of the sums of one vector beside that of another.
    let pairs = |x, y| _mm512_add_pd(_mm512_unpacklo_pd(x, y), _mm512_unpackhi_pd(x, y));
    let (ab, cd) = (pairs(a, b), pairs(c, d));
    // First and third quarter of each, and second and fourth.
    let fours = _mm512_add_pd(
        _mm512_shuffle_f64x2::<0b10_00_10_00>(ab, cd),
        _mm512_shuffle_f64x2::<0b11_01_11_01>(ab, cd),
    );
    let eights = _mm512_add_pd(
        _mm512_shuffle_f64x2::<0b10_00_10_00>(fours, fours),
        _mm512_shuffle_f64x2::<0b11_01_11_01>(fours, fours),
    );
    let mut totals = [0.0; 4];
    // SAFETY: the array covers the four values written, and `storeu` takes any alignment.
    unsafe { _mm256_storeu_pd(totals.as_mut_ptr(), _mm512_castpd512_pd256(eights)) }
    totals
}
