//! Sums of products of byte codes, 32 to an instruction.

use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm256_add_epi32, _mm256_castsi256_ps,
    _mm256_cmpgt_epi32, _mm256_cvtepu16_epi32, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_movemask_ps, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_sll_epi32, _mm256_storeu_si256,
};

use crate::distance::codes8::{BLOCK, BlockSearch, Found, STEP_BYTES};
use crate::simd::{Reads, fetch_ahead};

/// References of a register.
const LANES: usize = 8;
/// Registers of a block.
pub(super) const PARTS: usize = BLOCK / LANES;

/// [`Kernel::next_hit`](crate::simd::Kernel::next_hit) for codes of a byte: `T` of the `Q` queries at a time, against
/// one block that stays in the first-level cache.
#[target_feature(enable = "avx2")]
pub(super) fn next_hit<const Q: usize, const T: usize>(
    search: BlockSearch<'_, Q>,
    found: &mut Found,
) -> Option<usize> {
    let tiles = search.steps();
    let BlockSearch {
        blocks,
        range,
        limits,
        ..
    } = search;
    assert!(Q.is_multiple_of(T));
    for block in range {
        let codes = &blocks.codes[block * blocks.steps * STEP_BYTES..][..tiles.len() * STEP_BYTES];
        let allowances = &blocks.allowances[block * BLOCK..][..BLOCK];
        let mut any = 0;
        for first in (0..Q).step_by(T) {
            let mut sum = [[_mm256_setzero_si256(); PARTS]; T];
            for part in 0..PARTS {
                let start = start(allowances, part, blocks.shift);
                for sum in &mut sum {
                    sum[part] = start;
                }
            }
            for (step, tile) in tiles.iter().enumerate() {
                let bytes = &codes[step * STEP_BYTES..][..STEP_BYTES];
                if first == 0 {
                    fetch_ahead(bytes, Reads::Often);
                }
                let mut query = [_mm256_setzero_si256(); T];
                for t in 0..T {
                    query[t] = _mm256_set1_epi32(tile[first + t]);
                }
                for part in 0..PARTS {
                    let references = load(bytes, part);
                    for t in 0..T {
                        // Pairs of products fit 16 bits, since query codes have six.
                        let pairs = _mm256_maddubs_epi16(references, query[t]);
                        let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
                        sum[t][part] = _mm256_add_epi32(sum[t][part], fours);
                    }
                }
            }
            for t in 0..T {
                let mut hits = 0;
                for part in 0..PARTS {
                    hits |= reached(sum[t][part], part, limits[first + t]);
                    store(sum[t][part], part, &mut found.sums[first + t]);
                }
                found.hits[first + t] = hits;
                any |= hits;
            }
        }
        if any != 0 {
            return Some(block);
        }
    }
    None
}

/// The values that the eight sums of a register begin with.
#[target_feature(enable = "avx2")]
pub(super) fn start(allowances: &[u16], part: usize, shift: u32) -> __m256i {
    let words = &allowances[part * LANES..][..LANES];
    // SAFETY: the slice covers the eight values read, and `loadu` takes any alignment.
    let words = unsafe { _mm_loadu_si128(words.as_ptr().cast()) };
    _mm256_sll_epi32(
        _mm256_cvtepu16_epi32(words),
        _mm_cvtsi32_si128(shift as i32),
    )
}

/// Bits of the references of a block whose sums are at least the limit.
#[target_feature(enable = "avx2")]
pub(super) fn reached(sums: __m256i, part: usize, limit: i32) -> u32 {
    let below = _mm256_set1_epi32(limit.saturating_sub(1));
    let reached = _mm256_castsi256_ps(_mm256_cmpgt_epi32(sums, below));
    _mm256_movemask_ps(reached).cast_unsigned() << (part * LANES)
}

/// A quarter of one step of a block.
#[target_feature(enable = "avx2")]
pub(super) fn load(bytes: &[u8], part: usize) -> __m256i {
    let bytes = &bytes[part * 32..][..32];
    // SAFETY: the slice covers the 32 bytes read, and `loadu` takes any alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
pub(super) fn store(values: __m256i, part: usize, sums: &mut [i32; BLOCK]) {
    let to = &mut sums[part * LANES..][..LANES];
    // SAFETY: the slice covers the eight values written, and `storeu` takes any alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), values) }
}
