//! AVX2 + FMA.
#![allow(clippy::inline_always, reason = "see generic.rs")]
#![allow(
    clippy::needless_range_loop,
    reason = "indices of constant range are what keeps the sums in registers"
)]
#![allow(
    clippy::unused_self,
    reason = "`self` is the proof that the CPU has the instructions"
)]

use std::arch::x86_64::{
    __m256, __m256d, __m256i, _mm_add_epi32, _mm_add_ps, _mm_cvtsi32_si128, _mm_loadu_ps,
    _mm_loadu_si128, _mm_storeu_ps, _mm_storeu_si128, _mm256_add_epi16, _mm256_add_epi32,
    _mm256_add_pd, _mm256_and_si256, _mm256_castps256_ps128, _mm256_castsi256_ps,
    _mm256_castsi256_si128, _mm256_cmpgt_epi32, _mm256_cvtepu16_epi32, _mm256_cvtps_pd,
    _mm256_extractf128_ps, _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_hadd_ps,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_movemask_ps, _mm256_mul_pd, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_pd, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sll_epi32,
    _mm256_srli_epi16, _mm256_storeu_pd, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_pd,
};
use std::ops::Range;

use super::codes::{self, BLOCK, Blocks, Found, STEP_BYTES};
use super::exact;
use super::generic::{self, Lanes, PackedRows, Rows, WIDTH};
use super::nibbles::{self, BYTES, QUAD, QueryStep, STEPS_OF_A_WORD};

/// Exists only where the CPU has AVX2 and FMA: [`Avx2Fma::detect`] alone makes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2Fma(());

