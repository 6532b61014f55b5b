//! From a fitted patch to the network's tensor: a metric, frontal map of the face.
//!
//! The patch is triangulated, turned into the face frame and drawn by orthographic z-buffer on the grid of
//! [`crate::head_model`], so that distance and pose no longer matter. Four channels: depth relative to the
//! mean face, and locally normalised log reflectance in red, green and blue; infrared stands in for all
//! three. Missing cells are 0, the mean of each.

use nalgebra::{Matrix3, Vector3};

use crate::depth::{Patch, TEAR_MM};
use crate::frame::floor;
use crate::head_model::{GRID_HEIGHT, GRID_LEFT_MM, GRID_STEP_MM, GRID_TOP_MM, GRID_WIDTH};
use crate::pose::Pose;

/// Cells of the grid.
pub const CELLS: usize = GRID_WIDTH * GRID_HEIGHT;
/// Channels of the tensor: depth, red, green, blue.
pub const CHANNELS: usize = 4;
/// Depth beside holes and edges mixes two surfaces; so many cells are removed there.
const ERODED_CELLS: usize = 2;
/// One unit of the depth channel, millimetres, and its limit in units.
const DEPTH_UNIT_MM: f32 = 10.0;
const DEPTH_LIMIT: f32 = 2.5;
/// Width of the neighbourhood that the intensity is normalised over: 12 mm.
const BLUR_SIGMA_CELLS: f32 = 12.0 / GRID_STEP_MM;
const BLUR_RADIUS: usize = 15;
/// Keeps noise on an even skin from being blown up to full contrast.
const CONTRAST_FLOOR: f32 = 0.08;
const INTENSITY_LIMIT: f32 = 3.0;

/// Frontal maps of a face.
#[derive(Debug, Clone)]
pub struct Maps {
    /// Face-frame z in millimetres; meaningless where not `valid`.
    pub depth: Vec<f32>,
    /// Log reflectance: red, green and blue, or infrared three times; meaningless where not `valid`.
    pub light: Vec<[f32; 3]>,
    /// Cells that some surface covers.
    pub valid: Vec<bool>,
    /// Whether the three reflectances are one.
    pub gray: bool,
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

/// What of a patch can be drawn, whatever the pose: the cells that lie safely on one surface, and their light.
#[derive(Debug)]
pub struct Surface<'a> {
    patch: &'a Patch,
    keep: Vec<bool>,
    /// Log reflectance: red, green and blue, or infrared three times; 0 where not kept.
    light: Vec<[f32; 3]>,
}

impl<'a> Surface<'a> {
    /// Looks for edges and holes, and takes the logarithms.
    #[must_use]
    pub fn of(patch: &'a Patch) -> Self {
        let keep = solid(patch);
        let mut light = vec![[0.0; 3]; keep.len()];
        for (at, light) in light.iter_mut().enumerate().filter(|&(at, _)| keep[at]) {
            *light = patch.color.get(at).map_or_else(
                || [patch.reflectance[at].max(1e-3).ln(); 3],
                |color| color.map(|channel| channel.max(1e-3).ln()),
            );
        }
        Self { patch, keep, light }
    }
}

/// Cells that lie safely on one surface.
fn solid(patch: &Patch) -> Vec<bool> {
    let (width, height) = (patch.width, patch.height);
    let mut keep: Vec<bool> = patch.depth.iter().map(|&z| z > 0.0).collect();
    let torn = |z: f32, other: f32| other > 0.0 && z - other > TEAR_MM;
    for row in 0..height {
        for column in 0..width {
            let at = row * width + column;
            let z = patch.depth[at];
            keep[at] &= !((row > 0 && torn(z, patch.depth[at - width]))
                || (row + 1 < height && torn(z, patch.depth[at + width]))
                || (column > 0 && torn(z, patch.depth[at - 1]))
                || (column + 1 < width && torn(z, patch.depth[at + 1])));
        }
    }
    for _ in 0..ERODED_CELLS {
        let before = keep.clone();
        for row in 0..height {
            for column in 0..width {
                let at = row * width + column;
                // The patch's own edge is not a hole.
                keep[at] &= (row == 0 || before[at - width])
                    && (row + 1 == height || before[at + width])
                    && (column == 0 || before[at - 1])
                    && (column + 1 == width || before[at + 1]);
            }
        }
    }
    keep
}

/// A corner of a triangle on the grid: position in cells, depth, log reflectance.
#[derive(Clone, Copy)]
struct Corner {
    x: f32,
    y: f32,
    z: f32,
    light: [f32; 3],
}

