//! Codes of five bits, for galleries that fit no cache: there a scan waits for memory, not for products.
//!
//! Eight steps of [`super::codes8`] are packed into five. Take eight codes, one of each step. Five of them are in the
//! low bits of a byte each, and the other three in the bits that are left:
//!
//! ```text
//! byte      bits 0-4   bits 5-7
//! 0         code 0     bits 0-2 of code 5
//! 1         code 1     bits 0-2 of code 6
//! 2         code 2     bits 0-2 of code 7
//! 3         code 3     bits 3-4 of code 5, bit 3 of code 7
//! 4         code 4     bits 3-4 of code 6, bit 4 of code 7
//! ```
//!
//! Reference codes are -15 to 15, stored plus 16.

use crate::simd::Portable;

/// Steps that are packed together.
pub const GROUP: usize = 8;
/// Bytes that hold one code of each step of a group.
pub const PACKED: usize = 5;
/// Mask of the code in the low bits of a byte.
const LOW: u8 = 31;

/// Pack one code of each step of a group.
#[must_use]
#[inline]
pub fn pack([a, b, c, d, e, f, g, h]: [u8; GROUP]) -> [u8; PACKED] {
    [
        a | f << 5,
        b | g << 5,
        c | h << 5,
        d | f >> 3 << 5 | (h << 4 & 0x80),
        e | g >> 3 << 5 | (h << 3 & 0x80),
    ]
}

/// Operations on registers of bytes that unpacking needs.
///
/// As with [`Lanes`](crate::simd::Lanes), a value of an implementing type proves that this CPU has the instructions.
pub(super) trait Bytes: Copy {
    /// A register of bytes.
    type Register: Copy;

    /// Each byte and a mask.
    fn masked(self, bytes: Self::Register, mask: u8) -> Self::Register;

    /// Each byte of one register or that of the other.
    fn either(self, a: Self::Register, b: Self::Register) -> Self::Register;

    /// Each byte, shifted right; the bits that enter from the left have no meaning.
    fn lowered<const BITS: u32>(self, bytes: Self::Register) -> Self::Register;
}

impl Bytes for Portable {
    type Register = u8;

    #[inline(always)]
    fn masked(self, bytes: u8, mask: u8) -> u8 {
        bytes & mask
    }

    #[inline(always)]
    fn either(self, a: u8, b: u8) -> u8 {
        a | b
    }

    #[inline(always)]
    fn lowered<const BITS: u32>(self, bytes: u8) -> u8 {
        bytes >> BITS
    }
}

/// Undo [`pack`] in every byte of five registers.
#[inline(always)]
pub(super) fn unpack<B: Bytes>(on: B, packed: [B::Register; PACKED]) -> [B::Register; GROUP] {
    let [a, b, c, d, e] = packed;
    let above = [
        on.masked(on.lowered::<2>(d), 0x18),
        on.masked(on.lowered::<2>(e), 0x18),
        on.either(
            on.masked(on.lowered::<4>(d), 0x08),
            on.masked(on.lowered::<3>(e), 0x10),
        ),
    ];
    [
        on.masked(a, LOW),
        on.masked(b, LOW),
        on.masked(c, LOW),
        on.masked(d, LOW),
        on.masked(e, LOW),
        on.either(on.masked(on.lowered::<5>(a), 0x07), above[0]),
        on.either(on.masked(on.lowered::<5>(b), 0x07), above[1]),
        on.either(on.masked(on.lowered::<5>(c), 0x07), above[2]),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LOW, pack, unpack};
    use crate::simd::Portable;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(codes in any::<[u8; 8]>()) {
            let codes = codes.map(|code| code & LOW);
            prop_assert_eq!(unpack(Portable, pack(codes)), codes);
        }
    }
}
