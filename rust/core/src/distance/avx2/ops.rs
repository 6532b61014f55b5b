//! What an [`Avx2Fma`] computes.

use std::ops::Range;

use crate::distance::codes4::{QUAD, QueryStep};
use crate::distance::codes8::{self, Blocks, Found, Packing};
use crate::distance::packed_scores::{self, PackedRows};
use crate::distance::scores::{self, Rows};
use crate::distance::{avx2, exact};
use crate::simd::Avx2Fma;

impl Avx2Fma {
    /// [`scores::scores`] compiled for this instruction set.
    pub(in crate::distance) fn scores(self, queries: &[f32], rows: Rows<'_>, scores: &mut [f32]) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled(lanes: Avx2Fma, queries: &[f32], rows: Rows<'_>, scores: &mut [f32]) {
            scores::scores(lanes, queries, rows, scores);
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, queries, rows, scores) }
    }

    /// [`packed_scores::packed_scores`] compiled for this instruction set.
    pub(in crate::distance) fn packed_scores(
        self,
        queries: &[f32],
        rows: &PackedRows,
        scores: &mut [f32],
    ) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled(lanes: Avx2Fma, queries: &[f32], rows: &PackedRows, scores: &mut [f32]) {
            packed_scores::packed_scores(lanes, queries, rows, scores);
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, queries, rows, scores) }
    }

    /// [`scores::scores_of`] compiled for this instruction set.
    pub(in crate::distance) fn scores_of(
        self,
        query: &[f32],
        all: Rows<'_>,
        rows: &[u32],
        scores: &mut [f32],
    ) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled(
            lanes: Avx2Fma,
            query: &[f32],
            all: Rows<'_>,
            rows: &[u32],
            scores: &mut [f32],
        ) {
            scores::scores_of(lanes, query, all, rows, scores);
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, query, all, rows, scores) }
    }

    /// [`codes4::sums`](crate::distance::codes4): the same numbers.
    pub(in crate::distance) fn nibble_sums(
        self,
        codes: &[u8],
        query: &[QueryStep],
        sums: &mut [[i32; QUAD]],
    ) {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { avx2::codes4::sums(codes, query, sums) }
    }

    /// [`exact::distance`] to each of four vectors, likewise.
    pub(in crate::distance) fn distances(self, a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
        assert!(others.iter().all(|b| b.len() == a.len()));
        let run = |a: &[f32], others: [&[f32]; 4]| {
            // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
            unsafe { avx2::exact::squared_distances_of_run(a, others) }
        };
        exact::pairwise_sums(a, others, run).map(f64::sqrt)
    }

    /// [`exact::distance`]: the same bits, since nothing is fused or added in another order.
    pub(in crate::distance) fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        exact::pairwise_sum(a, b, |a, b| unsafe {
            avx2::exact::squared_distance_of_run(a, b)
        })
        .sqrt()
    }

    /// [`exact::squared_norm`], likewise.
    pub(in crate::distance) fn squared_norm(self, a: &[f32]) -> f64 {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        exact::pairwise_sum(a, a, |a, _| unsafe { avx2::exact::squared_norm_of_run(a) })
    }

    /// [`exact::squared_norm`] of four vectors of one length.
    pub(in crate::distance) fn squared_norms(self, vectors: [&[f32]; 4]) -> [f64; 4] {
        let length = vectors[0].len();
        assert!(vectors.iter().all(|v| v.len() == length));
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        let run =
            |_: &[f32], vectors: [&[f32]; 4]| unsafe { avx2::exact::squared_norms_of_run(vectors) };
        exact::pairwise_sums(vectors[0], vectors, run)
    }

    /// [`codes8::encode`] compiled for this instruction set.
    pub(in crate::distance) fn encode(
        self,
        values: &[f32],
        step: f32,
        levels: i32,
        codes: &mut [i8],
    ) -> f64 {
        #[target_feature(enable = "avx2")]
        fn compiled(values: &[f32], step: f32, levels: i32, codes: &mut [i8]) -> f64 {
            codes8::encode(values, step, levels, codes)
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { compiled(values, step, levels, codes) }
    }

    /// [`super::Kernel::next_hit`] for `Q` queries; of bytes, two or one at a time: what 16 registers hold.
    pub(in crate::distance) fn next_hit<const Q: usize>(
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
                    avx2::codes8::next_hit::<Q, 1>(blocks, range, queries, limits, found)
                }
                (Packing::Bytes, _) => {
                    avx2::codes8::next_hit::<Q, 2>(blocks, range, queries, limits, found)
                }
                (Packing::Fives, _) => {
                    avx2::codes5::next_hit(blocks, range, queries, limits, found)
                }
            }
        }
    }
}
