//! Eight lanes of float32 arithmetic, as every back end has them, and the loops that run on them.

/// Number of lanes.
pub(crate) const LANES: usize = 8;

/// Eight numbers side by side.
pub(crate) type Eight = [f32; LANES];

/// Eight lanes of float32 arithmetic.
///
/// A value of an implementing type proves that this CPU has the instructions, since a back end makes one only after
/// asking the CPU. So the methods are safe, and so are all algorithms over them. They are fast only inside a function
/// that enables the instruction set. So everything over them is inlined, and no closure stands in between.
pub(crate) trait Lanes: Copy {
    /// Eight float32 values.
    type Vector: Copy;

    /// A vector of zeros.
    fn zero(self) -> Self::Vector;

    /// Eight consecutive values from any address.
    fn load(self, values: &[f32; LANES]) -> Self::Vector;

    /// `a * b + c` per lane, rounded once or twice.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// A vector of one value.
    fn splat(self, value: f32) -> Self::Vector;

    /// Write the lanes in order.
    fn store(self, vector: Self::Vector, values: &mut [f32; LANES]);

    /// The sum of the lanes of each of four vectors, in any order of addition.
    fn sums(self, vectors: [Self::Vector; 4]) -> [f32; 4];

    /// Bit i is set if lane i is below a limit; NaN never is.
    fn below(self, vector: Self::Vector, limit: f32) -> u32;
}

/// Loops over plain slices, compiled for the instruction set of a [`Kernel`](super::Kernel).
///
/// `run` and all that it calls in a loop must be inlined and compile to vector instructions. The compiler fuses no
/// multiplication with an addition, so every back end gives the same bits, except for [`Lanes::mul_add`].
pub(crate) trait Loops {
    /// What the loops return.
    type Output;

    /// Run the loops.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}