/// Draws a surface on the grid as seen from the front of the face.
#[must_use]
pub fn draw(surface: &Surface, pose: &Pose) -> Maps {
    let Surface { patch, keep, light } = surface;
    let window = window(patch, pose);
    let Pose {
        rotation,
        translation,
        camera,
    } = pose;
    let back = rotation.transpose();
    let outside = Corner {
        x: f32::NAN,
        y: 0.0,
        z: 0.0,
        light: [0.0; 3],
    };
    let mut corners = vec![outside; patch.depth.len()];
    for row in window.top..window.bottom {
        let ray_y = (row as f32 - camera.cy) / camera.fy;
        for column in window.left..window.right {
            let at = row * patch.width + column;
            if !keep[at] {
                continue;
            }
            let z = patch.depth[at];
            let ray_x = (column as f32 - camera.cx) / camera.fx;
            let face = back * (Vector3::new(ray_x * z, ray_y * z, z) - translation);
            corners[at] = Corner {
                x: (face.x - GRID_LEFT_MM) / GRID_STEP_MM - 0.5,
                y: (face.y - GRID_TOP_MM) / GRID_STEP_MM - 0.5,
                z: face.z,
                light: light[at],
            };
        }
    }
    let mut maps = Maps {
        depth: vec![f32::INFINITY; CELLS],
        light: vec![[0.0; 3]; CELLS],
        valid: vec![false; CELLS],
        gray: patch.color.is_empty(),
    };
    for row in window.top + 1..window.bottom {
        for column in window.left + 1..window.right {
            let at = row * patch.width + column;
            let quad = [at - patch.width - 1, at - patch.width, at - 1, at];
            let [a, b, c, d] = quad.map(|k| corners[k]);
            for (triangle, indices) in [([a, b, c], [0, 1, 2]), ([b, d, c], [1, 3, 2])] {
                if triangle.iter().any(|corner| corner.x.is_nan()) {
                    continue;
                }
                let depths = indices.map(|k: usize| patch.depth[quad[k]]);
                let low = depths[0].min(depths[1]).min(depths[2]);
                let high = depths[0].max(depths[1]).max(depths[2]);
                if high - low <= TEAR_MM {
                    fill(&mut maps, &triangle);
                }
            }
        }
    }
    for (valid, depth) in maps.valid.iter_mut().zip(&maps.depth) {
        *valid = depth.is_finite();
    }
    close_pinholes(&mut maps);
    maps
}

/// Draws one triangle; the surface nearest to the viewer (least z) wins.
fn fill(maps: &mut Maps, [a, b, c]: &[Corner; 3]) {
    let area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
    if area.abs() < 1e-6 {
        return;
    }
    let left = (-floor(-a.x.min(b.x).min(c.x))).max(0);
    let right = floor(a.x.max(b.x).max(c.x)).min(GRID_WIDTH as i32 - 1);
    let top = (-floor(-a.y.min(b.y).min(c.y))).max(0);
    let bottom = floor(a.y.max(b.y).max(c.y)).min(GRID_HEIGHT as i32 - 1);
    let inverse = 1.0 / area;
    for row in top..=bottom {
        for column in left..=right {
            let (x, y) = (column as f32, row as f32);
            let beta = ((x - a.x) * (c.y - a.y) - (c.x - a.x) * (y - a.y)) * inverse;
            let gamma = ((b.x - a.x) * (y - a.y) - (x - a.x) * (b.y - a.y)) * inverse;
            let alpha = 1.0 - beta - gamma;
            // A hair's breadth of tolerance: neighbouring triangles share their edges.
            if alpha < -1e-5 || beta < -1e-5 || gamma < -1e-5 {
                continue;
            }
            let z = alpha * a.z + beta * b.z + gamma * c.z;
            let at = row as usize * GRID_WIDTH + column as usize;
            if z < maps.depth[at] {
                maps.depth[at] = z;
                maps.light[at] = std::array::from_fn(|k| {
                    alpha * a.light[k] + beta * b.light[k] + gamma * c.light[k]
                });
            }
        }
    }
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
            let (mut depth, mut light, mut count) = (0.0, [0.0; 3], 0.0_f32);
            for near in [at - GRID_WIDTH - 1, at - 1, at + GRID_WIDTH - 1] {
                for k in (near..near + 3).filter(|&k| before[k]) {
                    depth += maps.depth[k];
                    for (sum, value) in light.iter_mut().zip(maps.light[k]) {
                        *sum += value;
                    }
                    count += 1.0;
                }
            }
            if count >= 5.0 {
                maps.depth[at] = depth / count;
                maps.light[at] = light.map(|sum| sum / count);
                maps.valid[at] = true;
            }
        }
    }
}

