//! What an [`Avx512Vnni`] computes.

use std::ops::Range;

use crate::distance::all_pairs::DoubleRows;
use crate::distance::codes8::{Blocks, Found, Packing};
use crate::distance::packed_scores::PackedRows;
use crate::distance::{avx512, exact};
use crate::simd::Avx512Vnni;

impl Avx512Vnni {
    /// [`packed_scores`](crate::distance::packed_scores).
    pub(in crate::distance) fn packed_scores(
        self,
        queries: &[f32],
        rows: &PackedRows,
        scores: &mut [f32],
    ) {
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        unsafe { avx512::scores::packed_scores(queries, rows, scores) }
    }

    /// [`AllPairs`](crate::distance::all_pairs::AllPairs): the same bits.
    pub(in crate::distance) fn squared_distances(
        self,
        queries: &[f32],
        rows: &DoubleRows,
        squares: &mut [f64],
    ) {
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        unsafe { avx512::all_pairs::squared_distances(queries, rows, squares) }
    }

    /// [`exact::distance`]: the same bits, since nothing is fused or added in another order.
    pub(in crate::distance) fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        let run = |a: &[f32], b: &[f32]| unsafe { avx512::exact::squared_distance_of_run(a, b) };
        exact::pairwise_sum(a, b, run).sqrt()
    }

    /// A distance as near to [`exact::distance`] as [`crate::distance::distance_error`] says, sooner.
    pub(in crate::distance) fn distance_unordered(self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        unsafe { avx512::exact::squared_distance_unordered(a, b) }.sqrt()
    }

    /// [`exact::distance`] to each of four vectors, likewise.
    pub(in crate::distance) fn distances(self, a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
        assert!(others.iter().all(|b| b.len() == a.len()));
        let run = |a: &[f32], others: [&[f32]; 4]| {
            // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
            unsafe { avx512::exact::squared_distances_of_run(a, others) }
        };
        exact::pairwise_sums(a, others, run).map(f64::sqrt)
    }

    /// [`exact::squared_norm`], likewise.
    pub(in crate::distance) fn squared_norm(self, a: &[f32]) -> f64 {
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        let run = |a: &[f32], _: &[f32]| unsafe { avx512::exact::squared_norm_of_run(a) };
        exact::pairwise_sum(a, a, run)
    }

    /// [`exact::squared_norm`] of four vectors of one length.
    pub(in crate::distance) fn squared_norms(self, vectors: [&[f32]; 4]) -> [f64; 4] {
        let length = vectors[0].len();
        assert!(vectors.iter().all(|v| v.len() == length));
        let run = |_: &[f32], vectors: [&[f32]; 4]| {
            // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
            unsafe { avx512::exact::squared_norms_of_run(vectors) }
        };
        exact::pairwise_sums(vectors[0], vectors, run)
    }

    /// [`crate::distance::Kernel::next_hit`] for `Q` queries.
    pub(in crate::distance) fn next_hit<const Q: usize>(
        self,
        blocks: Blocks<'_>,
        range: Range<usize>,
        queries: &[i32],
        limits: &[i32; Q],
        found: &mut Found,
    ) -> Option<usize> {
        // SAFETY: `self` exists, so `detect` has found the instructions on this CPU.
        unsafe {
            match (blocks.packing, Q) {
                (Packing::Bytes, 1) => {
                    avx512::codes8::next_hit_of_one(blocks, range, queries, limits[0], found)
                }
                (Packing::Bytes, _) => {
                    avx512::codes8::next_hit(blocks, range, queries, limits, found)
                }
                (Packing::Fives, 1) => {
                    avx512::codes5::next_hit_of_one(blocks, range, queries, limits[0], found)
                }
                (Packing::Fives, _) => {
                    avx512::codes5::next_hit(blocks, range, queries, limits, found)
                }
            }
        }
    }
}
