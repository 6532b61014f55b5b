//! Weighted least squares over a few dozen parameters: normal equations, and their solution by Cholesky.
//!
//! This is no library's Cholesky because it was measured: with nalgebra's, `align` takes 1.24 times as much CPU.

use crate::simd::{Eight, Kernel, LANES, Lanes, Loops};

/// Rows of the normal matrix that are summed together: with two vectors of columns, what 16 registers hold.
const TILE: usize = 4;
/// Equations that stay in the first-level cache while every tile goes over them.
const CHUNK: usize = 96;

/// Equations `row · x = right`, to be solved by least squares.
#[derive(Debug)]
pub(crate) struct Equations {
    /// Eights in a row.
    width: usize,
    /// Number of equations that there is room for.
    limit: usize,
    /// The first eight of every row, then the second eight of every row, and so on.
    columns: Vec<Eight>,
    right: Vec<f32>,
}

/// `(A^T A) x = A^T b`.
#[derive(Debug)]
pub(crate) struct Normal {
    /// Eights in a row.
    width: usize,
    /// The upper triangle, row by row; what is below it has no meaning.
    matrix: Vec<Eight>,
    right: Vec<Eight>,
}

impl Equations {
    /// Empty, for so many parameters, with room for `limit` equations.
    pub fn new(parameters: usize, limit: usize) -> Self {
        let width = parameters.div_ceil(LANES);
        Self {
            width,
            limit,
            columns: vec![[0.0; LANES]; width * limit],
            right: Vec::with_capacity(limit),
        }
    }

    /// Number of equations.
    pub fn len(&self) -> usize {
        self.right.len()
    }

    pub fn clear(&mut self) {
        self.right.clear();
    }

    /// Adds `weight * (row · x = right)`.
    ///
    /// # Panics
    /// If there is no room.
    #[inline(always)]
    pub fn push<L: Lanes>(&mut self, lanes: L, weight: f32, row: &[Eight], right: f32) {
        let (at, scale) = (self.right.len(), lanes.splat(weight));
        assert!(at < self.limit && row.len() == self.width);
        for (column, eight) in row.iter().enumerate() {
            let weighted = lanes.mul_add(scale, lanes.load(eight), lanes.zero());
            lanes.store(weighted, &mut self.columns[column * self.limit + at]);
        }
        self.right.push(weight * right);
    }

    /// A coefficient of the equation that was added last.
    #[inline(always)]
    pub fn last(&mut self, parameter: usize) -> &mut f32 {
        let at = self.right.len() - 1;
        &mut self.columns[parameter / LANES * self.limit + at][parameter % LANES]
    }

    pub fn normal(&self) -> Normal {
        let width = self.width;
        let mut normal = Normal {
            width,
            matrix: vec![[0.0; LANES]; width * width * LANES],
            right: vec![[0.0; LANES]; width],
        };
        Kernel::fastest().run(Sums {
            equations: self,
            normal: &mut normal,
        });
        normal
    }
}

impl Normal {
    /// Adds `strength * (x_k - wanted)^2` to what is minimised; `pull` is `strength * wanted`.
    pub fn hold(&mut self, k: usize, strength: f32, pull: f32) {
        self.matrix[k * self.width + k / LANES][k % LANES] += strength;
        self.right[k / LANES][k % LANES] += pull;
    }

    /// Solve for the first `count` parameters, with all others 0; `None` if they are not determined.
    pub fn solve(mut self, count: usize) -> Option<Vec<f32>> {
        let mut solution = vec![[0.0; LANES]; self.width];
        let solved = Kernel::fastest().run(Solve {
            normal: &mut self,
            count,
            solution: &mut solution,
        });
        solved.then(|| solution.as_flattened()[..count].to_vec())
    }
}

/// Computes the sums of products of all columns, and of each with the right side.
///
/// ```text
/// for 96 equations at a time
///     for 4 rows of the normal matrix and 16 columns that are not all below its diagonal
///         for each equation
///             sums[row][columns] += equation[row] * equation[columns]
/// ```
struct Sums<'a> {
    equations: &'a Equations,
    normal: &'a mut Normal,
}

