//! Sums of products of byte and four-bit codes.

use std::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_cvtsi32_si128, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_epi16,
    _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_ps, _mm256_castsi256_si128,
    _mm256_cmpgt_epi32, _mm256_cvtepu16_epi32, _mm256_extracti128_si256, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_movemask_ps, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_sll_epi32,
    _mm256_srli_epi16, _mm256_storeu_si256,
};
use std::ops::Range;

use crate::distance::codes::{BLOCK, Blocks, Found, STEP_BYTES};
use crate::distance::fives::{GROUP, LOW, PACKED};
use crate::distance::nibbles::{self, BYTES, QUAD, QueryStep, STEPS_OF_A_WORD};
use crate::simd::{Reads, fetch_ahead};

/// References of one register.
const LANES: usize = 8;
/// Registers of one block.
const PARTS: usize = BLOCK / LANES;

/// `T` of the `Q` queries at a time against one block, which stays in the first-level cache.
#[target_feature(enable = "avx2")]
pub(super) fn next_hit<const Q: usize, const T: usize>(
    blocks: Blocks<'_>,
    range: Range<usize>,
    queries: &[i32],
    limits: &[i32; Q],
    found: &mut Found,
) -> Option<usize> {
    let (tiles, rest) = queries.as_chunks::<Q>();
    assert!(rest.is_empty() && tiles.len() == blocks.steps && Q.is_multiple_of(T));
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
                let below = _mm256_set1_epi32(limits[first + t].saturating_sub(1));
                let mut hits = 0;
                for part in 0..PARTS {
                    let reached = _mm256_castsi256_ps(_mm256_cmpgt_epi32(sum[t][part], below));
                    hits |= (_mm256_movemask_ps(reached).cast_unsigned()) << (part * LANES);
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

/// The same of codes of five bits.
#[target_feature(enable = "avx2")]
pub(super) fn next_hit_of_fives<const Q: usize>(
    blocks: Blocks<'_>,
    range: Range<usize>,
    queries: &[i32],
    limits: &[i32; Q],
    found: &mut Found,
) -> Option<usize> {
    let (tiles, rest) = queries.as_chunks::<Q>();
    let (groups, rest_of_group) = tiles.as_chunks::<GROUP>();
    assert!(rest.is_empty() && rest_of_group.is_empty() && tiles.len() == blocks.steps);
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
                let steps = unpack(codes, part);
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
                let below = _mm256_set1_epi32(limits[q].saturating_sub(1));
                let reached = _mm256_castsi256_ps(_mm256_cmpgt_epi32(sum[q], below));
                hits[q] |= (_mm256_movemask_ps(reached).cast_unsigned()) << (part * LANES);
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

/// A quarter of a group, step by step: [`crate::distance::fives::unpack`], where shifts go across bytes.
#[target_feature(enable = "avx2")]
fn unpack(group: &[u8], part: usize) -> [__m256i; GROUP] {
    let (low, top) = (_mm256_set1_epi8(LOW.cast_signed()), _mm256_set1_epi8(7));
    let (bit_3, bit_4) = (_mm256_set1_epi8(0x08), _mm256_set1_epi8(0x10));
    let bits = _mm256_or_si256(bit_3, bit_4);
    let mut bytes = [_mm256_setzero_si256(); PACKED];
    let mut steps = [_mm256_setzero_si256(); GROUP];
    for byte in 0..PACKED {
        bytes[byte] = load(&group[byte * STEP_BYTES..][..STEP_BYTES], part);
        steps[byte] = _mm256_and_si256(bytes[byte], low);
    }
    let [a, b, c, d, e] = bytes;
    let above = [
        _mm256_and_si256(_mm256_srli_epi16::<2>(d), bits),
        _mm256_and_si256(_mm256_srli_epi16::<2>(e), bits),
        _mm256_or_si256(
            _mm256_and_si256(_mm256_srli_epi16::<4>(d), bit_3),
            _mm256_and_si256(_mm256_srli_epi16::<3>(e), bit_4),
        ),
    ];
    for (i, bytes) in [a, b, c].into_iter().enumerate() {
        let below = _mm256_and_si256(_mm256_srli_epi16::<5>(bytes), top);
        steps[PACKED + i] = _mm256_or_si256(below, above[i]);
    }
    steps
}

/// See [`nibbles`].
#[target_feature(enable = "avx2")]
pub(super) fn nibble_sums(codes: &[u8], query: &[QueryStep], sums: &mut [[i32; QUAD]]) {
    let low_bits = _mm256_set1_epi8(nibbles::LEVELS.cast_signed());
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

/// What the eight sums of one register start with.
#[target_feature(enable = "avx2")]
fn start(allowances: &[u16], part: usize, shift: u32) -> __m256i {
    let words = &allowances[part * LANES..][..LANES];
    // SAFETY: the slice covers the eight values read, and `loadu` takes any alignment.
    let words = unsafe { _mm_loadu_si128(words.as_ptr().cast()) };
    _mm256_sll_epi32(
        _mm256_cvtepu16_epi32(words),
        _mm_cvtsi32_si128(shift as i32),
    )
}

/// A quarter of one step of a block.
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8], part: usize) -> __m256i {
    let bytes = &bytes[part * 32..][..32];
    // SAFETY: the slice covers the 32 bytes read, and `loadu` takes any alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn store(values: __m256i, part: usize, sums: &mut [i32; BLOCK]) {
    let to = &mut sums[part * LANES..][..LANES];
    // SAFETY: the slice covers the eight values written, and `storeu` takes any alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), values) }
}
