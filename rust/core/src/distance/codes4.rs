//! Dot products of four-bit codes, which tell rows apart that lie close together.
//!
//! Four rows lie side by side, sixteen dimensions at a time, two codes to a byte:
//!
//! ```text
//! step 0 | row 0: d0+d4 d1+d5 d2+d6 d3+d7 | row 1 | row 2 | row 3 |      the first of a pair in the low bits
//!        | row 0: d8+d12 ...              | row 1 | row 2 | row 3 |
//! step 1 | row 0: d16+d20 ...
//! ```
//!
//! A query's codes are laid out in the same way, repeated for each row, so that one register of each is multiplied.
//! Sums of four steps fit 16 bits: 4 * 2 * (2 * 15 * 127) < 2^15.

/// Rows side by side.
pub const QUAD: usize = 4;
/// Dimensions of a step.
pub const DIMS: usize = 16;
/// Bytes of a step of four rows.
pub const BYTES: usize = QUAD * DIMS / 2;
/// Largest code; the smallest is 0.
pub const LEVELS: u8 = 15;

/// One step of a query: the factors of the low bits, and those of the high bits.
pub type QueryStep = [[i8; BYTES]; 2];

/// Number of steps of vectors of `dim` values.
#[must_use]
pub fn steps(dim: usize) -> usize {
    dim.div_ceil(DIMS)
}

/// Write one code where there is a zero. `codes` are whole quads of `steps` steps.
///
/// # Panics
/// If it lies beyond the codes.
pub fn write(codes: &mut [u8], steps: usize, row: usize, dim: usize, code: u8) {
    let step = row / QUAD * steps + dim / DIMS;
    let half = dim / 8 % 2;
    let byte = step * BYTES + half * (BYTES / 2) + row % QUAD * 4 + dim % 4;
    codes[byte] |= code << (dim / 4 % 2 * 4);
}

/// Lay out a query's codes; what they do not fill stays zero.
pub fn lay_out(codes: &[i8], laid_out: &mut Vec<QueryStep>) {
    laid_out.clear();
    laid_out.extend(codes.chunks(DIMS).map(|codes| {
        let mut dims = [0; DIMS];
        dims[..codes.len()].copy_from_slice(codes);
        let of = |high: usize, byte: usize| dims[byte / (BYTES / 2) * 8 + high * 4 + byte % 4];
        std::array::from_fn(|high| std::array::from_fn(|byte| of(high, byte)))
    }));
}

/// [`code4_sums`](crate::simd::Kernel::code4_sums) on any CPU.
pub(super) fn sums(codes: &[u8], query: &[QueryStep], sums: &mut [[i32; QUAD]]) {
    for (quad, sums) in codes.chunks_exact(query.len() * BYTES).zip(sums) {
        *sums = [0; QUAD];
        for (bytes, [low, high]) in quad.as_chunks::<BYTES>().0.iter().zip(query) {
            for (i, byte) in bytes.iter().enumerate() {
                let product = i32::from(byte & LEVELS) * i32::from(low[i])
                    + i32::from(byte >> 4) * i32::from(high[i]);
                sums[i / 4 % QUAD] += product;
            }
        }
    }
}
