//! A learned correction of the fitted pose.
//!
//! The fit trades pitch against the shape of the head, and sees depth alone. What is left of its error shows
//! in the aligned maps: an eye too high, a nose bridge aslant. A linear map from the maps to the error,
//! learned from renders whose pose is known (`training/pose_correction.py`), takes out what it can; the maps
//! are then drawn anew. Each stage is learned on what the stages before it leave.

use nalgebra::{Matrix3, Rotation3, Vector3};

use crate::head_model::POSE;
use crate::resample::{CELLS, CHANNELS};
use crate::{CoreError, Result};

/// Planes that a stage looks at: depth, and the mean of red, green and blue.
const PLANES: usize = 2;
/// A stage turns at most this much about each axis, degrees.
const MAX_TURN_DEG: f32 = 5.0;
/// And shifts at most this much along each, millimetres.
const MAX_SHIFT_MM: f32 = 6.0;

/// One linear map from the tensor to a pose step along the face's axes.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    /// 6 x 2 x 72 x 64: three turns in degrees, three shifts in millimetres.
    weights: Vec<f32>,
    offset: [f32; POSE],
}

/// Reads `weights` (S x 6 x 2 x 72 x 64) and `offsets` (S x 6); S may be 0.
pub(crate) fn stages(weights: &[f32], offsets: &[f32]) -> Result<Vec<Stage>> {
    if !offsets.len().is_multiple_of(POSE) {
        return Err(CoreError::invalid(
            "correction_offset",
            "rows of 6 numbers",
            offsets.len().to_string(),
        ));
    }
    let size = PLANES * CELLS;
    let count = offsets.len() / POSE;
    if weights.len() != count * POSE * size {
        return Err(CoreError::invalid(
            "correction",
            format!("{count} x 6 x {size} numbers"),
            weights.len().to_string(),
        ));
    }
    Ok(weights
        .chunks_exact(POSE * size)
        .zip(offsets.chunks_exact(POSE))
        .map(|(weights, offset)| Stage {
            weights: weights.to_vec(),
            offset: std::array::from_fn(|k| offset[k]),
        })
        .collect())
}

impl Stage {
    /// Turns and shifts a pose by what the tensor that was drawn with it says.
    pub(crate) fn apply(
        &self,
        tensor: &[f32],
        rotation: &mut Matrix3<f32>,
        translation: &mut Vector3<f32>,
    ) {
        let mut seen = vec![0.0; PLANES * CELLS];
        seen[..CELLS].copy_from_slice(&tensor[..CELLS]);
        for color in tensor[CELLS..CHANNELS * CELLS].chunks_exact(CELLS) {
            for (mean, value) in seen[CELLS..].iter_mut().zip(color) {
                *mean += value / 3.0;
            }
        }
        let step: [f32; POSE] = std::array::from_fn(|k| {
            let limit = if k < 3 { MAX_TURN_DEG } else { MAX_SHIFT_MM };
            let row = &self.weights[k * seen.len()..(k + 1) * seen.len()];
            (dot(row, &seen) + self.offset[k]).clamp(-limit, limit)
        });
        *translation += *rotation * Vector3::new(step[3], step[4], step[5]);
        let turn = Vector3::new(step[0], step[1], step[2]).map(f32::to_radians);
        *rotation *= Rotation3::new(turn).into_inner();
    }
}

/// Sum of products over eight lanes, which compilers turn into vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += x * y;
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(weight: f32, offset: [f32; POSE]) -> Stage {
        let weights = vec![weight; POSE * PLANES * CELLS];
        stages(&weights, &offset).expect("valid").remove(0)
    }

    #[test]
    fn an_offset_moves_along_the_turned_axes() {
        let quarter = Rotation3::from_axis_angle(&Vector3::z_axis(), std::f32::consts::FRAC_PI_2);
        let mut rotation = quarter.into_inner();
        let mut translation = Vector3::new(1.0, 2.0, 3.0);
        let tensor = vec![0.0; CHANNELS * CELLS];
        stage(0.0, [0.0, 3.0, 0.0, 4.0, 0.0, 0.0]).apply(&tensor, &mut rotation, &mut translation);
        assert!((translation - Vector3::new(1.0, 6.0, 3.0)).norm() < 1e-5);
        let turned = quarter.inverse() * Rotation3::from_matrix_unchecked(rotation);
        let expected = Vector3::new(0.0, 3.0_f32.to_radians(), 0.0);
        assert!((turned.scaled_axis() - expected).norm() < 1e-5);
    }

    #[test]
    fn infrared_weighs_as_much_as_one_plane() {
        let mut tensor = vec![0.0; CHANNELS * CELLS];
        for color in tensor[CELLS..].chunks_exact_mut(CELLS) {
            color[7] = 2.0;
        }
        let (mut rotation, mut translation) = (Matrix3::identity(), Vector3::zeros());
        stage(1.0, [0.0; POSE]).apply(&tensor, &mut rotation, &mut translation);
        assert!((translation - Vector3::repeat(2.0)).norm() < 1e-5);
    }

    #[test]
    fn steps_are_limited() {
        let tensor = vec![1.0; CHANNELS * CELLS];
        let (mut rotation, mut translation) = (Matrix3::identity(), Vector3::zeros());
        stage(1.0, [0.0; POSE]).apply(&tensor, &mut rotation, &mut translation);
        assert!((translation - Vector3::repeat(MAX_SHIFT_MM)).norm() < 1e-4);
        let turn = Rotation3::from_matrix_unchecked(rotation).scaled_axis();
        assert!((turn - Vector3::repeat(MAX_TURN_DEG.to_radians())).norm() < 1e-4);
    }

    #[test]
    fn wrong_lengths_are_named() {
        let error = stages(&[0.0; 7], &[0.0; POSE]).expect_err("too short");
        assert!(error.to_string().contains("correction"));
        let error = stages(&[], &[0.0; 4]).expect_err("not rows of six");
        assert!(error.to_string().contains("correction_offset"));
        assert!(stages(&[], &[]).expect("none is fine").is_empty());
    }
}