impl Loops for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Equations {
            limit,
            columns,
            right,
            ..
        } = self.equations;
        let Normal {
            width,
            matrix,
            right: products,
        } = self.normal;
        for first in (0..right.len()).step_by(CHUNK) {
            let chunk = first..(first + CHUNK).min(right.len());
            let column = |at: usize| &columns[at * limit..][chunk.clone()];
            for (own, rows) in matrix.chunks_exact_mut(*width * LANES).enumerate() {
                let (upper, lower) = rows.split_at_mut(*width * TILE);
                let values = column(own);
                for at in (own / 2 * 2..*width).step_by(2) {
                    let others = column(at);
                    // If the number of eights is odd, the last one is alone.
                    if at + 1 < *width {
                        let others = [others, column(at + 1)];
                        tile::<L, 2, 0>(lanes, values, others, upper, (at, *width));
                        tile::<L, 2, TILE>(lanes, values, others, lower, (at, *width));
                    } else {
                        tile::<L, 1, 0>(lanes, values, [others], upper, (at, *width));
                        tile::<L, 1, TILE>(lanes, values, [others], lower, (at, *width));
                    }
                }
            }
            for (at, total) in products.iter_mut().enumerate() {
                let mut sum = lanes.load(total);
                for (values, right) in column(at).iter().zip(&right[chunk.clone()]) {
                    sum = lanes.mul_add(lanes.splat(*right), lanes.load(values), sum);
                }
                lanes.store(sum, total);
            }
        }
    }
}

/// Adds to 4 rows of the matrix, which belong to the columns `FIRST` to `FIRST + 4` of `own`, in `C` eights of its
/// columns from eight `at` on.
#[inline(always)]
fn tile<L: Lanes, const C: usize, const FIRST: usize>(
    lanes: L,
    own: &[Eight],
    others: [&[Eight]; C],
    rows: &mut [Eight],
    (at, width): (usize, usize),
) {
    let others = others.map(|other| &other[..own.len()]);
    let mut sums = [[lanes.zero(); C]; TILE];
    for equation in 0..own.len() {
        let mut vectors = [lanes.zero(); C];
        for c in 0..C {
            vectors[c] = lanes.load(&others[c][equation]);
        }
        for r in 0..TILE {
            let value = lanes.splat(own[equation][FIRST + r]);
            for c in 0..C {
                sums[r][c] = lanes.mul_add(value, vectors[c], sums[r][c]);
            }
        }
    }
    for r in 0..TILE {
        for c in 0..C {
            let total = &mut rows[r * width + at + c];
            lanes.store(
                lanes.mul_add(lanes.splat(1.0), lanes.load(total), sums[r][c]),
                total,
            );
        }
    }
}

/// Cholesky, A = U^T U, eight rows of U at a time, all in whole vectors.
///
/// ```text
/// for 8 rows of U
///     for each of them: scale it, and take its share from those of the 8 below it
///     for each row below: take the shares of all 8 from it (there is none if they are not 8)
/// U^T y = b goes along; then U x = y from the last row up
/// ```
struct Solve<'a> {
    normal: &'a mut Normal,
    count: usize,
    solution: &'a mut [Eight],
}

impl Loops for Solve<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> bool {
        let Self {
            normal:
                Normal {
                    width,
                    matrix,
                    right,
                },
            count,
            solution,
        } = self;
        let width = *width;
        for eight in 0..count.div_ceil(LANES) {
            let (panel, below) = matrix[eight * LANES * width..].split_at_mut(LANES * width);
            let rows = LANES.min(count - eight * LANES);
            for k in 0..rows {
                let (row, others) = panel[k * width + eight..].split_at_mut(width - eight);
                let pivot = row[0][k];
                // Written so that NaN is refused.
                if !(pivot > 0.0 && pivot.is_finite()) {
                    return false;
                }
                let root = pivot.sqrt();
                let scale = lanes.splat(1.0 / root);
                row[0][..k].fill(0.0);
                for values in row.iter_mut() {
                    let scaled = lanes.mul_add(lanes.load(values), scale, lanes.zero());
                    lanes.store(scaled, values);
                }
                solution[eight][k] = right[eight][k] / root;
                subtract(lanes, solution[eight][k], row, &mut right[eight..]);
                for r in k + 1..rows {
                    let other = &mut others[(r - k - 1) * width + eight..][..width - eight];
                    subtract(lanes, row[0][r], row, other);
                }
            }
            for (r, row) in below.chunks_exact_mut(width).enumerate() {
                let first = eight + 1 + r / LANES;
                let row = &mut row[first..];
                let mut factors = [lanes.zero(); LANES];
                let mut others: [&[Eight]; LANES] = [&[]; LANES];
                for k in 0..LANES {
                    others[k] = &panel[k * width + first..][..row.len()];
                    factors[k] = lanes.splat(-others[k][0][r % LANES]);
                }
                for at in 0..row.len() {
                    let mut value = lanes.load(&row[at]);
                    for k in 0..LANES {
                        value = lanes.mul_add(factors[k], lanes.load(&others[k][at]), value);
                    }
                    lanes.store(value, &mut row[at]);
                }
            }
        }
        for k in (0..count).rev() {
            let row = &matrix[k * width + k / LANES..(k + 1) * width];
            let right = std::mem::take(&mut solution[k / LANES][k % LANES]);
            let mut sums = [0.0; LANES];
            for (values, found) in row.iter().zip(&solution[k / LANES..]) {
                for lane in 0..LANES {
                    sums[lane] += values[lane] * found[lane];
                }
            }
            let known: f32 = sums.iter().sum();
            solution[k / LANES][k % LANES] = (right - known) / row[0][k % LANES];
        }
        true
    }
}

