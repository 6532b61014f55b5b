//! Orthographic z-buffer of a triangulated surface, eight quads at a time.

use super::grid::{CELLS, GRID_LEFT_MM, GRID_STEP_MM, GRID_TOP_MM};
use super::pose::Pose;
use super::surface::Surface;
use super::triangles::{Corners, Places, Points, Quads, Triangles};
use crate::simd::{Kernel, LANES, Lanes, Loops, least};

/// A rectangle of the patch's cells, end exclusive.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

/// Depth buffer of the grid: the surface nearest to the viewer.
pub(crate) struct ZBuffer {
    /// Face frame, millimetres; infinite where there is nothing.
    pub depth: Vec<f32>,
    /// What is seen; meaningless where there is nothing.
    pub seen: Vec<SurfacePoint>,
}

/// A place in a triangle of the patch.
#[derive(Clone, Copy, Default)]
pub(crate) struct SurfacePoint {
    /// The lower left cell of its quad.
    quad: u32,
    /// Whether it is the lower of the quad's two triangles.
    lower: bool,
    /// Barycentric coordinates.
    pub shares: [f32; 3],
}

impl SurfacePoint {
    /// The cells of the triangle's corners, in a patch of so many columns.
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

/// Draws a window of a surface, seen from the front of the face.
pub(crate) fn draw_triangles(surface: &Surface, pose: &Pose, window: Window) -> ZBuffer {
    let kernel = Kernel::fastest();
    let corners = kernel.run(TurnCorners {
        surface,
        pose,
        window,
    });
    let mut buffer = ZBuffer {
        depth: vec![f32::INFINITY; CELLS],
        seen: vec![SurfacePoint::default(); CELLS],
    };
    kernel.run(DrawTriangles {
        corners: &corners,
        buffer: &mut buffer,
    });
    buffer
}

/// Turns the cells of a window into the face frame.
struct TurnCorners<'a> {
    surface: &'a Surface<'a>,
    pose: &'a Pose,
    window: Window,
}

impl Loops for TurnCorners<'_> {
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
        // One vector more than there are quads in a row: they reach one cell further.
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

/// Draws all quads, as two triangles each. Quads that cover no middle of a grid cell, lie outside of the grid or on
/// no surface are skipped first.
///
/// ```text
/// for 8 quads of a row
///     for every cell that one of them may cover, counted from the first of each
///         where its middle is inside a triangle, and nearer than what the cell shows: the cell shows this
/// ```
struct DrawTriangles<'a> {
    corners: &'a Corners,
    buffer: &'a mut ZBuffer,
}

impl Loops for DrawTriangles<'_> {
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
                        show(lanes, self.buffer, cell, &points, &places);
                    }
                }
            }
        }
    }
}

/// Draws eight quads, from `quad` on, at some points where they are nearest.
#[inline(always)]
fn show<L: Lanes>(
    lanes: L,
    buffer: &mut ZBuffer,
    quad: usize,
    points: &Points,
    (upper, lower): &(Places, Places),
) {
    let mut nearest = [0.0; LANES];
    for k in 0..LANES {
        nearest[k] = least(lower.z[k], upper.z[k]);
    }
    // Of eight points, two or three lie in the quad that they are tested against.
    let mut met = lanes.below(lanes.load(&nearest), f32::INFINITY);
    while met != 0 {
        let k = met.trailing_zeros() as usize;
        met &= met - 1;
        let cell = points.cell[k] as usize;
        if nearest[k] < buffer.depth[cell] {
            let lower_wins = lower.z[k] < upper.z[k];
            let winner = if lower_wins { lower } else { upper };
            let (beta, gamma) = (winner.beta[k], winner.gamma[k]);
            buffer.depth[cell] = nearest[k];
            buffer.seen[cell] = SurfacePoint {
                quad: (quad + k) as u32,
                lower: lower_wins,
                shares: [1.0 - beta - gamma, beta, gamma],
            };
        }
    }
}
