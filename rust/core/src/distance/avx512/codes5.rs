//! Sums of products of codes of five bits.

use std::arch::x86_64::{
    __m512i, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_or_si512, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_srli_epi16,
};

use super::codes8::{CHAINS, load, note, starts, total};
use crate::distance::codes5::{Bytes, GROUP, PACKED, unpack};
use crate::distance::codes8::{BlockSearch, Found, STEP_BYTES};
use crate::simd::{Avx512Vnni, Reads, fetch_ahead};

impl Bytes for Avx512Vnni {
    type Register = __m512i;

    #[inline(always)]
    fn masked(self, bytes: __m512i, mask: u8) -> __m512i {
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        unsafe { _mm512_and_si512(bytes, _mm512_set1_epi8(mask.cast_signed())) }
    }

    #[inline(always)]
    fn either(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as in `masked`.
        unsafe { _mm512_or_si512(a, b) }
    }

    #[inline(always)]
    fn lowered<const BITS: u32>(self, bytes: __m512i) -> __m512i {
        // SAFETY: as in `masked`.
        unsafe { _mm512_srli_epi16::<BITS>(bytes) }
    }
}

/// One half of the bytes that a group is packed in.
#[target_feature(enable = "avx512f,avx512bw")]
fn loaded(group: &[u8], half: usize) -> [__m512i; PACKED] {
    let mut bytes = [_mm512_setzero_si512(); PACKED];
    for byte in 0..PACKED {
        bytes[byte] = load(group, byte, half);
    }
    bytes
}

/// [`super::codes8::next_hit`] of codes of five bits.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn next_hit<const Q: usize>(
    on: Avx512Vnni,
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
        let mut sums = [starts(blocks, block); Q];
        // One half after the other: the sums of both and the unpacked steps do not fit the registers.
        for half in 0..2 {
            let mut sum = [sums[0][half]; Q];
            for (codes, tiles) in codes.chunks_exact(PACKED * STEP_BYTES).zip(groups) {
                if half == 0 {
                    fetch_ahead(codes, Reads::Often);
                }
                let steps = unpack(on, loaded(codes, half));
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

/// [`next_hit`] of one query.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn next_hit_of_one(
    on: Avx512Vnni,
    search: BlockSearch<'_, 1>,
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
        let mut chains = [[_mm512_setzero_si512(); 2]; CHAINS];
        chains[0] = starts(blocks, block);
        for (codes, query) in codes.chunks_exact(PACKED * STEP_BYTES).zip(groups) {
            fetch_ahead(codes, blocks.reads(1));
            for half in 0..2 {
                let steps = unpack(on, loaded(codes, half));
                for step in 0..GROUP {
                    let code = _mm512_set1_epi32(query[step][0]);
                    let sum = chains[step % CHAINS][half];
                    chains[step % CHAINS][half] = _mm512_dpbusd_epi32(sum, steps[step], code);
                }
            }
        }
        if note(&[total(&chains)], limits, found) {
            return Some(block);
        }
    }
    None
}
