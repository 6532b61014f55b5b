//! AVX2 + FMA.
#![allow(clippy::inline_always, reason = "see generic.rs")]
#![allow(
    clippy::needless_range_loop,
    reason = "indices of constant range are what keeps the sums in registers"
)]
#![allow(
    clippy::unused_self,
    reason = "`self` is the proof that the CPU has the instructions"
)]

mod bytes;
mod doubles;

use std::arch::x86_64::{
    __m256, _CMP_LT_OQ, _mm_add_ps, _mm_storeu_ps, _mm256_castps256_ps128, _mm256_cmp_ps,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_loadu_ps, _mm256_movemask_ps,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};
use std::ops::Range;

use super::Loops;
use super::codes::{self, Blocks, Found, Packing};
use super::exact;
use super::generic::{self, Lanes, Rows, WIDTH};
use super::nibbles::{QUAD, QueryStep};
use super::packed::{self, PackedRows};

/// Exists only where the CPU has AVX2 and FMA: [`Avx2Fma::detect`] alone makes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2Fma(());

impl Avx2Fma {
    /// Ask the CPU (the standard library remembers its answer).
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    /// Loops compiled for this instruction set.
    pub(super) fn run<W: Loops>(self, work: W) -> W::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<W: Loops>(lanes: Avx2Fma, work: W) -> W::Output {
            work.run(lanes)
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, work) }
    }

    /// [`generic::scores`] compiled for this instruction set.
    pub(super) fn scores(self, queries: &[f32], rows: Rows<'_>, scores: &mut [f32]) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled(lanes: Avx2Fma, queries: &[f32], rows: Rows<'_>, scores: &mut [f32]) {
            generic::scores(lanes, queries, rows, scores);
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, queries, rows, scores) }
    }

    /// [`packed::packed_scores`] compiled for this instruction set.
    pub(super) fn packed_scores(self, queries: &[f32], rows: &PackedRows, scores: &mut [f32]) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled(lanes: Avx2Fma, queries: &[f32], rows: &PackedRows, scores: &mut [f32]) {
            packed::packed_scores(lanes, queries, rows, scores);
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, queries, rows, scores) }
    }

    /// [`generic::scores_of`] compiled for this instruction set.
    pub(super) fn scores_of(self, query: &[f32], all: Rows<'_>, rows: &[u32], scores: &mut [f32]) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled(
            lanes: Avx2Fma,
            query: &[f32],
            all: Rows<'_>,
            rows: &[u32],
            scores: &mut [f32],
        ) {
            generic::scores_of(lanes, query, all, rows, scores);
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, query, all, rows, scores) }
    }

    /// [`nibbles::sums`]: the same numbers.
    pub(super) fn nibble_sums(self, codes: &[u8], query: &[QueryStep], sums: &mut [[i32; QUAD]]) {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { bytes::nibble_sums(codes, query, sums) }
    }

    /// [`exact::distance`] to each of four vectors, likewise.
    pub(super) fn distances(self, a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
        assert!(others.iter().all(|b| b.len() == a.len()));
        let run = |a: &[f32], others: [&[f32]; 4]| {
            // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
            unsafe { doubles::squared_distances_of_run(a, others) }
        };
        exact::pairwise_sums(a, others, run).map(f64::sqrt)
    }

    /// [`exact::distance`]: the same bits, since nothing is fused or added in another order.
    pub(super) fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        exact::pairwise_sum(a, b, |a, b| unsafe {
            doubles::squared_distance_of_run(a, b)
        })
        .sqrt()
    }

    /// [`exact::squared_norm`], likewise.
    pub(super) fn squared_norm(self, a: &[f32]) -> f64 {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        exact::pairwise_sum(a, a, |a, _| unsafe { doubles::squared_norm_of_run(a) })
    }

    /// [`exact::squared_norm`] of four vectors of one length.
    pub(super) fn squared_norms(self, vectors: [&[f32]; 4]) -> [f64; 4] {
        let length = vectors[0].len();
        assert!(vectors.iter().all(|v| v.len() == length));
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        let run =
            |_: &[f32], vectors: [&[f32]; 4]| unsafe { doubles::squared_norms_of_run(vectors) };
        exact::pairwise_sums(vectors[0], vectors, run)
    }

    /// [`codes::encode`] compiled for this instruction set.
    pub(super) fn encode(self, values: &[f32], step: f32, levels: i32, codes: &mut [i8]) -> f64 {
        #[target_feature(enable = "avx2")]
        fn compiled(values: &[f32], step: f32, levels: i32, codes: &mut [i8]) -> f64 {
            codes::encode(values, step, levels, codes)
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { compiled(values, step, levels, codes) }
    }

    /// [`super::Kernel::next_hit`] for `Q` queries; of bytes, two or one at a time: what 16 registers hold.
    pub(super) fn next_hit<const Q: usize>(
        self,
        blocks: Blocks<'_>,
        range: Range<usize>,
        queries: &[i32],
        limits: &[i32; Q],
        found: &mut Found,
    ) -> Option<usize> {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe {
            match (blocks.packing, Q) {
                (Packing::Bytes, 1) => {
                    bytes::next_hit::<Q, 1>(blocks, range, queries, limits, found)
                }
                (Packing::Bytes, _) => {
                    bytes::next_hit::<Q, 2>(blocks, range, queries, limits, found)
                }
                (Packing::Fives, _) => {
                    bytes::next_hit_of_fives(blocks, range, queries, limits, found)
                }
            }
        }
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
    fn load(self, values: &[f32; WIDTH]) -> __m256 {
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
    fn store(self, vector: __m256, values: &mut [f32; WIDTH]) {
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
