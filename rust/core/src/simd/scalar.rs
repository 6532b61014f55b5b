//! Operations on single numbers that the compiler turns into vector instructions, for [`Loops`](super::Loops).

/// From 2^22 on to either side, float32 plus this is no longer exact.
const WHOLE: f32 = 12_582_912.0;

/// Largest whole number not above `x`, for numbers from -2^22 to 2^22; others give something. `f32::floor` is a
/// call into the C library on plain x86-64.
#[inline]
pub(crate) fn floor(x: f32) -> f32 {
    let nearest = (x + WHOLE) - WHOLE;
    if nearest > x { nearest - 1.0 } else { nearest }
}

/// A whole number from -2^22 to 2^22 as an integer; others give something. Conversions must do something defined
/// with every number, and so do not become vector instructions.
#[inline]
pub(crate) fn whole(x: f32) -> i32 {
    (x + WHOLE).to_bits().wrapping_sub(WHOLE.to_bits()) as i32
}

/// The lesser of two numbers, in one instruction: `f32::min` also cares for NaN.
#[inline]
pub(crate) fn least(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The greater of two numbers; see [`least`].
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
