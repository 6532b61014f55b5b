//! Sums of codes of five bits.

use std::arch::x86_64::{
    __m512i, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_or_si512, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_srli_epi16,
};
use std::ops::Range;

use super::codes8::{load, note, starts, total};
use crate::distance::codes5::{GROUP, LOW, PACKED};
use crate::distance::codes8::{Blocks, Found, STEP_BYTES};
use crate::simd::{Reads, fetch_ahead};

/// Half of a group, step by step: [`crate::distance::codes5::unpack`], where shifts go across bytes.
#[target_feature(enable = "avx512f,avx512bw")]
fn unpack(group: &[u8], half: usize) -> [__m512i; GROUP] {
    let (low, top) = (_mm512_set1_epi8(LOW.cast_signed()), _mm512_set1_epi8(7));
    let (bit_3, bit_4) = (_mm512_set1_epi8(0x08), _mm512_set1_epi8(0x10));
    let bits = _mm512_or_si512(bit_3, bit_4);
    let mut bytes = [_mm512_setzero_si512(); PACKED];
    let mut steps = [_mm512_setzero_si512(); GROUP];
    for byte in 0..PACKED {
        bytes[byte] = load(group, byte, half);
        steps[byte] = _mm512_and_si512(bytes[byte], low);
    }
    let [a, b, c, d, e] = bytes;
    let above = [
        _mm512_and_si512(_mm512_srli_epi16::<2>(d), bits),
        _mm512_and_si512(_mm512_srli_epi16::<2>(e), bits),
        _mm512_or_si512(
            _mm512_and_si512(_mm512_srli_epi16::<4>(d), bit_3),
            _mm512_and_si512(_mm512_srli_epi16::<3>(e), bit_4),
        ),
    ];
    for (i, bytes) in [a, b, c].into_iter().enumerate() {
        let below = _mm512_and_si512(_mm512_srli_epi16::<5>(bytes), top);
        steps[PACKED + i] = _mm512_or_si512(below, above[i]);
    }
    steps
}

/// See [`crate::distance::Kernel::next_hit`].
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
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
        let mut sums = [starts(blocks, block); Q];
        // One half after the other: the sums of both and the unpacked steps do not fit the registers.
        for half in 0..2 {
            let mut sum = [sums[0][half]; Q];
            for (codes, tiles) in codes.chunks_exact(PACKED * STEP_BYTES).zip(groups) {
                if half == 0 {
                    fetch_ahead(codes, Reads::Often);
                }
                let steps = unpack(codes, half);
                for step in 0..GROUP {
                    for q in 0..Q {
                        let query = _mm512_set1_epi32(tiles[step][q]);
                        sum[q] = _mm512_dpbusd_epi32(sum[q], steps[step], query);
                    }
                }
            }
            for q in 0..Q {
                sums[q][half] = sum[q];
            }
        }
        if note(&sums, limits, found) {
            return Some(block);
        }
    }
    None
}

/// One query: four steps at a time, in sums of their own, or each would wait for the one before.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn next_hit_of_one(
    blocks: Blocks<'_>,
    range: Range<usize>,
    query: &[i32],
    limit: i32,
    found: &mut Found,
) -> Option<usize> {
    const CHAINS: usize = 4;
    let (groups, rest) = query.as_chunks::<GROUP>();
    assert!(rest.is_empty() && query.len() == blocks.steps);
    let bytes = groups.len() * PACKED * STEP_BYTES;
    for block in range {
        let codes = &blocks.codes[block * bytes..][..bytes];
        let mut chains = [[_mm512_setzero_si512(); 2]; CHAINS];
        chains[0] = starts(blocks, block);
        for (codes, query) in codes.chunks_exact(PACKED * STEP_BYTES).zip(groups) {
            fetch_ahead(codes, blocks.reads(1));
            for half in 0..2 {
                let steps = unpack(codes, half);
                for step in 0..GROUP {
                    let code = _mm512_set1_epi32(query[step]);
                    let sum = chains[step % CHAINS][half];
                    chains[step % CHAINS][half] = _mm512_dpbusd_epi32(sum, steps[step], code);
                }
            }
        }
        if note(&[total(&chains)], &[limit], found) {
            return Some(block);
        }
    }
    None
}
