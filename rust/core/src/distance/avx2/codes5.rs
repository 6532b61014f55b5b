//! Sums of products of codes of five bits. The loops look like those of AVX-512, which adds four products at once in
//! 32 bits; here they are added in 16 bits first.

use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_srl_epi16,
};

use super::codes8::{PARTS, load, reached, start, store};
use crate::distance::codes5::{Bytes, GROUP, PACKED, unpack};
use crate::distance::codes8::{BLOCK, BlockSearch, Found, STEP_BYTES};
use crate::simd::{Avx2Fma, fetch_ahead};

impl Bytes for Avx2Fma {
    type Register = __m256i;

    #[inline(always)]
    fn masked(self, bytes: __m256i, mask: u8) -> __m256i {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { _mm256_and_si256(bytes, _mm256_set1_epi8(mask.cast_signed())) }
    }

    #[inline(always)]
    fn either(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as in `masked`.
        unsafe { _mm256_or_si256(a, b) }
    }

    #[inline(always)]
    fn lowered<const BITS: u32>(self, bytes: __m256i) -> __m256i {
        // SAFETY: as in `masked`.
        unsafe { _mm256_srl_epi16(bytes, _mm_cvtsi32_si128(BITS as i32)) }
    }
}

/// [`super::codes8::next_hit`] of codes of five bits.
#[target_feature(enable = "avx2")]
pub(super) fn next_hit<const Q: usize>(
    on: Avx2Fma,
    search: BlockSearch<'_, Q>,
    found: &mut Found,
) -> Option<usize> {
    let groups = search.groups();
    let BlockSearch {
        blocks,
        range,
        limits,
        ..
    } = search;
    let bytes = groups.len() * PACKED * STEP_BYTES;
    for block in range {
        let codes = &blocks.codes[block * bytes..][..bytes];
        let allowances = &blocks.allowances[block * BLOCK..][..BLOCK];
        let mut hits = [0; Q];
        for part in 0..PARTS {
            let mut sum = [start(allowances, part, blocks.shift); Q];
            for (codes, tiles) in codes.chunks_exact(PACKED * STEP_BYTES).zip(groups) {
                if part == 0 {
                    fetch_ahead(codes, blocks.reads(Q));
                }
                let mut packed = [_mm256_setzero_si256(); PACKED];
                for byte in 0..PACKED {
                    packed[byte] = load(&codes[byte * STEP_BYTES..][..STEP_BYTES], part);
                }
                let steps = unpack(on, packed);
                for q in 0..Q {
                    // A group's sums fit 16 bits: 8 * 2 * 31 * 63 < 2^15.
                    let mut words = _mm256_setzero_si256();
                    for step in 0..GROUP {
                        let query = _mm256_set1_epi32(tiles[step][q]);
                        let pairs = _mm256_maddubs_epi16(steps[step], query);
                        words = _mm256_add_epi16(words, pairs);
                    }
                    let fours = _mm256_madd_epi16(words, _mm256_set1_epi16(1));
                    sum[q] = _mm256_add_epi32(sum[q], fours);
                }
            }
            for q in 0..Q {
                hits[q] |= reached(sum[q], part, limits[q]);
                store(sum[q], part, &mut found.sums[q]);
            }
        }
        found.hits[..Q].copy_from_slice(&hits);
        if hits.iter().any(|hits| *hits != 0) {
            return Some(block);
        }
    }
    None
}
