//! From a fitted patch to a metric, frontal map of the face.
//!
//! The patch is triangulated, turned into the face frame and drawn by orthographic z-buffer on the grid of
//! [`crate::head_model`], so that distance and pose no longer matter. The network's tensor is made of it in
//! `normalise.rs`: four channels, depth relative to the mean face, and locally normalised log reflectance in red,
//! green and blue; infrared stands in for all three. Missing cells are 0, the mean of each.
#![allow(
    clippy::inline_always,
    reason = "loops of a kernel must become part of the function that enables its instruction set"
)]

use nalgebra::Vector3;

use crate::depth::{Patch, TEAR_MM};
use crate::distance::{Kernel, LANES, Lanes, Loops};
use crate::frame::{floor, least, most, whole};
use crate::head_model::{GRID_HEIGHT, GRID_LEFT_MM, GRID_STEP_MM, GRID_TOP_MM, GRID_WIDTH};
use crate::pose::Pose;
use crate::surface::Surface;

/// Cells of the grid.
pub const CELLS: usize = GRID_WIDTH * GRID_HEIGHT;
/// Channels of the tensor: depth, red, green, blue.
pub const CHANNELS: usize = 4;

/// Frontal maps of a face.
#[derive(Debug, Clone)]
pub struct Maps {
    /// Face-frame z in millimetres; meaningless where not `valid`.
    pub depth: Vec<f32>,
    /// Log reflectance: red, green and blue, or infrared; meaningless where not `valid`.
    pub light: Vec<Vec<f32>>,
    /// Cells that some surface covers.
    pub valid: Vec<bool>,
}

/// A rectangle of the patch's cells, end exclusive.
#[derive(Clone, Copy)]
struct Window {
    top: usize,
    left: usize,
    bottom: usize,
    right: usize,
}

/// Depth of a face in its own frame reaches from before the nose tip to behind the cheeks, millimetres.
const FACE_DEPTH_MM: [f32; 2] = [-70.0, 90.0];

/// The cells that can fall on the grid: the projection of the box around the face.
fn window(patch: &Patch, pose: &Pose) -> Window {
    let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    let right_mm = GRID_LEFT_MM + GRID_WIDTH as f32 * GRID_STEP_MM;
    let bottom_mm = GRID_TOP_MM + GRID_HEIGHT as f32 * GRID_STEP_MM;
    for x in [GRID_LEFT_MM, right_mm] {
        for y in [GRID_TOP_MM, bottom_mm] {
            for z in FACE_DEPTH_MM {
                let p = pose.rotation * Vector3::new(x, y, z) + pose.translation;
                let (u, v) = pose.camera.project(&p);
                low = [low[0].min(u), low[1].min(v)];
                high = [high[0].max(u), high[1].max(v)];
            }
        }
    }
    let clamp = |value: f32, limit: usize| value.clamp(0.0, limit as f32) as usize;
    Window {
        left: clamp(low[0], patch.width),
        top: clamp(low[1], patch.height),
        right: clamp(high[0] + 2.0, patch.width),
        bottom: clamp(high[1] + 2.0, patch.height),
    }
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

/// What the grid shows: the nearest surface to the viewer.
struct Canvas {
    depth: Vec<f32>,
    /// The triangle that is seen in each cell, and where in it.
    seen: Vec<Seen>,
}

/// A place in a triangle.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// The patch's cells that are its corners.
    cells: [u32; 3],
    /// Barycentric coordinates.
    shares: [f32; 3],
}

/// Draws all quads, as two triangles each. Most of them lie between the middles of the grid's cells, or beside
/// it, or on no surface; these fall out eight at a time.
struct Paint<'a> {
    corners: &'a Corners,
    canvas: &'a mut Canvas,
}

impl Loops for Paint<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Corners {
            stride,
            first_cell,
            patch_width,
            x,
            y,
            depth,
            ..
        } = self.corners;
        for row in 1..depth.len() / stride {
            for column in (0..stride - LANES).step_by(LANES) {
                // The corners of eight quads, and their cells of the patch.
                let (first, cell) = (
                    row * stride + column,
                    first_cell + row * patch_width + column,
                );
                let at = [first - stride, first - stride + 1, first, first + 1];
                let seen = [cell - patch_width, cell - patch_width + 1, cell, cell + 1];
                let (left, right) = ends(at, x, GRID_WIDTH);
                let (top, bottom) = ends(at, y, GRID_HEIGHT);
                let [upper, lower] = whole_triangles(at, depth);
                let mut drawn = [0_u32; LANES];
                for k in 0..LANES {
                    let some = u32::from((left[k] < right[k]) & (top[k] < bottom[k]));
                    drawn[k] = some * (upper[k] | (lower[k] << 1));
                }
                if drawn == [0; LANES] {
                    continue;
                }
                for k in 0..LANES {
                    let [a, b, c, d] =
                        [0, 1, 2, 3].map(|corner| (at[corner] + k, seen[corner] + k));
                    let cells = [left[k], right[k], top[k], bottom[k]];
                    if drawn[k] & 1 != 0 {
                        fill(self.canvas, self.corners, [a, b, c], cells);
                    }
                    if drawn[k] & 2 != 0 {
                        fill(self.canvas, self.corners, [b, d, c], cells);
                    }
                }
            }
        }
    }
}

