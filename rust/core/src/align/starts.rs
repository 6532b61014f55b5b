//! What a candidate shows before a fit: poses to start from, and the brightness of its skin.

use nalgebra::Vector3;

use super::fit::Start;
use super::locate::Candidate;
use super::patch::Patch;
use super::rays::Usable;
use crate::input::views::Camera;
use crate::simd::{Kernel, Lanes, Loops};

/// Where the eye line may be below the top of the silhouette, millimetres.
const EYE_LINES_MM: [f32; 4] = [75.0, 100.0, 125.0, 150.0];
/// The same where the frame may have cut the head's top off.
const EYE_LINES_CUT_MM: [f32; 4] = [35.0, 70.0, 105.0, 140.0];
/// Distance from the middle of the head to the eye line, millimetres.
const HEAD_RADIUS_MM: f32 = 90.0;
/// Yaws and pitches of the head at the start, degrees.
const START_YAWS_DEG: [f32; 3] = [-25.0, 0.0, 25.0];
const START_PITCHES_DEG: [f32; 3] = [-15.0, 5.0, 25.0];
/// Quantile of the brightness in the middle of a candidate that is bright skin.
const SKIN_QUANTILE: f32 = 0.6;

/// Poses to start from. The head turns about its own middle, which lies below the middle of the silhouette.
pub(super) fn starts(candidate: &Candidate, camera: &Camera, usable: &Usable) -> Vec<Start> {
    let z = candidate.near_mm + 20.0;
    let lines = if candidate.touches_top {
        EYE_LINES_CUT_MM
    } else {
        EYE_LINES_MM
    };
    let mut starts = Vec::with_capacity(36);
    for line in lines {
        let row = candidate.top + line * camera.fy / candidate.near_mm;
        let middle = camera.unproject(candidate.center, row, z);
        let eyes = Vector3::new(
            face_middle(usable, &middle).unwrap_or(middle.x),
            middle.y,
            z,
        );
        for yaw in START_YAWS_DEG.map(f32::to_radians) {
            for pitch in START_PITCHES_DEG.map(f32::to_radians) {
                let forward = HEAD_RADIUS_MM
                    * Vector3::new(-yaw.sin(), pitch.sin(), -yaw.cos() * pitch.cos());
                let origin = eyes + Vector3::new(0.0, 0.0, HEAD_RADIUS_MM) + forward;
                starts.push(Start { origin, yaw, pitch });
            }
        }
    }
    starts
}

/// Horizontal middle (x, millimetres) of a face whose eye line is at `eyes`: of the usable cells from brows to upper
/// lip. As hair may hang on one side, this is nearer to the truth than the middle of the silhouette.
fn face_middle(usable: &Usable, eyes: &Vector3<f32>) -> Option<f32> {
    let patch = usable.patch;
    let at = |dx: f32, dy: f32| patch.camera.project(&(eyes + Vector3::new(dx, dy, 0.0)));
    let ((left, top), (right, bottom)) = (at(-110.0, -20.0), at(110.0, 50.0));
    let clamp = |value: f32, limit: usize| value.clamp(0.0, limit as f32) as usize;
    let columns = clamp(left, patch.width)..clamp(right, patch.width);
    let (mut sum, mut count) = (0, 0);
    for row in clamp(top, patch.height)..clamp(bottom, patch.height) {
        let cells = row * patch.width + columns.start..row * patch.width + columns.end;
        let found = Kernel::fastest().run(FaceMiddle {
            depth: &patch.depth[cells.clone()],
            light: &patch.reflectance[cells],
            usable,
        });
        count += found.0;
        sum += found.1 + found.0 * columns.start as u32;
    }
    let middle = || sum as f32 / count as f32;
    (count > 100).then(|| patch.camera.unproject(middle(), 0.0, eyes.z).x)
}

/// Counts the usable cells of a row, and adds up their columns.
struct FaceMiddle<'a> {
    depth: &'a [f32],
    light: &'a [f32],
    usable: &'a Usable<'a>,
}

impl Loops for FaceMiddle<'_> {
    type Output = (u32, u32);

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> (u32, u32) {
        let cells = self.depth.iter().zip(self.light).zip(0..);
        cells.fold((0, 0), |(count, sum), ((&z, &light), column)| {
            let counts = (z > 0.0) & (light >= self.usable.min_reflectance);
            (
                count + u32::from(counts),
                sum + if counts { column } else { 0 },
            )
        })
    }
}

/// Reflectance of bright skin: a quantile over the middle of the candidate.
pub(super) fn skin_level(patch: &Patch, camera: &Camera, candidate: &Candidate) -> f32 {
    let mm = patch.camera.fx / candidate.near_mm;
    let scale = patch.camera.fx / camera.fx;
    let middle = (candidate.center - candidate.region.left as f32) * scale;
    let top = (candidate.top - candidate.region.top as f32) * scale;
    let clamp = |value: f32, limit: usize| value.clamp(0.0, limit as f32) as usize;
    let columns = clamp(middle - 50.0 * mm, patch.width)..clamp(middle + 50.0 * mm, patch.width);
    let rows = clamp(top + 50.0 * mm, patch.height)..clamp(top + 190.0 * mm, patch.height);
    let mut values: Vec<f32> = rows
        .flat_map(|row| {
            columns
                .clone()
                .map(move |column| row * patch.width + column)
        })
        .filter(|&at| patch.depth[at] > 0.0)
        .map(|at| patch.reflectance[at])
        .collect();
    if values.is_empty() {
        return 0.0;
    }
    let at = ((values.len() - 1) as f32 * SKIN_QUANTILE) as usize;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}
