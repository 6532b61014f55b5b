//! Dot products of codes: coarse scores of many references for the memory that one float32 score takes.
//!
//! References are stored in *blocks* of [`BLOCK`]: four dimensions of the first reference, the same four of the
//! second, and so on, then the next four dimensions. So a register holds one step of many references, each lane adds
//! up its own reference, and nothing is added across lanes.
//!
//! ```text
//! block:  step 0 | ref 0: d0 d1 d2 d3 | ref 1: d0 d1 d2 d3 | ... | ref 31 |
//!         step 1 | ref 0: d4 d5 d6 d7 | ...
//! ```
//!
//! Reference codes are -127 to 127, stored plus 128 as unsigned bytes; or they have five bits and are packed more
//! densely ([`codes5`]). Query codes are signed. The byte instructions of `x86_64` multiply such pairs. AVX2 adds two
//! products in 16 bits, so its query codes have 6 bits (2 * 255 * 63 < 2^15) and its bounds are wider.

use std::ops::Range;

use super::codes5;
#[cfg(target_arch = "x86_64")]
use crate::simd::Reads;
use crate::simd::{Backend, LANES, Portable};

/// References of a block.
pub const BLOCK: usize = 32;
/// Dimensions of a step.
pub const STEP: usize = 4;
/// Bytes of one step of one block.
pub const STEP_BYTES: usize = BLOCK * STEP;
/// Numbers of queries that a kernel can take together, largest first.
pub const TILES: [usize; 3] = [8, 4, 1];
/// Largest magnitude of a code of a byte.
pub const LEVELS: i32 = 127;

/// Codes of five bits that take more bytes do not stay in the caches.
#[cfg(target_arch = "x86_64")]
const CACHED: usize = 32 << 20;

/// How reference codes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// A byte each.
    Bits8,
    /// Five bits each: [`codes5`].
    Bits5,
}

impl Packing {
    /// Largest magnitude of a reference code. To be unsigned, codes are stored plus one more than this.
    #[must_use]
    pub fn levels(self) -> i32 {
        match self {
            Self::Bits8 => LEVELS,
            Self::Bits5 => 15,
        }
    }

    /// Number of steps of vectors of `dim` values.
    #[must_use]
    pub fn steps(self, dim: usize) -> usize {
        let steps = dim.div_ceil(STEP);
        match self {
            Self::Bits8 => steps,
            Self::Bits5 => steps.next_multiple_of(codes5::GROUP),
        }
    }

    /// Rows of [`STEP_BYTES`] that so many steps of a block take: one each, or five for eight steps.
    #[must_use]
    pub fn rows(self, steps: usize) -> usize {
        match self {
            Self::Bits8 => steps,
            Self::Bits5 => steps / codes5::GROUP * codes5::PACKED,
        }
    }
}

/// Blocks of reference codes.
#[derive(Debug, Clone, Copy)]
pub struct Blocks<'a> {
    /// `(blocks, rows, BLOCK, STEP)`, with as many rows as [`Packing::rows`] says.
    pub codes: &'a [u8],
    /// How they are stored.
    pub packing: Packing,
    /// `(blocks, BLOCK)`: what each sum begins with, in units of `1 << shift`.
    pub allowances: &'a [u16],
    /// Chosen so that allowances fit two bytes.
    pub shift: u32,
    /// Steps of one reference, by [`Packing::steps`].
    pub steps: usize,
}

impl Blocks<'_> {
    /// Number of blocks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.allowances.len() / BLOCK
    }

    /// Whether there is no block.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allowances.is_empty()
    }

    /// Bytes of the codes of a block.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.packing.rows(self.steps) * STEP_BYTES
    }

    /// How often a search for so many queries reads codes of five bits. Codes that do not fit the caches have left
    /// them when the next query asks.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn reads(&self, queries: usize) -> Reads {
        if queries == 1 && self.codes.len() > CACHED {
            Reads::Once
        } else {
            Reads::Often
        }
    }

    /// Panics unless all lengths agree: the kernels rely on it.
    pub(super) fn check(&self, queries: &[i32], tile: usize) {
        assert!(self.steps > 0 && self.allowances.len().is_multiple_of(BLOCK));
        assert_eq!(self.steps, self.packing.steps(self.steps * STEP));
        assert_eq!(self.codes.len(), self.len() * self.block_bytes());
        assert_eq!(queries.len(), self.steps * tile);
    }
}

impl Backend {
    /// Whether codes of single references are scored faster than float32 vectors.
    #[must_use]
    pub fn has_byte_products(self) -> bool {
        !matches!(self, Self::Portable)
    }

    /// Largest magnitude of a query code without overflow.
    #[must_use]
    pub fn query_levels(self) -> i32 {
        match self {
            Self::Avx2Fma => 63,
            Self::Avx512Vnni | Self::Portable => 127,
        }
    }
}

/// What a kernel found in a block, for each query of a tile.
#[derive(Debug, Clone)]
pub struct Found {
    /// `sums[query][reference]`, valid for queries with a hit.
    pub sums: [[i32; BLOCK]; TILES[0]],
    /// Bit r of `hits[query]`: the sum of reference r reaches the query's limit.
    pub hits: [u32; TILES[0]],
}

impl Default for Found {
    fn default() -> Self {
        Self {
            sums: [[0; BLOCK]; TILES[0]],
            hits: [0; TILES[0]],
        }
    }
}

