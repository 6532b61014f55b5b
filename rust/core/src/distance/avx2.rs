//! AVX2 + FMA.

mod bytes;
mod doubles;

use std::ops::Range;

use super::codes::{self, Blocks, Found, Packing};
use super::exact;
use super::generic::{self, Rows};
use super::nibbles::{QUAD, QueryStep};
use super::packed::{self, PackedRows};
use crate::simd::Avx2Fma;

impl Avx2Fma {
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
