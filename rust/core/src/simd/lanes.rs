//! What an algorithm asks of an instruction set: eight lanes of float32 arithmetic.

/// Float32 values per vector register, as all back ends see it.
pub(crate) const LANES: usize = 8;

/// So many numbers side by side.
pub(crate) type Eight = [f32; LANES];

/// Eight lanes of float32 arithmetic.
///
/// A value of an implementing type is the proof that this CPU has the instructions: a back end makes
/// one only after it has looked. So the methods are safe, and so is every algorithm over them. They
/// are fast only inside a function that enables the instruction set, which is why everything here is
/// inlined and no closure stands in between.
pub(crate) trait Lanes: Copy {
    /// Eight float32 values.
    type Vector: Copy;

    /// All lanes zero.
    fn zero(self) -> Self::Vector;

    /// Eight consecutive values from any address.
    fn load(self, values: &[f32; LANES]) -> Self::Vector;

    /// `a * b + c` per lane, rounded once or twice.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// All lanes one value.
    fn splat(self, value: f32) -> Self::Vector;

    /// The lanes, in order.
    fn store(self, vector: Self::Vector, values: &mut [f32; LANES]);

    /// The sum of the lanes of each of four vectors, in any order of addition.
    fn sums(self, vectors: [Self::Vector; 4]) -> [f32; 4];

    /// A bit for each lane that is below a limit, the lowest for the first; none for NaN.
    fn below(self, vector: Self::Vector, limit: f32) -> u32;
}

/// Loops over plain slices that a [`Kernel`](super::Kernel) compiles for its instruction set.
///
/// `run` and whatever it calls in a loop must be inlined, and the loops be such that the compiler turns them
/// into vector instructions. It fuses nothing by itself: but for [`Lanes::mul_add`], every back end gives the
/// same bits.
pub(crate) trait Loops {
    /// What comes out.
    type Output;

    /// Does it.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}
