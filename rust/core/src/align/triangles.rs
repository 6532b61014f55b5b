//! Eight triangles at a time: the grid cells that they may cover, and the place of a cell in them.

use super::grid::{GRID_HEIGHT, GRID_WIDTH};
use super::patch::TEAR_MM;
use crate::simd::{Eight, LANES, floor, least, most, whole};

/// Tolerance at the edges of a triangle, in barycentric coordinates, since neighbours share them.
const HAIRS_BREADTH: f32 = 1e-5;
/// Triangles of a smaller area, in cells of the grid, are seen edge-on and not drawn.
const MIN_AREA: f32 = 1e-6;

/// Corners of the cells of a window, on the grid, row by row; each row is padded to whole vectors.
pub(super) struct Corners {
    /// Numbers in a row, padding included.
    pub stride: usize,
    /// The patch's cell of the first corner, and the number of columns of the patch.
    pub first_cell: usize,
    pub patch_width: usize,
    /// Column and row on the grid.
    pub x: Vec<f32>,
    pub y: Vec<f32>,
    /// Face frame, millimetres.
    pub z: Vec<f32>,
    /// From the camera, millimetres; NaN where nothing is to be drawn.
    pub depth: Vec<f32>,
}

/// Eight quads, and the grid cells that each may cover.
pub(super) struct Quads {
    /// Numbers of their first corners: upper left, upper right, lower left, lower right.
    at: [usize; 4],
    /// First column and row of the grid that each may cover, and the ones after the last.
    left: Eight,
    right: Eight,
    top: Eight,
    bottom: Eight,
    /// Whether their triangles lie on one surface.
    pub upper: [bool; LANES],
    pub lower: [bool; LANES],
    /// Most columns and rows that any of them may cover.
    pub columns: u32,
    pub rows: u32,
}

/// The middle of one grid cell for each of eight quads.
pub(super) struct Points {
    column: Eight,
    row: Eight,
    /// The grid cell; 0 where `inside` is not set.
    pub cell: [u32; LANES],
    /// Whether the quad may cover it.
    inside: [bool; LANES],
}

impl Quads {
    /// The quads whose lower left corners are the eight from `first` on.
    #[inline(always)]
    pub fn of(corners: &Corners, first: usize) -> Self {
        let above = first - corners.stride;
        let at = [above, above + 1, first, first + 1];
        let (left, right) = ends(at.map(|first| eight(&corners.x, first)), GRID_WIDTH);
        let (top, bottom) = ends(at.map(|first| eight(&corners.y, first)), GRID_HEIGHT);
        let [a, b, c, d] = at.map(|first| eight(&corners.depth, first));
        let near = |z: f32, other: f32| (z - other).abs() <= TEAR_MM;
        let (mut upper, mut lower) = ([false; LANES], [false; LANES]);
        let (mut columns, mut rows) = (0, 0);
        for k in 0..LANES {
            let shared = near(b[k], c[k]);
            upper[k] = shared & near(a[k], b[k]) & near(a[k], c[k]);
            lower[k] = shared & near(b[k], d[k]) & near(c[k], d[k]);
            // A quad above or below the grid counts no column, and one beside it no row.
            let some = (left[k] < right[k]) & (top[k] < bottom[k]) & (upper[k] | lower[k]);
            let count = |from: f32, to: f32| if some { whole(to - from) as u32 } else { 0 };
            columns = columns.max(count(left[k], right[k]));
            rows = rows.max(count(top[k], bottom[k]));
        }
        Self {
            at,
            left,
            right,
            top,
            bottom,
            upper,
            lower,
            columns,
            rows,
        }
    }

    /// x, y and z of one of the corners of each.
    #[inline(always)]
    pub fn corner(&self, corners: &Corners, corner: usize) -> [Eight; 3] {
        [&corners.x, &corners.y, &corners.z].map(|axis| eight(axis, self.at[corner]))
    }