impl Avx2Fma {
    /// Ask the CPU (the standard library remembers its answer).
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    /// [`generic::scores`] compiled for this instruction set.
    pub(super) fn scores(self, queries: &[f32], rows: Rows<'_>, scores: &mut [f32]) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled(lanes: Avx2Fma, queries: &[f32], rows: Rows<'_>, scores: &mut [f32]) {
            generic::scores(lanes, queries, rows, scores);
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, queries, rows, scores) }
    }

    /// [`generic::packed_scores`] compiled for this instruction set.
    pub(super) fn packed_scores(self, queries: &[f32], rows: &PackedRows, scores: &mut [f32]) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled(lanes: Avx2Fma, queries: &[f32], rows: &PackedRows, scores: &mut [f32]) {
            generic::packed_scores(lanes, queries, rows, scores);
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, queries, rows, scores) }
    }

    /// [`generic::scores_of`] compiled for this instruction set.
    pub(super) fn scores_of(self, query: &[f32], all: Rows<'_>, rows: &[u32], scores: &mut [f32]) {
        #[target_feature(enable = "avx2,fma")]
        fn compiled(
            lanes: Avx2Fma,
            query: &[f32],
            all: Rows<'_>,
            rows: &[u32],
            scores: &mut [f32],
        ) {
            generic::scores_of(lanes, query, all, rows, scores);
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { compiled(self, query, all, rows, scores) }
    }

    /// [`nibbles::sums`]: the same numbers.
    pub(super) fn nibble_sums(self, codes: &[u8], query: &[QueryStep], sums: &mut [[i32; QUAD]]) {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { nibble_sums(codes, query, sums) }
    }

    /// [`exact::distance`] to each of four vectors: the same bits.
    pub(super) fn distances(self, a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
        if a.len() > exact::LONGEST_RUN || others.iter().any(|b| b.len() != a.len()) {
            return others.map(|b| self.distance(a, b));
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { squared_distances_of_run(a, others) }.map(f64::sqrt)
    }

    /// [`exact::distance`]: the same bits, since nothing is fused or added in another order.
    pub(super) fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        exact::pairwise_sum(a, b, |a, b| unsafe { squared_distance_of_run(a, b) }).sqrt()
    }

    /// [`exact::squared_norm`], likewise.
    pub(super) fn squared_norm(self, a: &[f32]) -> f64 {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        exact::pairwise_sum(a, a, |a, _| unsafe { squared_norm_of_run(a) })
    }

    /// [`exact::squared_norm`] of four vectors of one length.
    pub(super) fn squared_norms(self, vectors: [&[f32]; 4]) -> [f64; 4] {
        let [first, others @ ..] = vectors;
        if first.len() > exact::LONGEST_RUN || others.iter().any(|v| v.len() != first.len()) {
            return vectors.map(|v| self.squared_norm(v));
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { squared_norms_of_run(vectors) }
    }

    /// [`codes::encode`] compiled for this instruction set.
    pub(super) fn encode(self, values: &[f32], step: f32, levels: i32, codes: &mut [i8]) -> f64 {
        #[target_feature(enable = "avx2")]
        fn compiled(values: &[f32], step: f32, levels: i32, codes: &mut [i8]) -> f64 {
            codes::encode(values, step, levels, codes)
        }
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe { compiled(values, step, levels, codes) }
    }

    /// [`super::Kernel::next_hit`] for `Q` queries, two or one at a time: what 16 registers hold.
    pub(super) fn next_hit<const Q: usize>(
        self,
        blocks: Blocks<'_>,
        range: Range<usize>,
        queries: &[i32],
        limits: &[i32; Q],
        found: &mut Found,
    ) -> Option<usize> {
        // SAFETY: `self` exists, so `detect` has found AVX2 on this CPU.
        unsafe {
            if Q == 1 {
                next_hit::<Q, 1>(blocks, range, queries, limits, found)
            } else {
                next_hit::<Q, 2>(blocks, range, queries, limits, found)
            }
        }
    }
}

/// [`exact::squared_distance_of_run`]; the compiler does not find these instructions by itself.
#[target_feature(enable = "avx2")]
fn squared_distance_of_run(a: &[f32], b: &[f32]) -> f64 {
    let ((a_eights, a_rest), (b_eights, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [_mm256_setzero_pd(); 2];
    for (x, y) in a_eights.iter().zip(b_eights) {
        for (half, sum) in sums.iter_mut().enumerate() {
            let apart = _mm256_sub_pd(doubles(x, half), doubles(y, half));
            *sum = _mm256_add_pd(*sum, _mm256_mul_pd(apart, apart));
        }
    }
    let rest = a_rest.iter().zip(b_rest);
    rest.fold(total(sums), |sum, (x, y)| {
        let apart = f64::from(*x) - f64::from(*y);
        sum + apart * apart
    })
}

/// The same for four vectors: their sums do not wait for each other.
#[target_feature(enable = "avx2")]
fn squared_distances_of_run(a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
    let (a_eights, a_rest) = a.as_chunks::<8>();
    let mut eights: [&[[f32; 8]]; 4] = [&[]; 4];
    for r in 0..4 {
        eights[r] = &others[r].as_chunks::<8>().0[..a_eights.len()];
    }
    let mut sums = [[_mm256_setzero_pd(); 2]; 4];
    for (step, x) in a_eights.iter().enumerate() {
        for half in 0..2 {
            let x = doubles(x, half);
            for r in 0..4 {
                let apart = _mm256_sub_pd(x, doubles(&eights[r][step], half));
                sums[r][half] = _mm256_add_pd(sums[r][half], _mm256_mul_pd(apart, apart));
            }
        }
    }
    let mut squares = [0.0; 4];
    for r in 0..4 {
        let rest = a_rest.iter().zip(&others[r][a_eights.len() * 8..]);
        squares[r] = rest.fold(total(sums[r]), |sum, (x, y)| {
            let apart = f64::from(*x) - f64::from(*y);
            sum + apart * apart
        });
    }
    squares
}

/// [`squared_norm_of_run`] of four vectors of one length: their sums do not wait for each other.
#[target_feature(enable = "avx2")]
fn squared_norms_of_run(vectors: [&[f32]; 4]) -> [f64; 4] {
    let steps = vectors[0].len() / 8;
    let mut eights: [&[[f32; 8]]; 4] = [&[]; 4];
    for v in 0..4 {
        eights[v] = &vectors[v].as_chunks::<8>().0[..steps];
    }
    let mut sums = [[_mm256_setzero_pd(); 2]; 4];
    for step in 0..steps {
        for v in 0..4 {
            for half in 0..2 {
                let x = doubles(&eights[v][step], half);
                sums[v][half] = _mm256_add_pd(sums[v][half], _mm256_mul_pd(x, x));
            }
        }
    }
    let mut squares = [0.0; 4];
    for v in 0..4 {
        let rest = &vectors[v][steps * 8..];
        squares[v] = rest
            .iter()
            .fold(total(sums[v]), |sum, x| sum + f64::from(*x) * f64::from(*x));
    }
    squares
}

/// [`exact::product_of_run`] of a vector with itself.
#[target_feature(enable = "avx2")]
fn squared_norm_of_run(a: &[f32]) -> f64 {
    let (eights, rest) = a.as_chunks::<8>();
    let mut sums = [_mm256_setzero_pd(); 2];
    for x in eights {
        for (half, sum) in sums.iter_mut().enumerate() {
            let x = doubles(x, half);
            *sum = _mm256_add_pd(*sum, _mm256_mul_pd(x, x));
        }
    }
    rest.iter()
        .fold(total(sums), |sum, x| sum + f64::from(*x) * f64::from(*x))
}

/// Half of eight values.
#[target_feature(enable = "avx2")]
fn doubles(eight: &[f32; 8], half: usize) -> __m256d {
    let four = &eight[half * 4..half * 4 + 4];
    // SAFETY: the slice covers the four values read, and `loadu` takes any alignment.
    _mm256_cvtps_pd(unsafe { _mm_loadu_ps(four.as_ptr()) })
}

/// Eight running sums, added up in the order of `exact`.
#[target_feature(enable = "avx2")]
fn total(sums: [__m256d; 2]) -> f64 {
    let mut s = [0.0; 8];
    for (sum, four) in sums.into_iter().zip(s.as_chunks_mut::<4>().0) {
        // SAFETY: the array covers the four values written, and `storeu` takes any alignment.
        unsafe { _mm256_storeu_pd(four.as_mut_ptr(), sum) }
    }
    exact::add_up(s)
}

/// References of one register.
const LANES: usize = 8;
/// Registers of one block.
const PARTS: usize = BLOCK / LANES;

/// `T` of the `Q` queries at a time against one block, which stays in the first-level cache.
#[target_feature(enable = "avx2")]
fn next_hit<const Q: usize, const T: usize>(
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

/// See [`nibbles`].
#[target_feature(enable = "avx2")]
fn nibble_sums(codes: &[u8], query: &[QueryStep], sums: &mut [[i32; QUAD]]) {
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

impl Lanes for Avx2Fma {
    type Vector = __m256;

    #[inline(always)]
    fn zero(self) -> __m256 {
        // SAFETY: `self` exists, so `detect` has found AVX2 and FMA on this CPU.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    fn load(self, values: &[f32; WIDTH]) -> __m256 {
        // SAFETY: as in `zero`; the reference covers the eight values read, and `loadu` takes any
        // alignment.
        unsafe { _mm256_loadu_ps(values.as_ptr()) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: as in `zero`.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: as in `zero`.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn store(self, vector: __m256, values: &mut [f32; WIDTH]) {
        // SAFETY: as in `zero`; the reference covers the eight values written, and `storeu` takes any
        // alignment.
        unsafe { _mm256_storeu_ps(values.as_mut_ptr(), vector) }
    }

    #[inline(always)]
    fn sums(self, [a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        let mut sums = [0.0; 4];
        // SAFETY: as in `zero`; the array covers the four values stored, and `storeu` takes any
        // alignment.
        unsafe {
            // Each half of `halves` holds the sums of that half of a, b, c and d.
            let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
            let (low, high) = (
                _mm256_castps256_ps128(halves),
                _mm256_extractf128_ps::<1>(halves),
            );
            _mm_storeu_ps(sums.as_mut_ptr(), _mm_add_ps(low, high));
        }
        sums
    }
}
