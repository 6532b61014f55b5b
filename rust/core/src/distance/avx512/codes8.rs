//! Sums of products of byte codes, 64 to an instruction.

use std::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm256_loadu_si256, _mm512_add_epi32, _mm512_cmpge_epi32_mask,
    _mm512_cvtepu16_epi32, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_sll_epi32, _mm512_storeu_si512,
};

use crate::distance::codes8::{BLOCK, BlockSearch, Blocks, Found, STEP_BYTES};
use crate::simd::{Reads, fetch_ahead};

/// References of a register.
const LANES: usize = 16;
/// Running sums of a single query: with one alone, each product would wait for the one before.
pub(super) const CHAINS: usize = 4;

/// The values that the 16 sums of half a block begin with.
#[target_feature(enable = "avx512f,avx512bw")]
fn start(blocks: Blocks<'_>, block: usize, half: usize) -> __m512i {
    let allowances = &blocks.allowances[block * BLOCK + half * LANES..][..LANES];
    // SAFETY: the slice covers the 16 values read, and `loadu` takes any alignment.
    let words = unsafe { _mm256_loadu_si256(allowances.as_ptr().cast()) };
    _mm512_sll_epi32(
        _mm512_cvtepu16_epi32(words),
        _mm_cvtsi32_si128(blocks.shift as i32),
    )
}

#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn starts(blocks: Blocks<'_>, block: usize) -> [__m512i; 2] {
    [start(blocks, block, 0), start(blocks, block, 1)]
}

/// The total of all running sums.
#[target_feature(enable = "avx512f")]
pub(super) fn total(chains: &[[__m512i; 2]; CHAINS]) -> [__m512i; 2] {
    let mut total = [_mm512_setzero_si512(); 2];
    for half in 0..2 {
        let (a, b) = (
            _mm512_add_epi32(chains[0][half], chains[1][half]),
            _mm512_add_epi32(chains[2][half], chains[3][half]),
        );
        total[half] = _mm512_add_epi32(a, b);
    }
    total
}

/// Half of one step of a block.
#[target_feature(enable = "avx512f")]
pub(super) fn load(codes: &[u8], step: usize, half: usize) -> __m512i {
    let bytes = &codes[step * STEP_BYTES + half * 64..][..64];
    // SAFETY: the slice covers the 64 bytes read, and `loadu` takes any alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
fn store(halves: [__m512i; 2], sums: &mut [i32; BLOCK]) {
    for (half, values) in halves.into_iter().enumerate() {
        let to = &mut sums[half * LANES..][..LANES];
        // SAFETY: the slice covers the 16 values written, and `storeu` takes any alignment.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), values) }
    }
}

/// Bits of the references of a block whose sums are at least the limit.
#[target_feature(enable = "avx512f")]
fn reached([low, high]: [__m512i; 2], limit: __m512i) -> u32 {
    let high = u32::from(_mm512_cmpge_epi32_mask(high, limit));
    high << LANES | u32::from(_mm512_cmpge_epi32_mask(low, limit))
}

/// Note which sums of a block reach the queries' limits and, if any does, all sums. Returns whether any does.
#[target_feature(enable = "avx512f")]
pub(super) fn note<const Q: usize>(
    sums: &[[__m512i; 2]; Q],
    limits: &[i32; Q],
    found: &mut Found,
) -> bool {
    let mut any = 0;
    for q in 0..Q {
        found.hits[q] = reached(sums[q], _mm512_set1_epi32(limits[q]));
        any |= found.hits[q];
    }
    if any != 0 {
        for q in 0..Q {
            store(sums[q], &mut found.sums[q]);
        }
    }
    any != 0
}

/// [`Kernel::next_hit`](crate::simd::Kernel::next_hit).
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn next_hit<const Q: usize>(
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
    for block in range {
        let codes = &blocks.codes[block * blocks.steps * STEP_BYTES..][..tiles.len() * STEP_BYTES];
        let mut sum = [starts(blocks, block); Q];
        for (step, tile) in tiles.iter().enumerate() {
            fetch_ahead(&codes[step * STEP_BYTES..][..STEP_BYTES], Reads::Often);
            let halves = [load(codes, step, 0), load(codes, step, 1)];
            for q in 0..Q {
                let query = _mm512_set1_epi32(tile[q]);
                sum[q][0] = _mm512_dpbusd_epi32(sum[q][0], halves[0], query);
                sum[q][1] = _mm512_dpbusd_epi32(sum[q][1], halves[1], query);
            }
        }
        if note(&sum, limits, found) {
            return Some(block);
        }
    }
    None
}

/// [`next_hit`] of one query.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn next_hit_of_one(search: BlockSearch<'_, 1>, found: &mut Found) -> Option<usize> {
    let query = search.steps().as_flattened();
    let BlockSearch {
        blocks,
        range,
        limits,
        ..
    } = search;
    let (fours, rest) = query.as_chunks::<CHAINS>();
    for block in range {
        let codes = &blocks.codes[block * blocks.steps * STEP_BYTES..][..query.len() * STEP_BYTES];
        let mut chains = [[_mm512_setzero_si512(); 2]; CHAINS];
        chains[0] = starts(blocks, block);
        for (four, part) in fours.iter().enumerate() {
            let ahead = &codes[four * CHAINS * STEP_BYTES..][..CHAINS * STEP_BYTES];
            fetch_ahead(ahead, Reads::Often);
            for chain in 0..CHAINS {
                let code = _mm512_set1_epi32(part[chain]);
                for half in 0..2 {
                    let bytes = load(codes, four * CHAINS + chain, half);
                    chains[chain][half] = _mm512_dpbusd_epi32(chains[chain][half], bytes, code);
                }
            }
        }
        for (i, code) in rest.iter().enumerate() {
            let code = _mm512_set1_epi32(*code);
            for half in 0..2 {
                let bytes = load(codes, fours.len() * CHAINS + i, half);
                chains[i][half] = _mm512_dpbusd_epi32(chains[i][half], bytes, code);
            }
        }
        if note(&[total(&chains)], limits, found) {
            return Some(block);
        }
    }
    None
}
