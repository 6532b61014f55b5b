//! Orthographic z-buffer of a triangulated surface, eight quads at a time.

use super::grid::{CELLS, GRID_HEIGHT, GRID_LEFT_MM, GRID_STEP_MM, GRID_TOP_MM, GRID_WIDTH};
use super::patch::TEAR_MM;
use super::pose::Pose;
use super::surface::Surface;
use crate::simd::{Eight, Kernel, LANES, Lanes, Loops, floor, least, most, whole};

/// Neighbouring triangles share their edges: so little outside still counts as inside.
const HAIRS_BREADTH: f32 = 1e-5;
/// Triangles of a smaller area, in cells of the grid, are seen from the side.
const MIN_AREA: f32 = 1e-6;

/// A rectangle of the patch's cells, end exclusive.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

/// What the grid shows: the nearest surface to the viewer.
pub(crate) struct Canvas {
    /// Face frame, millimetres; infinite where there is nothing.
    pub depth: Vec<f32>,
    /// Meaningless there.
    pub seen: Vec<Seen>,
}

/// A place in a triangle of the patch.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen {
    /// The lower left cell of its quad.
    quad: u32,
    /// Whether it is the lower of the quad's two triangles.
    lower: bool,
    /// Barycentric coordinates.
    pub shares: [f32; 3],
}

impl Seen {
    /// The triangle's corners as cells of a patch of so many cells in a row.
    pub fn cells(&self, width: usize) -> [usize; 3] {
        let quad = self.quad as usize;
        let (above, next) = (quad - width, quad + 1);
        if self.lower {
            [above + 1, next, quad]
        } else {
            [above, above + 1, quad]
        }
    }
}

/// Draws the window of a surface as seen from the front of the face.
pub(crate) fn paint(surface: &Surface, pose: &Pose, window: Window) -> Canvas {
    let kernel = Kernel::fastest();
    let corners = kernel.run(Turn {
        surface,
        pose,
        window,
    });
    let mut canvas = Canvas {
        depth: vec![f32::INFINITY; CELLS],
        seen: vec![Seen::default(); CELLS],
    };
    kernel.run(Paint {
        corners: &corners,
        canvas: &mut canvas,
    });
    canvas
}

/// The corners of a window's cells in the frame of the grid, row by row; each row as many vectors.
struct Corners {
    /// Numbers in a row, those beyond the window included.
    stride: usize,
    /// The patch's cell of the first corner, and the cells in a row of the patch.
    first_cell: usize,
    patch_width: usize,
    /// Columns and rows of the grid.
    x: Vec<f32>,
    y: Vec<f32>,
    /// Face frame, millimetres.
    z: Vec<f32>,
    /// From the camera, millimetres; NaN where nothing is to be drawn.
    depth: Vec<f32>,
}

/// Turns the cells of a window into the face frame.
struct Turn<'a> {
    surface: &'a Surface<'a>,
    pose: &'a Pose,
    window: Window,
}

impl Loops for Turn<'_> {
    type Output = Corners;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> Corners {
        let Pose {
            rotation: r,
            translation: t,
            camera,
        } = self.pose;
        let Window {
            top,
            left,
            bottom,
            right,
        } = self.window;
        // One vector more than the quads of a row begin in: they reach one cell further.
        let stride = (right - left).next_multiple_of(LANES) + LANES;
        let count = (bottom - top) * stride;
        let width = self.surface.patch.width;
        let mut corners = Corners {
            stride,
            first_cell: top * width + left,
            patch_width: width,
            x: vec![0.0; count],
            y: vec![0.0; count],
            z: vec![0.0; count],
            depth: vec![f32::NAN; count],
        };
        let slopes: Vec<f32> = (left..right)
            .map(|column| (column as f32 - camera.cx) / camera.fx)
            .collect();
        for row in top..bottom {
            let slope = (row as f32 - camera.cy) / camera.fy;
            let depth = &self.surface.depth[row * width + left..row * width + right];
            let first = (row - top) * stride;
            let to = first..first + depth.len();
            corners.depth[to.clone()].copy_from_slice(depth);
            let (x, y) = (&mut corners.x[to.clone()], &mut corners.y[to.clone()]);
            let cells = depth.iter().zip(&slopes);
            let places = x.iter_mut().zip(y).zip(&mut corners.z[to]);
            for ((depth, across), ((x, y), z)) in cells.zip(places) {
                let p = [across * depth - t.x, slope * depth - t.y, depth - t.z];
                let back =
                    |axis: usize| r[(0, axis)] * p[0] + r[(1, axis)] * p[1] + r[(2, axis)] * p[2];
                *x = (back(0) - GRID_LEFT_MM) / GRID_STEP_MM - 0.5;
                *y = (back(1) - GRID_TOP_MM) / GRID_STEP_MM - 0.5;
                *z = back(2);
            }
        }
        corners
    }
}

