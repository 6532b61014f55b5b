//! What an [`Avx2Fma`] computes in its own way.

use crate::distance::avx2;
use crate::distance::codes4::{QUAD, QueryStep};
use crate::distance::codes8::{self, BlockSearch, Found, Packing};
use crate::simd::Avx2Fma;

impl Avx2Fma {
    /// [`codes4::sums`](crate::distance::codes4): the same numbers.
    pub(in crate::distance) fn code4_sums(
        self,
        codes: &[u8],
        query: &[QueryStep],
        sums: &mut [[i32; QUAD]],
    ) {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { avx2::codes4::sums(codes, query, sums) }
    }

    /// [`codes8::encode`] compiled for this instruction set. It is no [`Loops`](crate::simd::Loops): only as arguments
    /// are values and codes known not to overlap, without which this takes twice as many instructions.
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

    /// [`Kernel::next_hit`](crate::simd::Kernel::next_hit) for `Q` queries. With codes of a byte, 16 registers have
    /// room for two queries at a time.
    pub(in crate::distance) fn next_hit<const Q: usize>(
        self,
        search: BlockSearch<'_, Q>,
        found: &mut Found,
    ) -> Option<usize> {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe {
            match (search.blocks.packing, Q) {
                (Packing::Bits8, 1) => avx2::codes8::next_hit::<Q, 1>(search, found),
                (Packing::Bits8, _) => avx2::codes8::next_hit::<Q, 2>(search, found),
                (Packing::Bits5, _) => avx2::codes5::next_hit(self, search, found),
            }
        }
    }
}
