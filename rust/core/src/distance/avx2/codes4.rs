//! Sums of products of four-bit codes.

use std::arch::x86_64::{
    _mm_add_epi32, _mm_storeu_si128, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256,
    _mm256_srli_epi16,
};

use crate::distance::codes4::{self, BYTES, QUAD, QueryStep};

/// Steps whose sums fit 16 bits.
const STEPS_OF_A_WORD: usize = 4;

/// [`codes4::sums`]: the same numbers.
#[target_feature(enable = "avx2")]
pub(super) fn sums(codes: &[u8], query: &[QueryStep], sums: &mut [[i32; QUAD]]) {
    let low_bits = _mm256_set1_epi8(codes4::LEVELS.cast_signed());
    for (quad, sums) in codes.chunks_exact(query.len() * BYTES).zip(sums) {
        let mut total = _mm256_setzero_si256();
        let steps = quad.as_chunks::<BYTES>().0;
        for (steps, query) in steps
            .chunks(STEPS_OF_A_WORD)
            .zip(query.chunks(STEPS_OF_A_WORD))
        {
            let mut words = _mm256_setzero_si256();
            for (bytes, [low, high]) in steps.iter().zip(query) {
                // SAFETY: the arrays cover the 32 bytes read each, and `loadu` takes any alignment.
                let (bytes, of_low, of_high) = unsafe {
                    (
                        _mm256_loadu_si256(bytes.as_ptr().cast()),
                        _mm256_loadu_si256(low.as_ptr().cast()),
                        _mm256_loadu_si256(high.as_ptr().cast()),
                    )
                };
                let low = _mm256_and_si256(bytes, low_bits);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low_bits);
                words = _mm256_add_epi16(words, _mm256_maddubs_epi16(low, of_low));
                words = _mm256_add_epi16(words, _mm256_maddubs_epi16(high, of_high));
            }
            total = _mm256_add_epi32(total, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
        }
        let (first, second) = (
            _mm256_castsi256_si128(total),
            _mm256_extracti128_si256::<1>(total),
        );
        // SAFETY: the array covers the four values written, and `storeu` takes any alignment.
        unsafe { _mm_storeu_si128(sums.as_mut_ptr().cast(), _mm_add_epi32(first, second)) };
    }
}
