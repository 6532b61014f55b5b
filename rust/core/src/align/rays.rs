//! Where the viewing rays of the model's points meet the depth map.

use super::head_model::Axes;
use super::patch::{Patch, TEAR_MM};
use super::pose::Pose;
use crate::simd::{Kernel, LANES, Lanes, Loops, floor, least, most, whole};

/// Points whose normal is further from the viewing direction than this (cosine) are not used.
const MIN_COSINE: f32 = 0.25;
/// Stands for the light of four cells that are not one surface; any light is at least 0.
const TORN: f32 = -1.0;

/// The cells that a fit looks at, and whether dark ones count.
#[derive(Clone, Copy)]
pub struct Usable<'a> {
    /// The patch.
    pub patch: &'a Patch,
    /// The quads of this patch.
    pub quads: &'a Quads,
    /// Cells darker than this may be hair.
    pub min_reflectance: f32,
    /// Whether dark cells are used where they agree with the model. While the pose is unknown they are not:
    /// hair misleads the fit. Once it is known, brows and beards belong to the face.
    pub dark_counts: bool,
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
}

/// The quads of a patch: every cell with its neighbours to the right and below.
#[derive(Debug)]
pub struct Quads {
    /// The lowest reflectance of the four, or [`TORN`] where they are not one surface.
    light: Vec<f32>,
}

impl Quads {
    /// Finds the quads of a patch.
    #[must_use]
    pub fn of(patch: &Patch) -> Self {
        let mut light = vec![TORN; patch.width * patch.height];
        if patch.width > 0 {
            Kernel::fastest().run(FindQuads {
                patch,
                light: &mut light,
            });
        }
        Self { light }
    }
}

struct FindQuads<'a> {
    patch: &'a Patch,
    light: &'a mut [f32],
}

impl Loops for FindQuads<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Patch {
            width,
            height,
            depth,
            reflectance,
            ..
        } = self.patch;
        let count = width - 1;
        for row in 1..*height {
            let (above, here) = ((row - 1) * width, row * width);
            let corners = [above, above + 1, here, here + 1];
            let depths = corners.map(|first| &depth[first..first + count]);
            let lights = corners.map(|first| &reflectance[first..first + count]);
            for (at, quad) in self.light[above..above + count].iter_mut().enumerate() {
                let [a, b, c, d] = depths.map(|row| row[at]);
                let low = least(least(a, b), least(c, d));
                let high = most(most(a, b), most(c, d));
                let whole = (low > 0.0) & (high - low <= TEAR_MM);
                let [e, f, g, h] = lights.map(|row| row[at]);
                let light = least(least(e, f), least(g, h));
                *quad = if whole { light } else { TORN };
            }
        }
    }
}

/// Where the rays of eight points meet the surface.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Intersections {
    /// Distance of the camera along the point's normal, millimetres.
    pub along: [f32; LANES],
    /// Depth of the point, millimetres.
    pub z: [f32; LANES],
    /// Depth of the surface along the same ray, millimetres; meaningless where `light` is [`TORN`].
    pub surface: [f32; LANES],
    /// The lowest reflectance of the quad that is met, or [`TORN`] if there is none or the point faces away.
    pub light: [f32; LANES],
}

impl Intersections {
    /// For points whose rays meet nothing.
    const NOTHING: Self = Self {
        along: [0.0; LANES],
        z: [1.0; LANES],
        surface: [0.0; LANES],
        light: [TORN; LANES],
    };

    /// Depth of the surface less that of the point, for points that meet one that is not dark.
    pub fn gaps(&self, usable: &Usable) -> impl Iterator<Item = f32> {
        let least = usable.min_reflectance.max(0.0);
        let points = self.surface.iter().zip(&self.z).zip(&self.light);
        points
            .filter(move |&(_, &light)| light >= least)
            .map(|((surface, z), _)| surface - z)
    }
}

/// Casts a ray through each point, bent or not, at a pose. Returns how many points face the camera.
pub(crate) fn cast_rays(
    met: &mut Vec<Intersections>,
    points: &Axes,
    normals: &Axes,
    usable: &Usable,
    pose: &Pose,
) -> u32 {
    met.resize(points[0].len(), Intersections::default());
    Kernel::fastest().run(CastRays {
        met,
        points,
        normals,
        usable,
        pose,
    })
}