/// Draws all quads, as two triangles each. Those that lie between the middles of the grid's cells, or beside it,
/// or on no surface, fall out first.
///
/// ```text
/// for 8 quads of a row
///     for every cell that one of them may cover, counted from the first of each
///         where its middle is inside a triangle, and nearer than what the cell shows: the cell shows this
/// ```
struct Paint<'a> {
    corners: &'a Corners,
    canvas: &'a mut Canvas,
}

impl Loops for Paint<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Corners { stride, depth, .. } = self.corners;
        for row in 1..depth.len() / stride {
            for column in (0..stride - LANES).step_by(LANES) {
                let quads = Quads::of(self.corners, row * stride + column);
                if quads.columns == 0 || quads.rows == 0 {
                    continue;
                }
                let [a, b, c, d] = [0, 1, 2, 3].map(|corner| quads.corner(self.corners, corner));
                let upper = Triangles::of([a, b, c], quads.upper);
                let lower = Triangles::of([b, d, c], quads.lower);
                let cell = self.corners.first_cell + row * self.corners.patch_width + column;
                for down in 0..quads.rows {
                    for aside in 0..quads.columns {
                        let points = quads.points(aside as f32, down as f32);
                        let places = (upper.at(&points), lower.at(&points));
                        show(lanes, self.canvas, cell, &points, &places);
                    }
                }
            }
        }
    }
}

/// Where eight quads may be seen.
struct Quads {
    /// Their corners.
    at: [usize; 4],
    /// First column and row of the grid that each may cover, and the one after the last.
    left: Eight,
    right: Eight,
    top: Eight,
    bottom: Eight,
    /// Whether their triangles lie on one surface.
    upper: [bool; LANES],
    lower: [bool; LANES],
    /// The most that any of those that do may cover.
    columns: u32,
    rows: u32,
}

/// The middle of one cell for each of eight quads.
struct Points {
    column: Eight,
    row: Eight,
    /// The cell of the grid, or any where `inside` is not set.
    cell: [u32; LANES],
    /// Whether the quad may cover it.
    inside: [bool; LANES],
}

impl Quads {
    /// Those whose lower left corners are the eight from `first` on.
    #[inline(always)]
    fn of(corners: &Corners, first: usize) -> Self {
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
            // Of a quad above or below the grid no column counts, nor a row of one beside it.
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
    fn corner(&self, corners: &Corners, corner: usize) -> [Eight; 3] {
        [&corners.x, &corners.y, &corners.z].map(|axis| eight(axis, self.at[corner]))
    }

    /// The cells that lie so far right of and below the first of each.
    #[inline(always)]
    fn points(&self, aside: f32, down: f32) -> Points {
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

/// Where the cells begin, along one axis, that each of eight quads may cover, and where they end.
#[inline(always)]
fn ends([a, b, c, d]: [Eight; 4], size: usize) -> (Eight, Eight) {
    let (mut first, mut end) = ([0.0; LANES], [0.0; LANES]);
    for k in 0..LANES {
        // Where a triangle is drawn, b and c are on the surface; a or d may not be, and then is NaN.
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
struct Triangles {
    /// First corner: column, row, z.
    a: [Eight; 3],
    /// The other two, from there.
    b: [Eight; 3],
    c: [Eight; 3],
    z: [Eight; 3],
    /// One over their area; NaN for those that are not drawn.
    inverse: Eight,
}

/// Where points lie in eight triangles.
struct Places {
    /// Shares of the second corner and the third; the first has what is left.
    beta: Eight,
    gamma: Eight,
    /// Infinite where they lie outside.
    z: Eight,
}

impl Triangles {
    #[inline(always)]
    fn of([a, b, c]: [[Eight; 3]; 3], drawn: [bool; LANES]) -> Self {
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
    fn at(&self, points: &Points) -> Places {
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
            // Not so for NaN.
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

/// Shows what eight quads, from `quad` on, have at some points where they are the nearest surface.
#[inline(always)]
fn show<L: Lanes>(
    lanes: L,
    canvas: &mut Canvas,
    quad: usize,
    points: &Points,
    (upper, lower): &(Places, Places),
) {
    let mut nearest = [0.0; LANES];
    for k in 0..LANES {
        nearest[k] = least(lower.z[k], upper.z[k]);
    }
    // Of eight points, two or three lie in the quad that they are looked for in.
    let mut met = lanes.below(lanes.load(&nearest), f32::INFINITY);
    while met != 0 {
        let k = met.trailing_zeros() as usize;
        met &= met - 1;
        let cell = points.cell[k] as usize;
        if nearest[k] < canvas.depth[cell] {
            let lower_wins = lower.z[k] < upper.z[k];
            let winner = if lower_wins { lower } else { upper };
            let (beta, gamma) = (winner.beta[k], winner.gamma[k]);
            canvas.depth[cell] = nearest[k];
            canvas.seen[cell] = Seen {
                quad: (quad + k) as u32,
                lower: lower_wins,
                shares: [1.0 - beta - gamma, beta, gamma],
            };
        }
    }
}
