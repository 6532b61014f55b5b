//! Sums of products of codes of five bits.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_ps,
    _mm256_cmpgt_epi32, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_movemask_ps,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256,
    _mm256_srli_epi16,
};
use std::ops::Range;

use super::codes8::{LANES, PARTS, load, start, store};
use crate::distance::codes5::{GROUP, LOW, PACKED};
use crate::distance::codes8::{BLOCK, Blocks, Found, STEP_BYTES};
use crate::simd::fetch_ahead;

/// [`super::codes8::next_hit`] of codes of five bits.
#[target_feature(enable = "avx2")]
pub(super) fn next_hit<const Q: usize>(
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

/// A quarter of a group, step by step: [`crate::distance::codes5::unpack`], where shifts go across bytes.
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
