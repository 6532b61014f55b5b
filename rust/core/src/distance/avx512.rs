//! AVX-512 with VNNI: 64 byte products in one instruction.

mod doubles;
mod fives;
mod floats;

use std::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm256_loadu_si256, _mm512_add_epi32, _mm512_cmpge_epi32_mask,
    _mm512_cvtepu16_epi32, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_sll_epi32, _mm512_storeu_si512,
};
use std::ops::Range;

use super::codes::{BLOCK, Blocks, Found, Packing, STEP_BYTES};
use super::every::DoubleRows;
use super::exact;
use super::packed::PackedRows;
use crate::simd::{Avx512Vnni, Reads, fetch_ahead};

/// References of one register.
const LANES: usize = 16;

impl Avx512Vnni {
    /// [`super::packed::packed_scores`].
    pub(super) fn packed_scores(self, queries: &[f32], rows: &PackedRows, scores: &mut [f32]) {
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        unsafe { floats::packed_scores(queries, rows, scores) }
    }

    /// [`super::every::Every`]: the same bits.
    pub(super) fn squares_to_every(self, queries: &[f32], rows: &DoubleRows, squares: &mut [f64]) {
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        unsafe { doubles::squares_to_every(queries, rows, squares) }
    }

    /// [`exact::distance`]: the same bits, since nothing is fused or added in another order.
    pub(super) fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        let run = |a: &[f32], b: &[f32]| unsafe { doubles::squared_distance_of_run(a, b) };
        exact::pairwise_sum(a, b, run).sqrt()
    }

    /// A distance as near to [`exact::distance`] as [`super::distance_error`] says, sooner.
    pub(super) fn distance_unordered(self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        unsafe { doubles::squared_distance_unordered(a, b) }.sqrt()
    }

    /// [`exact::distance`] to each of four vectors, likewise.
    pub(super) fn distances(self, a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
        assert!(others.iter().all(|b| b.len() == a.len()));
        let run = |a: &[f32], others: [&[f32]; 4]| {
            // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
            unsafe { doubles::squared_distances_of_run(a, others) }
        };
        exact::pairwise_sums(a, others, run).map(f64::sqrt)
    }

    /// [`exact::squared_norm`], likewise.
    pub(super) fn squared_norm(self, a: &[f32]) -> f64 {
        // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
        let run = |a: &[f32], _: &[f32]| unsafe { doubles::squared_norm_of_run(a) };
        exact::pairwise_sum(a, a, run)
    }

    /// [`exact::squared_norm`] of four vectors of one length.
    pub(super) fn squared_norms(self, vectors: [&[f32]; 4]) -> [f64; 4] {
        let length = vectors[0].len();
        assert!(vectors.iter().all(|v| v.len() == length));
        let run = |_: &[f32], vectors: [&[f32]; 4]| {
            // SAFETY: `self` exists, so `detect` has found AVX-512 on this CPU.
            unsafe { doubles::squared_norms_of_run(vectors) }
        };
        exact::pairwise_sums(vectors[0], vectors, run)
    }

    /// [`super::Kernel::next_hit`] for `Q` queries.
    pub(super) fn next_hit<const Q: usize>(
        self,
        blocks: Blocks<'_>,
        range: Range<usize>,
        queries: &[i32],
        limits: &[i32; Q],
        found: &mut Found,
    ) -> Option<usize> {
        // SAFETY: `self` exists, so `detect` has found the instructions on this CPU.
        unsafe {
            match (blocks.packing, Q) {
                (Packing::Bytes, 1) => next_hit_of_one(blocks, range, queries, limits[0], found),
                (Packing::Bytes, _) => next_hit(blocks, range, queries, limits, found),
                (Packing::Fives, 1) => {
                    fives::next_hit_of_one(blocks, range, queries, limits[0], found)
                }
                (Packing::Fives, _) => fives::next_hit(blocks, range, queries, limits, found),
            }
        }
    }
}

/// What the 16 sums of a half block start with.
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
fn starts(blocks: Blocks<'_>, block: usize) -> [__m512i; 2] {
    [start(blocks, block, 0), start(blocks, block, 1)]
}

/// What all chains come to.
#[target_feature(enable = "avx512f")]
fn total(chains: &[[__m512i; 2]; 4]) -> [__m512i; 2] {
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
fn load(codes: &[u8], step: usize, half: usize) -> __m512i {
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

/// Which sums are at least the limit, as bits.
#[target_feature(enable = "avx512f")]
fn reached([low, high]: [__m512i; 2], limit: __m512i) -> u32 {
    let high = u32::from(_mm512_cmpge_epi32_mask(high, limit));
    high << LANES | u32::from(_mm512_cmpge_epi32_mask(low, limit))
}

/// Write down which sums of a block reach the queries' limits, and the sums if any does; whether any does.
#[target_feature(enable = "avx512f")]
fn note<const Q: usize>(sums: &[[__m512i; 2]; Q], limits: &[i32; Q], found: &mut Found) -> bool {
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

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn next_hit<const Q: usize>(
    blocks: Blocks<'_>,
    range: Range<usize>,
    queries: &[i32],
    limits: &[i32; Q],
    found: &mut Found,
) -> Option<usize> {
    let (tiles, rest) = queries.as_chunks::<Q>();
    assert!(rest.is_empty() && tiles.len() == blocks.steps);
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

/// One query: four steps at a time, in sums of their own, or each would wait for the one before.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn next_hit_of_one(
    blocks: Blocks<'_>,
    range: Range<usize>,
    query: &[i32],
    limit: i32,
    found: &mut Found,
) -> Option<usize> {
    const CHAINS: usize = 4;
    let (fours, rest) = query.as_chunks::<CHAINS>();
    assert!(query.len() == blocks.steps);
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
        if note(&[total(&chains)], &[limit], found) {
            return Some(block);
        }
    }
    None
}
