//! The score algorithm, written once over [`Lanes`].
#![allow(
    clippy::inline_always,
    reason = "code over Lanes must become part of the function that enables the instruction set"
)]

/// Float32 values per vector register, as all back ends see it.
pub(super) const WIDTH: usize = 8;

/// Eight lanes of float32 arithmetic.
///
/// A value of an implementing type is the proof that this CPU has the instructions: a back end makes
/// one only after it has looked. So the methods are safe, and so is every algorithm over them. They
/// are fast only inside a function that enables the instruction set, which is why everything here is
/// inlined and no closure stands in between.
pub(super) trait Lanes: Copy {
    /// Eight float32 values.
    type Vector: Copy;

    /// All lanes zero.
    fn zero(self) -> Self::Vector;

    /// Eight consecutive values from any address.
    fn load(self, values: &[f32; WIDTH]) -> Self::Vector;

    /// `a * b + c` per lane, rounded once or twice.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// The sum of the lanes of each of four vectors, in any order of addition.
    fn sums(self, vectors: [Self::Vector; 4]) -> [f32; 4];
}

/// Reference vectors side by side.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Values per row.
    pub dim: usize,
    /// `(rows, dim)`, row-major.
    pub values: &'a [f32],
}

impl Rows<'_> {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// Score every query against every row; see [`super::Kernel::scores`].
///
/// ```text
/// for 3 queries at a time (or the 1 or 2 that remain)
///     for 4 rows at a time (8 for a single query: as many independent sums as hide the latency)
///         for 8 dimensions at a time
///             sums[query][row] += queries[query] * rows[row]     lane by lane
///         scores[query][row] = add up the lanes of sums[query][row]
/// ```
#[inline(always)]
pub(super) fn scores<L: Lanes>(lanes: L, queries: &[f32], rows: Rows<'_>, scores: &mut [f32]) {
    let dim = rows.dim;
    assert!(dim > 0 && queries.len().is_multiple_of(dim) && rows.values.len().is_multiple_of(dim));
    let count = rows.len();
    assert_eq!(scores.len(), queries.len() / dim * count);
    if count == 0 {
        return;
    }
    let mut tiles = queries.chunks(3 * dim).zip(scores.chunks_mut(3 * count));
    for (tile, scores) in &mut tiles {
        match tile.len() / dim {
            1 => against_all::<L, 1, 8>(lanes, tile, rows, scores),
            2 => against_all::<L, 2, 4>(lanes, tile, rows, scores),
            _ => against_all::<L, 3, 4>(lanes, tile, rows, scores),
        }
    }
}

/// Score `Q` queries against every row, `R` rows at a time.
#[inline(always)]
fn against_all<L: Lanes, const Q: usize, const R: usize>(
    lanes: L,
    queries: &[f32],
    rows: Rows<'_>,
    scores: &mut [f32],
) {
    let count = rows.len();
    let mut first = 0;
    while first < count {
        // At the end a short tile is cheaper where it suffices.
        if R > 4 && count - first <= 4 {
            tile::<L, Q, 4>(lanes, queries, rows, first, scores);
        } else {
            tile::<L, Q, R>(lanes, queries, rows, first, scores);
        }
        first += R;
    }
}

/// Score `Q` queries against the `R` rows from `first` on; past the end the last row stands in, so
/// that no tail needs code of its own, and its repeated scores are dropped.
#[inline(always)]
fn tile<L: Lanes, const Q: usize, const R: usize>(
    lanes: L,
    queries: &[f32],
    rows: Rows<'_>,
    first: usize,
    scores: &mut [f32],
) {
    let (dim, count) = (rows.dim, rows.len());
    let steps = dim / WIDTH;

    let mut query_eights: [&[[f32; WIDTH]]; Q] = [&[]; Q];
    let mut query_rest: [&[f32]; Q] = [&[]; Q];
    for q in 0..Q {
        let (eights, rest) = queries[q * dim..(q + 1) * dim].as_chunks();
        query_eights[q] = &eights[..steps];
        query_rest[q] = rest;
    }
    let mut row_eights: [&[[f32; WIDTH]]; R] = [&[]; R];
    let mut row_rest: [&[f32]; R] = [&[]; R];
    for r in 0..R {
        let row = (first + r).min(count - 1);
        let (eights, rest) = rows.values[row * dim..(row + 1) * dim].as_chunks();
        row_eights[r] = &eights[..steps];
        row_rest[r] = rest;
    }

    let mut sums = [[lanes.zero(); R]; Q];
    for step in 0..steps {
        let mut query = [lanes.zero(); Q];
        for q in 0..Q {
            query[q] = lanes.load(&query_eights[q][step]);
        }
        for r in 0..R {
            let row = lanes.load(&row_eights[r][step]);
            for q in 0..Q {
                sums[q][r] = lanes.mul_add(query[q], row, sums[q][r]);
            }
        }
    }

    for q in 0..Q {
        let mut dots = [0.0; R];
        for four in 0..R / 4 {
            let at = 4 * four;
            let vectors = [
                sums[q][at],
                sums[q][at + 1],
                sums[q][at + 2],
                sums[q][at + 3],
            ];
            dots[at..at + 4].copy_from_slice(&lanes.sums(vectors));
        }
        for r in 0..R.min(count - first) {
            let rest = rest_of_dot(query_rest[q], row_rest[r]);
            scores[q * count + first + r] = dots[r] + rest;
        }
    }
}

/// Dot product of the up to seven values that fill no vector.
#[inline(always)]
fn rest_of_dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = 0.0;
    for i in 0..a.len().min(b.len()) {
        sum += a[i] * b[i];
    }
    sum
}
