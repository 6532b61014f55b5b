//! Codes of five bits: for galleries that no cache holds, where a scan waits for memory and not for products.
//!
//! Eight steps of [`super::codes8`] lie in the place of five. Of eight codes, one from each step, five stand
//! in the low bits of a byte each, and the others in what these leave:
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

/// Steps that lie together.
pub const GROUP: usize = 8;
/// Bytes in which a group has one code of each step.
pub const PACKED: usize = 5;
/// The bits of a code in its own byte.
pub(super) const LOW: u8 = 31;

/// One code of each step of a group.
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

/// [`pack`] undone.
#[must_use]
#[inline(always)]
pub fn unpack([a, b, c, d, e]: [u8; PACKED]) -> [u8; GROUP] {
    [
        a & LOW,
        b & LOW,
        c & LOW,
        d & LOW,
        e & LOW,
        a >> 5 | d >> 2 & 0x18,
        b >> 5 | e >> 2 & 0x18,
        c >> 5 | d >> 4 & 0x08 | e >> 3 & 0x10,
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LOW, pack, unpack};

    proptest! {
        #[test]
        fn what_is_packed_comes_back(codes in any::<[u8; 8]>()) {
            let codes = codes.map(|code| code & LOW);
            prop_assert_eq!(unpack(pack(codes)), codes);
        }
    }
}