/// `to -= factor * other`.
#[inline(always)]
fn subtract<L: Lanes>(lanes: L, factor: f32, other: &[Eight], to: &mut [Eight]) {
    let factor = lanes.splat(-factor);
    for (values, other) in to.iter_mut().zip(other) {
        let less = lanes.mul_add(factor, lanes.load(other), lanes.load(values));
        lanes.store(less, values);
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;

    /// Numbers that look random, in -0.5..0.5.
    fn noise(count: usize) -> Vec<f32> {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        (0..count).map(|_| next()).collect()
    }

    struct Push<'a>(&'a mut Equations, f32, &'a [Eight], f32);

    impl Loops for Push<'_> {
        type Output = ();

        fn run<L: Lanes>(self, lanes: L) {
            self.0.push(lanes, self.1, self.2, self.3);
        }
    }

    fn push(equations: &mut Equations, weight: f32, row: &[Eight], right: f32) {
        Kernel::fastest().run(Push(equations, weight, row, right));
    }

    #[test]
    fn the_solution_is_the_librarys() {
        for (parameters, count) in [(1, 9), (6, 40), (8, 30), (10, 200), (54, 97), (56, 500)] {
            let values = noise(count * (parameters + 1));
            let (mut equations, mut rows) = (Equations::new(parameters, count), Vec::new());
            for numbers in values.chunks_exact(parameters + 1) {
                let mut row = numbers[..parameters].to_vec();
                row.resize(parameters.next_multiple_of(LANES), 0.0);
                push(&mut equations, 0.5, row.as_chunks().0, numbers[parameters]);
                rows.extend(numbers.iter().map(|x| 0.5 * f64::from(*x)));
            }
            let all = DMatrix::from_row_slice(count, parameters + 1, &rows);
            let (a, b) = (all.columns(0, parameters), all.column(parameters));
            let mut left = a.transpose() * a;
            let mut right = a.transpose() * b;
            let mut normal = equations.normal();
            for k in 0..parameters {
                normal.hold(k, 1.0, 0.1 * k as f32);
                left[(k, k)] += 1.0;
                right[k] += 0.1 * k as f64;
            }
            let wanted: DVector<f64> = left.cholesky().expect("definite").solve(&right);
            let found = normal.solve(parameters).expect("definite");
            for (found, wanted) in found.iter().zip(&wanted) {
                let apart = (f64::from(*found) - wanted).abs();
                assert!(apart < 1e-4, "{parameters} of {count}: {apart}");
            }
        }
    }

    #[test]
    fn what_is_not_determined_has_no_solution() {
        let mut equations = Equations::new(8, 2);
        push(
            &mut equations,
            1.0,
            &[[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]],
            2.0,
        );
        assert_eq!(equations.normal().solve(1), Some(vec![2.0]));
        assert_eq!(equations.normal().solve(3), None);
        push(&mut equations, f32::NAN, &[[1.0; 8]], 2.0);
        assert_eq!(equations.normal().solve(1), None);
        equations.clear();
        assert_eq!(equations.len(), 0);
    }
}
