//! AVX2 + FMA: eight lanes in one register.

use std::arch::x86_64::{
    __m256, _CMP_LT_OQ, _mm_add_ps, _mm_storeu_ps, _mm256_castps256_ps128, _mm256_cmp_ps,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_loadu_ps, _mm256_movemask_ps,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};

use super::lanes::{LANES, Lanes, Loops};

/// The proof that this CPU has AVX2 and FMA: only [`Avx2Fma::detect`] makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2Fma(());

impl Avx2Fma {
    /// Ask the CPU (the standard library remembers its answer).
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    /// Run loops, compiled for this instruction set.
    pub(super) fn run<W: Loops>(self, work: W) -> W::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<W: Loops>(lanes: Avx2Fma, work: W) -> W::Output {
            work.run(lanes)
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, work) }
    }
}

impl Lanes for Avx2Fma {
    type Vector = __m256;

    #[inline(always)]
    fn zero(self) -> __m256 {
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> __m256 {
        // SAFETY: as in `zero`; the reference covers the eight values read, and `loadu` takes any
        // alignment.
        unsafe { _mm256_loadu_ps(values.as_ptr()) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: as in `zero`.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: as in `zero`.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn store(self, vector: __m256, values: &mut [f32; LANES]) {
        // SAFETY: as in `zero`; the reference covers the eight values written, and `storeu` takes any
        // alignment.
        unsafe { _mm256_storeu_ps(values.as_mut_ptr(), vector) }
    }

    #[inline(always)]
    fn sums(self, [a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        let mut sums = [0.0; 4];
        // SAFETY: as in `zero`; the array covers the four values stored, and `storeu` takes any
        // alignment.
        unsafe {
            // Each half of `halves` holds the sums of that half of a, b, c and d.
            let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
            let (low, high) = (
                _mm256_castps256_ps128(halves),
                _mm256_extractf128_ps::<1>(halves),
            );
            _mm_storeu_ps(sums.as_mut_ptr(), _mm_add_ps(low, high));
        }
        sums
    }

    #[inline(always)]
    fn below(self, vector: __m256, limit: f32) -> u32 {
        // SAFETY: as in `zero`.
        let bits = unsafe {
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(vector, _mm256_set1_ps(limit));
            _mm256_movemask_ps(below)
        };
        bits.cast_unsigned()
    }
}
