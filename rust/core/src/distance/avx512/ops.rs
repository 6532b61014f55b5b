//! What an [`Avx512Vnni`] computes in its own way.

use crate::distance::all_pairs::DoubleRows;
use crate::distance::avx512;
use crate::distance::codes8::{BlockSearch, Found, Packing};
use crate::distance::packed_scores::PackedRows;
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

    /// [`AllPairs`](crate::distance::all_pairs::AllPairs), with the same bits.
    pub(in crate::distance) fn squared_distances(
        self,
        queries: &[f32],
        rows: &DoubleRows,
        squares: &mut [f64],
    ) {
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        unsafe { avx512::all_pairs::squared_distances(queries, rows, squares) }
    }

    /// A distance, summed in the fastest order. Its relative error is bounded by `error_bounds::distance_error`.
    pub(in crate::distance) fn distance_unordered(self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        unsafe { avx512::exact::squared_distance_unordered(a, b) }.sqrt()
    }

    /// [`Kernel::next_hit`](crate::simd::Kernel::next_hit).
    pub(in crate::distance) fn next_hit<const Q: usize>(
        self,
        search: BlockSearch<'_, Q>,
        found: &mut Found,
    ) -> Option<usize> {
        // SAFETY: `self` exists, so `detect` has found the instructions on this CPU.
        unsafe {
            match (search.blocks.packing, search.of_one()) {
                (Packing::Bits8, Some(one)) => avx512::codes8::next_hit_of_one(one, found),
                (Packing::Bits8, None) => avx512::codes8::next_hit(search, found),
                (Packing::Bits5, Some(one)) => avx512::codes5::next_hit_of_one(self, one, found),
                (Packing::Bits5, None) => avx512::codes5::next_hit(self, search, found),
            }
        }
    }
}