    /// The cells at an offset from the first cell of each quad.
    #[inline(always)]
    pub fn points(&self, aside: f32, down: f32) -> Points {
        let mut points = Points {
            column: [0.0; LANES],
            row: [0.0; LANES],
            cell: [0; LANES],
            inside: [false; LANES],
        };
        for k in 0..LANES {
            let (column, row) = (self.left[k] + aside, self.top[k] + down);
            let inside = (column < self.right[k]) & (row < self.bottom[k]);
            let cell = row * GRID_WIDTH as f32 + column;
            points.column[k] = column;
            points.row[k] = row;
            points.cell[k] = whole(if inside { cell } else { 0.0 }) as u32;
            points.inside[k] = inside;
        }
        points
    }
}

/// First cell along one axis that each of eight quads may cover, and the one after the last.
#[inline(always)]
fn ends([a, b, c, d]: [Eight; 4], size: usize) -> (Eight, Eight) {
    let (mut first, mut end) = ([0.0; LANES], [0.0; LANES]);
    for k in 0..LANES {
        // Where a triangle is drawn, b and c are on the surface; a or d may be NaN.
        let [a, d] = [a[k], d[k]].map(|corner| if corner.is_nan() { b[k] } else { corner });
        let low = least(least(a, b[k]), least(c[k], d));
        let high = most(most(a, b[k]), most(c[k], d));
        first[k] = most(-floor(-low), 0.0);
        end[k] = least(floor(high) + 1.0, size as f32);
    }
    (first, end)
}

#[inline(always)]
fn eight(values: &[f32], first: usize) -> Eight {
    values[first..].as_chunks().0[0]
}

/// Eight triangles on the grid.
pub(super) struct Triangles {
    /// First corner: column, row, z.
    a: [Eight; 3],
    /// The other two corners, relative to the first.
    b: [Eight; 3],
    c: [Eight; 3],
    z: [Eight; 3],
    /// One over twice their area; NaN for those that are not drawn.
    inverse: Eight,
}

/// The places of points in eight triangles.
pub(super) struct Places {
    /// Barycentric coordinates of the second corner and the third.
    pub beta: Eight,
    pub gamma: Eight,
    /// Depth; infinite outside of the triangle.
    pub z: Eight,
}

impl Triangles {
    #[inline(always)]
    pub fn of([a, b, c]: [[Eight; 3]; 3], drawn: [bool; LANES]) -> Self {
        let from_a = |corner: [Eight; 3]| -> [Eight; 3] {
            let mut apart = corner;
            for axis in 0..3 {
                for k in 0..LANES {
                    apart[axis][k] = corner[axis][k] - a[axis][k];
                }
            }
            apart
        };
        let (z, b, c) = ([a[2], b[2], c[2]], from_a(b), from_a(c));
        let mut inverse = [f32::NAN; LANES];
        for k in 0..LANES {
            let area = b[0][k] * c[1][k] - c[0][k] * b[1][k];
            let seen = drawn[k] & (area.abs() >= MIN_AREA);
            inverse[k] = if seen { 1.0 / area } else { f32::NAN };
        }
        Self {
            a,
            b,
            c,
            z,
            inverse,
        }
    }

    #[inline(always)]
    pub fn at(&self, points: &Points) -> Places {
        let Self {
            a,
            b,
            c,
            z,
            inverse,
        } = self;
        let mut places = Places {
            beta: [0.0; LANES],
            gamma: [0.0; LANES],
            z: [f32::INFINITY; LANES],
        };
        for k in 0..LANES {
            let (x, y) = (points.column[k] - a[0][k], points.row[k] - a[1][k]);
            let beta = (x * c[1][k] - c[0][k] * y) * inverse[k];
            let gamma = (b[0][k] * y - x * b[1][k]) * inverse[k];
            let alpha = 1.0 - beta - gamma;
            // False for NaN.
            let inside = (alpha >= -HAIRS_BREADTH)
                & (beta >= -HAIRS_BREADTH)
                & (gamma >= -HAIRS_BREADTH)
                & points.inside[k];
            let depth = alpha * z[0][k] + beta * z[1][k] + gamma * z[2][k];
            places.z[k] = if inside { depth } else { f32::INFINITY };
            places.beta[k] = beta;
            places.gamma[k] = gamma;
        }
        places
    }
}
