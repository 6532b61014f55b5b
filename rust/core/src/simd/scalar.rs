//! Operations on single numbers that compile to vector instructions, for [`Loops`](super::Loops).

/// 1.5 * 2^23: adding it to a number from -2^22 to 2^22 rounds that to a whole number.
const WHOLE: f32 = 12_582_912.0;

/// The largest whole number not above `x`, for `x` from -2^22 to 2^22; undefined for others. `f32::floor` is a call
/// into the C library on plain x86-64.
#[inline]
pub(crate) fn floor(x: f32) -> f32 {
    let nearest = (x + WHOLE) - WHOLE;
    if nearest > x { nearest - 1.0 } else { nearest }
}

/// A whole number from -2^22 to 2^22 as an integer; undefined for others. An `as` conversion saturates, and so does
/// not become a vector instruction.
#[inline]
pub(crate) fn whole(x: f32) -> i32 {
    (x + WHOLE).to_bits().wrapping_sub(WHOLE.to_bits()) as i32
}

/// The smaller of two numbers, in one instruction: `f32::min` also treats NaN.
#[inline]
pub(crate) fn least(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The larger of two numbers; see [`least`].
#[inline]
pub(crate) fn most(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_those_of_the_library() {
        for k in -40_000..40_000 {
            let x = k as f32 * 0.25;
            for x in [x, x.next_up(), x.next_down(), 100.0 * x] {
                // But for the sign of zero.
                assert_eq!(floor(x).to_bits() << 1, x.floor().to_bits() << 1, "{x}");
                assert_eq!(whole(floor(x)), x.floor() as i32, "{x}");
            }
        }
    }
}
