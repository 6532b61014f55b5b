//! The surface in a patch that can be drawn at any pose: cells that lie safely on it, and their light.

use nalgebra::{Matrix3, Vector3};

use super::patch::{Patch, TEAR_MM};
use crate::simd::{Kernel, Lanes, Loops};

/// Cells that are removed beside holes and edges, where depth mixes two surfaces.
const ERODED_CELLS: usize = 2;
/// Darker light counts as this, so that its logarithm is finite.
const DARKEST: f32 = 1e-3;

/// The cells of a patch that can be drawn.
#[derive(Debug)]
pub struct Surface<'a> {
    pub(crate) patch: &'a Patch,
    /// Millimetres; NaN where a cell cannot be drawn.
    pub depth: Vec<f32>,
    /// Log reflectance of all cells: red, green and blue, or infrared.
    pub light: Vec<Vec<f32>>,
}

impl<'a> Surface<'a> {
    /// Finds edges and holes, and takes the logarithms of the light.
    #[must_use]
    pub fn of(patch: &'a Patch) -> Self {
        let depth = if patch.width > 0 {
            Kernel::fastest().run(SurfaceDepth { patch })
        } else {
            Vec::new()
        };
        let planes = if patch.color.is_empty() {
            std::slice::from_ref(&patch.reflectance)
        } else {
            &patch.color
        };
        let logarithms = |plane: &Vec<f32>| Kernel::fastest().run(Logarithms(plane));
        Self {
            patch,
            depth,
            light: planes.iter().map(logarithms).collect(),
        }
    }

    /// The same surface with the mean of its colours as its only light.
    #[must_use]
    pub fn gray(&self) -> Self {
        Self {
            patch: self.patch,
            depth: self.depth.clone(),
            light: vec![mean(&self.light)],
        }
    }
}

/// The mean of three planes, or the only plane.
#[inline(always)]
pub(crate) fn mean(planes: &[Vec<f32>]) -> Vec<f32> {
    let [red, green, blue] = planes else {
        return planes[0].clone();
    };
    let cells = red.iter().zip(green).zip(blue);
    cells.map(|((r, g), b)| (r + g + b) / 3.0).collect()
}

/// Computes the depth of the cells that lie safely on one surface; NaN elsewhere.
struct SurfaceDepth<'a> {
    patch: &'a Patch,
}

impl Loops for SurfaceDepth<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> Vec<f32> {
        let Patch {
            width,
            height,
            depth,
            ..
        } = self.patch;
        let (width, height) = (*width, *height);
        let torn = |z: f32, other: f32| (other > 0.0) & (z - other > TEAR_MM);
        let line = |row: usize| row * width..(row + 1) * width;
        // At the edge of the patch, which is no edge of the surface, a cell is its own neighbour.
        let above = |row: usize| line(row.saturating_sub(1));
        let below = |row: usize| line((row + 1).min(height - 1));
        let mut keep = vec![false; depth.len()];
        for row in 0..height {
            let (here, up, down) = (&depth[line(row)], &depth[above(row)], &depth[below(row)]);
            let keep = &mut keep[line(row)];
            for at in 0..width {
                keep[at] = (here[at] > 0.0) & !torn(here[at], up[at]) & !torn(here[at], down[at]);
            }
            for at in 1..width {
                keep[at] &= !torn(here[at], here[at - 1]);
            }
            for at in 1..width {
                keep[at - 1] &= !torn(here[at - 1], here[at]);
            }
        }
        let mut eroded = vec![false; keep.len()];
        for _ in 0..ERODED_CELLS {
            for row in 0..height {
                let (here, up, down) = (&keep[line(row)], &keep[above(row)], &keep[below(row)]);
                let eroded = &mut eroded[line(row)];
                for at in 0..width {
                    eroded[at] = here[at] & up[at] & down[at];
                }
                for at in 1..width {
                    eroded[at] &= here[at - 1];
                }
                for at in 1..width {
                    eroded[at - 1] &= here[at];
                }
            }
            std::mem::swap(&mut keep, &mut eroded);
        }
        let kept = |(&keep, &z): (&bool, &f32)| if keep { z } else { f32::NAN };
        keep.iter().zip(depth).map(kept).collect()
    }
}

/// Natural logarithms.
struct Logarithms<'a>(&'a [f32]);

impl Loops for Logarithms<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> Vec<f32> {
        let light = |&value: &f32| ln(if value > DARKEST { value } else { DARKEST });
        self.0.iter().map(light).collect()
    }
}

/// Natural logarithm of a normal positive number, to within 1e-7 plus 1e-7 of its size, in operations that vector
/// instructions have.
///
/// x = 2^e m with m in [sqrt(1/2), sqrt(2)), and ln m = 2 artanh s = 2 s (1 + s^2 / 3 + s^4 / 5 + ...) of
/// s = (m - 1) / (m + 1), which is at most 0.172: the first term left out is below 2e-8 s.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const HALF_ROOT: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    const MANTISSA: u32 = (1 << 23) - 1;
    let steps = x.to_bits().wrapping_sub(HALF_ROOT);
    let exponent = (steps as i32 >> 23) as f32;
    let m = f32::from_bits((steps & MANTISSA).wrapping_add(HALF_ROOT));
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let series = square * (1.0 / 3.0 + square * (0.2 + square * (1.0 / 7.0 + square / 9.0)));
    exponent * std::f32::consts::LN_2 + 2.0 * (s + s * series)
}

/// Camera-frame points of the patch's upper middle, where a head would be.
pub(super) fn upper_middle(patch: &Patch) -> Vec<Vector3<f32>> {
    let mut points = Vec::new();
    for row in patch.height / 8..patch.height * 5 / 8 {
        for column in patch.width / 4..patch.width * 3 / 4 {
            let z = patch.depth[row * patch.width + column];
            if z > 0.0 {
                points.push(patch.camera.unproject(column as f32, row as f32, z));
            }
        }
    }
    points
}

/// Root mean square distance (along z) of points from their best plane; `None` for fewer than 200 points.
#[must_use]
pub fn plane_rms(points: &[Vector3<f32>]) -> Option<f32> {
    if points.len() < 200 {
        return None;
    }
    let count = points.len() as f64;
    let mean = points
        .iter()
        .fold(Vector3::zeros(), |sum: Vector3<f64>, p| {
            sum + p.cast::<f64>()
        })
        / count;
    let mut moments = Matrix3::<f64>::zeros();
    for point in points {
        let d = point.cast::<f64>() - mean;
        moments += d * d.transpose();
    }
    moments /= count;
    let slope = moments.fixed_view::<2, 2>(0, 0).into_owned();
    let right = moments.fixed_view::<2, 1>(0, 2).into_owned();
    let inverse = slope.try_inverse()?;
    Some(
        (moments[(2, 2)] - (right.transpose() * inverse * right)[0])
            .max(0.0)
            .sqrt() as f32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_library() {
        let mut x = DARKEST;
        while x < 1e6 {
            let wanted = f64::from(x).ln();
            let apart = (f64::from(ln(x)) - wanted).abs();
            assert!(apart <= 1.5e-7 * (1.0 + wanted.abs()), "{x}: {apart}");
            x *= 1.000_37;
        }
        assert_eq!(ln(1.0).to_bits(), 0.0_f32.to_bits());
    }
}
