//! From a fitted patch to a metric, frontal map of the face.
//!
//! The patch is triangulated, turned into the face frame and drawn by an orthographic z-buffer on the grid of
//! [`super::grid`], so that distance and pose no longer matter. [`super::tensor`] turns the maps into the network's
//! input.

use nalgebra::Vector3;

use super::grid::{CELLS, GRID_HEIGHT, GRID_LEFT_MM, GRID_STEP_MM, GRID_TOP_MM, GRID_WIDTH};
use super::patch::Patch;
use super::pose::Pose;
use super::raster::{Window, ZBuffer, draw_triangles};
use super::surface::Surface;

/// Frontal maps of a face.
#[derive(Debug, Clone)]
pub struct Maps {
    /// Face-frame z in millimetres; meaningless where not `valid`.
    pub depth: Vec<f32>,
    /// Log reflectance: red, green and blue, or infrared; meaningless where not `valid`.
    pub light: Vec<Vec<f32>>,
    /// Cells that show a surface.
    pub valid: Vec<bool>,
    /// Share of each cell that rests on pixels that were filled, not measured; empty if none does.
    pub filled: Vec<f32>,
}

/// Range of depth of a face in its own frame, from before the nose tip to behind the cheeks, millimetres.
const FACE_DEPTH_MM: [f32; 2] = [-70.0, 90.0];

/// The cells of a patch that may fall on the grid: the projection of a box around the face.
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
    let (left, top) = (clamp(low[0], patch.width), clamp(low[1], patch.height));
    Window {
        left,
        top,
        // Never before the first, even where a pose is not finite.
        right: clamp(high[0] + 2.0, patch.width).max(left),
        bottom: clamp(high[1] + 2.0, patch.height).max(top),
    }
}

/// Draws a surface on the grid as seen from the front of the face.
#[must_use]
pub fn draw(surface: &Surface, pose: &Pose) -> Maps {
    let ZBuffer { depth, seen } = draw_triangles(surface, pose, window(surface.patch, pose));
    let valid: Vec<bool> = depth.iter().map(|z| z.is_finite()).collect();
    let mut light = vec![vec![0.0; CELLS]; surface.light.len()];
    let holes = &surface.patch.filled;
    let mut filled = vec![0.0; if holes.is_empty() { 0 } else { CELLS }];
    for (at, seen) in seen.iter().enumerate().filter(|&(at, _)| valid[at]) {
        let cells = seen.cells(surface.patch.width);
        let mixed = |plane: &[f32]| {
            let [a, b, c] = cells.map(|cell| plane[cell]);
            let [alpha, beta, gamma] = seen.shares;
            alpha * a + beta * b + gamma * c
        };
        for (light, plane) in light.iter_mut().zip(&surface.light) {
            light[at] = mixed(plane);
        }
        if !holes.is_empty() {
            filled[at] = mixed(holes);
        }
    }
    let mut maps = Maps {
        depth,
        light,
        valid,
        filled,
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
                let planes = std::iter::once(&mut maps.depth).chain(&mut maps.light);
                let filled = (!maps.filled.is_empty()).then_some(&mut maps.filled);
                for plane in planes.chain(filled) {
                    plane[at] = near().map(|k| plane[k]).sum::<f32>() / count as f32;
                }
                maps.valid[at] = true;
            }
        }
    }
}

impl Maps {
    /// Share of the grid whose depth was measured.
    #[must_use]
    pub fn valid_share(&self) -> f32 {
        (self.shown() - self.filled_within(0..CELLS)) / CELLS as f32
    }

    /// Share of what is shown that was filled, not measured.
    #[must_use]
    pub fn filled_share(&self) -> f32 {
        self.filled_within(0..CELLS) / self.shown().max(1.0)
    }

    /// How many of some cells were filled, not measured.
    pub(super) fn filled_within(&self, cells: impl Iterator<Item = usize>) -> f32 {
        cells.filter_map(|at| self.filled.get(at)).sum()
    }

    /// How many cells show a surface.
    fn shown(&self) -> f32 {
        self.valid.iter().filter(|&&valid| valid).count() as f32
    }
}