/// Quantize values: [`Kernel::encode`](crate::simd::Kernel::encode).
///
/// Computed in float32; the distance that is returned holds for whichever codes come out. A product `code * step` is
/// off by 2⁻²⁴ of itself, so the codes' vector is off by 2⁻²⁴ of its length, and the sum of up to 256 squares in a
/// lane by 256 * 2⁻²⁴: far less than what is added for it. Rounds by truncation, since `round` is a slow call on the
/// oldest CPUs that the crate supports.
#[inline(always)]
pub(super) fn encode(values: &[f32], step: f32, levels: i32, codes: &mut [i8]) -> f64 {
    let (per_step, reach) = (1.0 / step, levels as f32);
    let mut squares = [0.0_f32; LANES];
    let one = |value: f32, square: &mut f32| {
        let scaled = value * per_step;
        let scaled = if scaled > reach { reach } else { scaled };
        let scaled = if scaled < -reach { -reach } else { scaled };
        // SAFETY: between 0.5 and 2 * 127 + 0.5; values are finite, and a step is not zero.
        let code = unsafe { (scaled + reach + 0.5).to_int_unchecked::<i32>() } - levels;
        let off = value - code as f32 * step;
        *square += off * off;
        code as i8
    };
    let codes = &mut codes[..values.len()];
    let (eights, rest) = values.as_chunks::<LANES>();
    let (eight_codes, rest_codes) = codes.as_chunks_mut::<LANES>();
    for (values, codes) in eights.iter().zip(eight_codes) {
        for i in 0..LANES {
            codes[i] = one(values[i], &mut squares[i]);
        }
    }
    for (i, (value, code)) in rest.iter().zip(rest_codes).enumerate() {
        *code = one(*value, &mut squares[i]);
    }
    let square: f32 = squares.iter().sum();
    f64::from(square).sqrt() * (1.0 + 1e-4) + 1e-6
}

/// A search of `Q` queries for the next block in which one of them has a hit.
#[derive(Debug, Clone)]
pub(super) struct BlockSearch<'a, const Q: usize> {
    pub blocks: Blocks<'a>,
    pub range: Range<usize>,
    /// Step by step, four codes of each query as one number.
    pub queries: &'a [i32],
    /// What a sum must reach to be a hit, query by query.
    pub limits: &'a [i32; Q],
}

impl<'a, const Q: usize> BlockSearch<'a, Q> {
    /// A search, given what [`Blocks::check`] has checked.
    pub fn new(
        blocks: Blocks<'a>,
        range: Range<usize>,
        queries: &'a [i32],
        limits: &'a [i32; Q],
    ) -> Self {
        Self {
            blocks,
            range,
            queries,
            limits,
        }
    }

    /// The queries' codes, step by step.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn steps(&self) -> &'a [[i32; Q]] {
        let (steps, rest) = self.queries.as_chunks();
        assert!(rest.is_empty() && steps.len() == self.blocks.steps);
        steps
    }

    /// The same search, if there is one query.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn of_one(&self) -> Option<BlockSearch<'a, 1>> {
        Some(BlockSearch {
            blocks: self.blocks,
            range: self.range.clone(),
            queries: self.queries,
            limits: self.limits.as_slice().try_into().ok()?,
        })
    }

    /// The queries' codes in groups of steps that are packed together: [`codes5`].
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn groups(&self) -> &'a [[[i32; Q]; codes5::GROUP]] {
        let (groups, rest) = self.steps().as_chunks();
        assert!(rest.is_empty());
        groups
    }
}

/// [`Kernel::next_hit`](crate::simd::Kernel::next_hit) on any CPU.
pub(super) fn next_hit<const Q: usize>(
    search: BlockSearch<'_, Q>,
    found: &mut Found,
) -> Option<usize> {
    let BlockSearch {
        blocks,
        range,
        queries,
        limits,
    } = search;
    let mut unpacked = match blocks.packing {
        Packing::Bits8 => Vec::new(),
        Packing::Bits5 => vec![0; blocks.steps * STEP_BYTES],
    };
    for block in range {
        let codes = &blocks.codes[block * blocks.block_bytes()..][..blocks.block_bytes()];
        let codes = match blocks.packing {
            Packing::Bits8 => codes,
            Packing::Bits5 => {
                unpack(codes, &mut unpacked);
                &unpacked
            }
        };
        let allowances = &blocks.allowances[block * BLOCK..][..BLOCK];
        let mut any = 0;
        for q in 0..Q {
            let sums = &mut found.sums[q];
            for (sum, allowance) in sums.iter_mut().zip(allowances) {
                *sum = i32::from(*allowance) << blocks.shift;
            }
            for (step, codes) in codes.chunks_exact(STEP_BYTES).enumerate() {
                let query = queries[step * Q + q].to_ne_bytes();
                let query = query.map(|code| i32::from(code.cast_signed()));
                for (sum, code) in sums.iter_mut().zip(codes.as_chunks::<STEP>().0) {
                    for d in 0..STEP {
                        *sum += i32::from(code[d]) * query[d];
                    }
                }
            }
            let hits = sums
                .iter()
                .rev()
                .fold(0, |bits, sum| bits << 1 | u32::from(*sum >= limits[q]));
            found.hits[q] = hits;
            any |= hits;
        }
        if any != 0 {
            return Some(block);
        }
    }
    None
}

/// Undo the packing of a block.
fn unpack(packed: &[u8], codes: &mut [u8]) {
    let groups = codes.chunks_exact_mut(codes5::GROUP * STEP_BYTES);
    for (codes, packed) in groups.zip(packed.chunks_exact(codes5::PACKED * STEP_BYTES)) {
        for byte in 0..STEP_BYTES {
            let bytes = std::array::from_fn(|row| packed[row * STEP_BYTES + byte]);
            for (step, code) in codes5::unpack(Portable, bytes).into_iter().enumerate() {
                codes[step * STEP_BYTES + byte] = code;
            }
        }
    }
}