struct CastRays<'a> {
    met: &'a mut [Intersections],
    points: &'a Axes,
    normals: &'a Axes,
    usable: &'a Usable<'a>,
    pose: &'a Pose,
}

/// The cells in which eight points are seen, and their place between these and the next cells.
struct Places {
    /// Whether a point faces the camera and is seen in the patch; if not, its cell is the first one.
    inside: [bool; LANES],
    cell: [u32; LANES],
    right: [f32; LANES],
    down: [f32; LANES],
}

impl Loops for CastRays<'_> {
    type Output = u32;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> u32 {
        let patch = self.usable.patch;
        let (depth, light) = (&patch.depth[..], &self.usable.quads.light[..]);
        assert_eq!(depth.len(), light.len(), "quads of another patch");
        if patch.width < 2 || patch.height < 2 {
            self.met.fill(Intersections::NOTHING);
            return 0;
        }
        // Cosine of normal and ray without turning every normal: compare in the face frame.
        let eye = -(self.pose.rotation.transpose() * self.pose.translation);
        let mut facing = 0;
        for (at, met) in self.met.iter_mut().enumerate() {
            let [points, normals] =
                [self.points, self.normals].map(|all| all.each_ref().map(|axis| &axis[at]));
            let mut faces = [0; LANES];
            let mut found = Intersections::default();
            for k in 0..LANES {
                let [x, y, z] = [0, 1, 2].map(|axis| eye[axis] - points[axis][k]);
                let along = normals[0][k] * x + normals[1][k] * y + normals[2][k] * z;
                let far = MIN_COSINE * MIN_COSINE * (x * x + y * y + z * z);
                faces[k] = u32::from((along > 0.0) & (along * along >= far));
                found.along[k] = along;
            }
            let places = places(self.usable.patch, self.pose, points, &faces, &mut found.z);
            let mut corners = [[0.0; LANES]; 4];
            for k in 0..LANES {
                let above = places.cell[k] as usize;
                let below = above + patch.width;
                found.light[k] = light[above];
                let (upper, lower) = (&depth[above..above + 2], &depth[below..below + 2]);
                [corners[0][k], corners[1][k]] = [upper[0], upper[1]];
                [corners[2][k], corners[3][k]] = [lower[0], lower[1]];
            }
            for k in 0..LANES {
                let light = found.light[k];
                found.light[k] = if places.inside[k] { light } else { TORN };
            }
            for k in 0..LANES {
                let [a, b, c, d] = corners.map(|depths| depths[k]);
                let (upper, lower) = (a + places.right[k] * (b - a), c + places.right[k] * (d - c));
                found.surface[k] = upper + places.down[k] * (lower - upper);
            }
            facing += faces.iter().sum::<u32>();
            *met = found;
        }
        facing
    }
}

/// The places of those of eight points that face the camera.
#[inline(always)]
fn places(
    patch: &Patch,
    pose: &Pose,
    points: [&[f32; LANES]; 3],
    faces: &[u32; LANES],
    depth: &mut [f32; LANES],
) -> Places {
    let Pose {
        rotation: r,
        translation: t,
        camera,
    } = pose;
    let (right_end, bottom_end) = (patch.width as f32 - 1.0, patch.height as f32 - 1.0);
    let stride = patch.width as u32;
    let mut places = Places {
        inside: [false; LANES],
        cell: [0; LANES],
        right: [0.0; LANES],
        down: [0.0; LANES],
    };
    for k in 0..LANES {
        let [x, y, z] = points.map(|axis| axis[k]);
        let turned = |row: usize| r[(row, 0)] * x + r[(row, 1)] * y + r[(row, 2)] * z + t[row];
        let z = turned(2);
        depth[k] = z;
        let inverse = 1.0 / z;
        let u = camera.fx * turned(0) * inverse + camera.cx;
        let v = camera.fy * turned(1) * inverse + camera.cy;
        let inside = (faces[k] != 0)
            & (z > 1.0)
            & (u >= 0.0)
            & (v >= 0.0)
            & (u < right_end)
            & (v < bottom_end);
        let (column, row) = (floor(u), floor(v));
        places.right[k] = u - column;
        places.down[k] = v - row;
        let cell = (whole(row) as u32)
            .wrapping_mul(stride)
            .wrapping_add(whole(column) as u32);
        places.inside[k] = inside;
        places.cell[k] = if inside { cell } else { 0 };
    }
    places
}
