//! Where the model's points meet the depth map: one viewing ray each, hair and fringes left out.

use nalgebra::Vector3;

use crate::depth::Patch;
use crate::frame::floor;
use crate::head_model::HeadModel;
use crate::pose::Pose;

/// Points whose normal is further from the viewing direction than this (cosine) are not used.
const MIN_COSINE: f32 = 0.25;
/// Dark cells count as face up to this residual, millimetres; further in front of it they are hair.
const DARK_CUTOFF_MM: f32 = 5.0;
/// Above this line (face frame, y down) whatever stands in front of the model is a fringe, however bright.
const FOREHEAD_MM: f32 = -18.0;
/// At most this share of the points may be excused as covered by hair.
const MAX_COVERED: f32 = 0.5;

/// What the fit looks at, and what it makes of dark cells.
#[derive(Clone, Copy)]
pub struct Usable<'a> {
    /// The patch.
    pub patch: &'a Patch,
    /// Cells darker than this may be hair.
    pub min_reflectance: f32,
    /// Whether dark cells are used where they agree with the model. While the pose is unknown they are not:
    /// hair misleads the fit. Once it is known, brows and beards belong to the face.
    pub dark_counts: bool,
}

/// Depth along a ray.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub mm: f32,
    pub dark: bool,
}

impl Usable<'_> {
    /// Share of the cells with depth that are dark, 0..1.
    #[must_use]
    pub fn dark_share(&self) -> f32 {
        let (mut dark, mut all) = (0_usize, 0_usize);
        for (&depth, &light) in self.patch.depth.iter().zip(&self.patch.reflectance) {
            if depth > 0.0 {
                all += 1;
                dark += usize::from(light < self.min_reflectance);
            }
        }
        dark as f32 / all.max(1) as f32
    }

    /// Depth along the ray through (u, v), interpolated between cells on one surface.
    #[inline]
    fn look(&self, u: f32, v: f32) -> Option<Seen> {
        let (column, row) = (floor(u), floor(v));
        if column < 0 || row < 0 {
            return None;
        }
        let (c, r) = (column as usize, row as usize);
        if c + 1 >= self.patch.width || r + 1 >= self.patch.height {
            return None;
        }
        let at = r * self.patch.width + c;
        let below = at + self.patch.width;
        let corners = [at, at + 1, below, below + 1];
        let d = corners.map(|k| self.patch.depth[k]);
        let low = d[0].min(d[1]).min(d[2]).min(d[3]);
        let high = d[0].max(d[1]).max(d[2]).max(d[3]);
        if low <= 0.0 || high - low > 25.0 {
            return None;
        }
        let (a, b) = (u - column as f32, v - row as f32);
        let upper = d[0] + a * (d[1] - d[0]);
        let lower = d[2] + a * (d[3] - d[2]);
        Some(Seen {
            mm: upper + b * (lower - upper),
            dark: corners
                .iter()
                .any(|&k| self.patch.reflectance[k] < self.min_reflectance),
        })
    }
}

/// Tukey's weight of a residual.
#[inline]
fn tukey(mm: f32, cutoff: f32) -> f32 {
    let x = mm / cutoff;
    if x.abs() < 1.0 {
        let y = 1.0 - x * x;
        y * y
    } else {
        0.0
    }
}

/// One model point's measurement.
#[derive(Clone, Copy)]
pub(crate) struct Residual {
    pub point: usize,
    pub mm: f32,
    /// Depth of the surface, millimetres.
    pub z: f32,
    dark: bool,
}

impl Residual {
    /// Tukey's weight; dark cells must agree much better than bright ones to count.
    #[inline]
    pub fn weight(&self, cutoff: f32) -> f32 {
        tukey(
            self.mm,
            if self.dark {
                cutoff.min(DARK_CUTOFF_MM)
            } else {
                cutoff
            },
        )
    }
}

pub(crate) struct Measured {
    pub residuals: Vec<Residual>,
    /// Points that look at the camera and are not covered by hair, with or without depth.
    pub facing: f32,
}

/// Calls `each(point, along, z, seen)` for the points that look at the camera and meet depth: how far the
/// camera lies along the point's normal, and the point's depth in millimetres. Returns how many look at
/// the camera.
pub(crate) fn measure(
    model: &HeadModel,
    points: &[Vector3<f32>],
    usable: &Usable,
    pose: &Pose,
    stride: usize,
    mut each: impl FnMut(usize, f32, f32, Seen),
) -> usize {
    let Pose {
        rotation,
        translation,
        camera,
    } = pose;
    // Cosine of normal and ray without turning every normal: compare in the face frame.
    let eye = -(rotation.transpose() * translation);
    let mut facing = 0;
    for at in (0..points.len()).step_by(stride) {
        let to_eye = eye - points[at];
        let along = model.normals[at].dot(&to_eye);
        if along <= 0.0 || along * along < MIN_COSINE * MIN_COSINE * to_eye.norm_squared() {
            continue;
        }
        facing += 1;
        let p = rotation * points[at] + translation;
        if p.z <= 1.0 {
            continue;
        }
        let (u, v) = camera.project(&p);
        if let Some(seen) = usable.look(u, v) {
            each(at, along, p.z, seen);
        }
    }
    facing
}

/// Residuals of the points that meet depth, hair left out.
pub(crate) fn residuals(
    model: &HeadModel,
    points: &[Vector3<f32>],
    usable: &Usable,
    pose: &Pose,
    stride: usize,
) -> Measured {
    let mut found = Vec::with_capacity(points.len() / stride + 1);
    let mut covered = 0_usize;
    let facing = measure(model, points, usable, pose, stride, |at, along, z, seen| {
        // n . (p - q) with q = p d / p.z on the same ray, and n . p = -along; negative where the
        // surface lies in front.
        let mm = along * (seen.mm / z - 1.0);
        let fringe = points[at].y < FOREHEAD_MM && mm < -DARK_CUTOFF_MM;
        if fringe || seen.dark && (!usable.dark_counts || mm.abs() > DARK_CUTOFF_MM) {
            covered += usize::from(mm < DARK_CUTOFF_MM);
        } else {
            found.push(Residual {
                point: at,
                mm,
                z: seen.mm,
                dark: seen.dark,
            });
        }
    }) as f32;
    Measured {
        residuals: found,
        facing: facing - (covered as f32).min(MAX_COVERED * facing),
    }
}
