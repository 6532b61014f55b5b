//! A learned correction of the fitted pose.
//!
//! The fit may trade pitch for shape, and it sees depth alone. What is left of its error shows in the aligned maps:
//! an eye too high, a nose bridge aslant. A linear map from the maps to the error, learned from renders whose pose is
//! known (`training/fitted/pose_correction.py`), takes out what it can. Then the maps are drawn again. Each stage is learned
//! on what the stages before it leave.

use nalgebra::Vector3;

use super::grid::CELLS;
use super::pose::Pose;
use crate::distance::Rows;
use crate::simd::Kernel;
use crate::{CoreError, Result};

/// Planes that a stage looks at: depth, and light as in a gray picture.
const PLANES: usize = 2;
/// A stage turns at most this much about each axis, degrees.
const MAX_TURN_DEG: f32 = 5.0;
/// And shifts at most this much along each, millimetres.
const MAX_SHIFT_MM: f32 = 6.0;
/// And leans the viewing rays at most this much, hundredths.
const MAX_LEAN: f32 = 10.0;
/// Numbers of a step: turns, shifts and, for a camera whose principal point is not known, slopes.
const STEP: usize = 8;

/// One linear map from the normalised maps to a pose step along the face's axes.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    /// 8 x 2 x 72 x 64: three turns in degrees, three shifts in millimetres, two slopes in hundredths.
    weights: Vec<f32>,
    offset: [f32; STEP],
}

/// Reads `weights` (S x 8 x 2 x 72 x 64) and `offsets` (S x 8); S may be 0.
pub(crate) fn stages(weights: &[f32], offsets: &[f32]) -> Result<Vec<Stage>> {
    if !offsets.len().is_multiple_of(STEP) {
        return Err(CoreError::invalid(
            "correction_offset",
            "rows of 8 numbers",
            offsets.len().to_string(),
        ));
    }
    let size = PLANES * CELLS;
    let count = offsets.len() / STEP;
    if weights.len() != count * STEP * size {
        return Err(CoreError::invalid(
            "correction",
            format!("{count} x 8 x {size} numbers"),
            weights.len().to_string(),
        ));
    }
    Ok(weights
        .chunks_exact(STEP * size)
        .zip(offsets.chunks_exact(STEP))
        .map(|(weights, offset)| Stage {
            weights: weights.to_vec(),
            offset: std::array::from_fn(|k| offset[k]),
        })
        .collect())
}

impl Stage {
    /// Corrects a pose by the planes that were drawn with it (see [`PLANES`]), and its principal point too if that is
    /// not known.
    pub(crate) fn apply(&self, planes: &[f32], pose: &mut Pose, leans: bool) {
        let mut said = [0.0; STEP];
        let rows = Rows {
            dim: PLANES * CELLS,
            values: &self.weights,
        };
        Kernel::fastest().scores(planes, rows, &mut said);
        let step: [f32; STEP] = std::array::from_fn(|k| {
            let limit = match k {
                0..3 => MAX_TURN_DEG,
                3..6 => MAX_SHIFT_MM,
                _ => MAX_LEAN,
            };
            let step = said[k] + self.offset[k];
            // Weights that overflow to NaN say nothing.
            if step.is_nan() {
                0.0
            } else {
                step.clamp(-limit, limit)
            }
        });
        if leans {
            pose.lean(0.01 * step[6], 0.01 * step[7]);
        }
        pose.step(
            &Vector3::new(step[0], step[1], step[2]).map(f32::to_radians),
            &Vector3::new(step[3], step[4], step[5]),
        );
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{Matrix3, Rotation3};

    use super::*;
    use crate::input::views::Camera;

    fn stage(weight: f32, offset: [f32; STEP]) -> Stage {
        let weights = vec![weight; STEP * PLANES * CELLS];
        stages(&weights, &offset).expect("valid").remove(0)
    }

    fn pose() -> Pose {
        Pose {
            rotation: Matrix3::identity(),
            translation: Vector3::new(0.0, 0.0, 900.0),
            camera: Camera::new(365.0, 365.0, 50.0, 60.0).expect("valid"),
        }
    }

    #[test]
    fn an_offset_moves_along_the_turned_axes() {
        let quarter = Rotation3::from_axis_angle(&Vector3::z_axis(), std::f32::consts::FRAC_PI_2);
        let mut pose = Pose {
            rotation: quarter.into_inner(),
            translation: Vector3::new(1.0, 2.0, 3.0),
            ..pose()
        };
        let planes = vec![0.0; PLANES * CELLS];
        stage(0.0, [0.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0]).apply(&planes, &mut pose, false);
        assert!((pose.translation - Vector3::new(1.0, 6.0, 3.0)).norm() < 1e-5);
        let turned = quarter.inverse() * Rotation3::from_matrix_unchecked(pose.rotation);
        let expected = Vector3::new(0.0, 3.0_f32.to_radians(), 0.0);
        assert!((turned.scaled_axis() - expected).norm() < 1e-5);
    }

    #[test]
    fn both_planes_count() {
        let mut planes = vec![0.0; PLANES * CELLS];
        (planes[7], planes[CELLS + 7]) = (-1.0, 3.0);
        let mut moved = pose();
        stage(1.0, [0.0; STEP]).apply(&planes, &mut moved, false);
        assert!((moved.translation - pose().translation - Vector3::repeat(2.0)).norm() < 1e-4);
    }

    #[test]
    fn weights_that_overflow_do_not_move_anything() {
        let mut planes = vec![0.0; PLANES * CELLS];
        (planes[0], planes[1]) = (2.5, -2.5);
        let mut moved = pose();
        stage(f32::MAX, [0.0; STEP]).apply(&planes, &mut moved, true);
        assert_eq!(moved.translation, pose().translation);
        assert_eq!(moved.rotation, pose().rotation);
    }

    #[test]
    fn steps_are_limited() {
        let planes = vec![1.0; PLANES * CELLS];
        let mut moved = pose();
        stage(1.0, [0.0; STEP]).apply(&planes, &mut moved, false);
        let shift = moved.translation - pose().translation;
        assert!((shift - Vector3::repeat(MAX_SHIFT_MM)).norm() < 1e-3);
        let turn = Rotation3::from_matrix_unchecked(moved.rotation).scaled_axis();
        assert!((turn - Vector3::repeat(MAX_TURN_DEG.to_radians())).norm() < 1e-4);
    }

    #[test]
    fn the_principal_point_moves_only_where_it_is_unknown() {
        let planes = vec![0.0; PLANES * CELLS];
        let lean = stage(0.0, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, -4.0]);
        let mut moved = pose();
        lean.apply(&planes, &mut moved, false);
        assert_eq!(moved.camera, pose().camera);
        lean.apply(&planes, &mut moved, true);
        let [x, y] = moved.leaning(&pose().camera);
        assert!((x - 0.02).abs() < 1e-6 && (y + 0.04).abs() < 1e-6);
    }

    #[test]
    fn wrong_lengths_are_named() {
        let error = stages(&[0.0; 7], &[0.0; STEP]).expect_err("too short");
        assert!(error.to_string().contains("correction"));
        let error = stages(&[], &[0.0; 4]).expect_err("not rows of eight");
        assert!(error.to_string().contains("correction_offset"));
        assert!(stages(&[], &[]).expect("none is fine").is_empty());
    }
}