/// The first cell of the grid, along one axis, that each of eight quads may cover, and the one after the last.
#[inline(always)]
fn ends(at: [usize; 4], values: &[f32], size: usize) -> ([i32; LANES], [i32; LANES]) {
    let [a, b, c, d] = at.map(|first| eight(values, first));
    let (mut first, mut end) = ([0; LANES], [0; LANES]);
    for k in 0..LANES {
        // In this order a NaN, of a corner that is not drawn, is passed over.
        let corners = [a[k], b[k], c[k], d[k]];
        let low = corners
            .into_iter()
            .fold(f32::INFINITY, |low, x| least(x, low));
        let high = corners
            .into_iter()
            .fold(f32::NEG_INFINITY, |high, x| most(x, high));
        first[k] = whole(most(-floor(-low), 0.0));
        end[k] = whole(least(floor(high) + 1.0, size as f32));
    }
    (first, end)
}

/// Which of eight quads' upper and lower triangles lie on one surface: 1 or 0.
#[inline(always)]
fn whole_triangles(at: [usize; 4], depth: &[f32]) -> [[u32; LANES]; 2] {
    let [a, b, c, d] = at.map(|first| eight(depth, first));
    let near = |z: f32, other: f32| (z - other).abs() <= TEAR_MM;
    let mut triangles = [[0; LANES]; 2];
    for k in 0..LANES {
        let shared = near(b[k], c[k]);
        triangles[0][k] = u32::from(shared & near(a[k], b[k]) & near(a[k], c[k]));
        triangles[1][k] = u32::from(shared & near(b[k], d[k]) & near(c[k], d[k]));
    }
    triangles
}

#[inline(always)]
fn eight(values: &[f32], first: usize) -> [f32; LANES] {
    values[first..].as_chunks().0[0]
}

/// Draws one triangle, of corners and the patch's cells that they are, on some cells of the grid; the surface
/// nearest to the viewer (least z) wins.
#[inline(always)]
fn fill(
    canvas: &mut Canvas,
    corners: &Corners,
    triangle: [(usize, usize); 3],
    [left, right, top, bottom]: [i32; 4],
) {
    let [ax, bx, cx] = triangle.map(|(at, _)| corners.x[at]);
    let [ay, by, cy] = triangle.map(|(at, _)| corners.y[at]);
    let [az, bz, cz] = triangle.map(|(at, _)| corners.z[at]);
    let area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    if area.abs() < 1e-6 {
        return;
    }
    let inverse = 1.0 / area;
    let mut row = top;
    while row < bottom {
        let mut column = left;
        while column < right {
            let (x, y) = (column as f32, row as f32);
            let beta = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) * inverse;
            let gamma = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) * inverse;
            let alpha = 1.0 - beta - gamma;
            // A hair's breadth of tolerance: neighbouring triangles share their edges.
            if least(least(beta, gamma), alpha) >= -1e-5 {
                let z = alpha * az + beta * bz + gamma * cz;
                let at = row as usize * GRID_WIDTH + column as usize;
                if z < canvas.depth[at] {
                    canvas.depth[at] = z;
                    canvas.seen[at] = Seen {
                        cells: triangle.map(|(_, cell)| cell as u32),
                        shares: [alpha, beta, gamma],
                    };
                }
            }
            column += 1;
        }
        row += 1;
    }
}

/// Draws a surface on the grid as seen from the front of the face.
#[must_use]
pub fn draw(surface: &Surface, pose: &Pose) -> Maps {
    let kernel = Kernel::fastest();
    let window = window(surface.patch, pose);
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
    let Canvas { depth, seen } = canvas;
    let valid: Vec<bool> = depth.iter().map(|z| z.is_finite()).collect();
    let light = surface.light.iter().map(|plane| {
        let cells = valid.iter().zip(&seen);
        cells
            .map(|(&valid, seen)| {
                let [a, b, c] = seen.cells.map(|cell| plane[cell as usize]);
                let [alpha, beta, gamma] = seen.shares;
                if valid {
                    alpha * a + beta * b + gamma * c
                } else {
                    0.0
                }
            })
            .collect()
    });
    let mut maps = Maps {
        light: light.collect(),
        depth,
        valid,
    };
    close_pinholes(&mut maps);
    maps
}

/// Fills single missing cells from their neighbours: at least five of eight must be there.
fn close_pinholes(maps: &mut Maps) {
    let before = maps.valid.clone();
    for row in 1..GRID_HEIGHT - 1 {
        for column in 1..GRID_WIDTH - 1 {
            let at = row * GRID_WIDTH + column;
            if before[at] {
                continue;
            }
            let around = [at - GRID_WIDTH - 1, at - 1, at + GRID_WIDTH - 1];
            let near = || {
                around
                    .into_iter()
                    .flat_map(|first| first..first + 3)
                    .filter(|&k| before[k])
            };
            let count = near().count();
            if count >= 5 {
                for plane in std::iter::once(&mut maps.depth).chain(&mut maps.light) {
                    plane[at] = near().map(|k| plane[k]).sum::<f32>() / count as f32;
                }
                maps.valid[at] = true;
            }
        }
    }
}

impl Maps {
    /// Share of the grid's cells with depth.
    #[must_use]
    pub fn valid_share(&self) -> f32 {
        self.valid.iter().filter(|&&valid| valid).count() as f32 / CELLS as f32
    }
}