impl Maps {
    /// The network's input, channel by channel: depth, red, green, blue.
    #[must_use]
    pub fn tensor(&self, template: &[f32]) -> Vec<f32> {
        let mut tensor = vec![0.0; CHANNELS * CELLS];
        let (depth, colors) = tensor.split_at_mut(CELLS);
        for at in 0..CELLS {
            if self.valid[at] {
                depth[at] = ((self.depth[at] - template[at]) / DEPTH_UNIT_MM)
                    .clamp(-DEPTH_LIMIT, DEPTH_LIMIT);
            }
        }
        let mask: Vec<f32> = self
            .valid
            .iter()
            .map(|&valid| f32::from(u8::from(valid)))
            .collect();
        // What colours are compared with: the contrast of a gray picture of the same place.
        let gray = self.centred(&mask, |light| {
            if self.gray {
                light[0]
            } else {
                (light[0] + light[1] + light[2]) / 3.0
            }
        });
        let squares: Vec<f32> = gray.iter().map(|x| x * x).collect();
        let (mask_blur, gray_blur, square_blur) = (blur(&mask), blur(&gray), blur(&squares));
        let mut scale = vec![0.0; CELLS];
        for at in 0..CELLS {
            if self.valid[at] {
                let weight = mask_blur[at];
                let local = gray_blur[at] / weight;
                let deviation = (square_blur[at] / weight - local * local).max(0.0).sqrt();
                scale[at] = 1.0 / (deviation + CONTRAST_FLOOR);
            }
        }
        // Every channel loses its own mean over the neighbourhood, and with it the colour of the light.
        let normalise = |channel: &mut [f32], light: &[f32], light_blur: &[f32]| {
            for at in 0..CELLS {
                if self.valid[at] {
                    channel[at] = ((light[at] - light_blur[at] / mask_blur[at]) * scale[at])
                        .clamp(-INTENSITY_LIMIT, INTENSITY_LIMIT);
                }
            }
        };
        if self.gray {
            let (first, others) = colors.split_at_mut(CELLS);
            normalise(first, &gray, &gray_blur);
            for other in others.chunks_exact_mut(CELLS) {
                other.copy_from_slice(first);
            }
        } else {
            for (k, channel) in colors.chunks_exact_mut(CELLS).enumerate() {
                let light = self.centred(&mask, |light| light[k]);
                normalise(channel, &light, &blur(&light));
            }
        }
        tensor
    }

    /// A map of the light around its mean over the valid cells (so that squares do not cancel in single
    /// precision), 0 elsewhere.
    fn centred(&self, mask: &[f32], of: impl Fn(&[f32; 3]) -> f32) -> Vec<f32> {
        let count = mask.iter().sum::<f32>().max(1.0);
        let sum: f32 = self.light.iter().zip(mask).map(|(x, m)| of(x) * m).sum();
        let mean = sum / count;
        self.light
            .iter()
            .zip(mask)
            .map(|(x, m)| (of(x) - mean) * m)
            .collect()
    }

    /// Share of the grid's cells with depth.
    #[must_use]
    pub fn valid_share(&self) -> f32 {
        self.valid.iter().filter(|&&valid| valid).count() as f32 / CELLS as f32
    }
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

/// Gaussian blur of a grid, zero outside.
fn blur(map: &[f32]) -> Vec<f32> {
    static KERNEL: std::sync::LazyLock<[f32; 2 * BLUR_RADIUS + 1]> =
        std::sync::LazyLock::new(|| {
            let kernel: [f32; 2 * BLUR_RADIUS + 1] = std::array::from_fn(|k| {
                let x = (k as f32 - BLUR_RADIUS as f32) / BLUR_SIGMA_CELLS;
                (-0.5 * x * x).exp()
            });
            let sum: f32 = kernel.iter().sum();
            kernel.map(|weight: f32| weight / sum)
        });
    // Rows into a padded line, so that the inner loop runs over plain slices.
    let mut across = vec![0.0; CELLS];
    let mut line = [0.0; GRID_WIDTH + 2 * BLUR_RADIUS];
    for (input, output) in map
        .chunks_exact(GRID_WIDTH)
        .zip(across.chunks_exact_mut(GRID_WIDTH))
    {
        line[BLUR_RADIUS..BLUR_RADIUS + GRID_WIDTH].copy_from_slice(input);
        for (shift, weight) in KERNEL.iter().enumerate() {
            for (sum, value) in output.iter_mut().zip(&line[shift..shift + GRID_WIDTH]) {
                *sum += weight * value;
            }
        }
    }
    let mut down = vec![0.0; CELLS];
    for row in 0..GRID_HEIGHT {
        let output = &mut down[row * GRID_WIDTH..(row + 1) * GRID_WIDTH];
        let first = row.saturating_sub(BLUR_RADIUS);
        let last = (row + BLUR_RADIUS).min(GRID_HEIGHT - 1);
        for other in first..=last {
            let weight = KERNEL[other + BLUR_RADIUS - row];
            for (sum, value) in output
                .iter_mut()
                .zip(&across[other * GRID_WIDTH..(other + 1) * GRID_WIDTH])
            {
                *sum += weight * value;
            }
        }
    }
    down
}
