//! What heads look like at a few hundred points: the model that the fit moves and bends.

use nalgebra::{DMatrix, Vector3};

use crate::correct::{Stage, stages};
use crate::{CoreError, Result};

/// The tensor's grid in the face frame: cells of 2 mm, origin between the outer eye corners.
pub const GRID_WIDTH: usize = 64;
/// Rows of the grid.
pub const GRID_HEIGHT: usize = 72;
/// Cell size, millimetres.
pub const GRID_STEP_MM: f32 = 2.0;
/// Left edge, millimetres.
pub const GRID_LEFT_MM: f32 = -64.0;
/// Upper edge, millimetres (y points down).
pub const GRID_TOP_MM: f32 = -50.0;

/// Parameters of a pose step: rotation (radians) about and translation (mm) along the face's axes.
pub const POSE: usize = 6;

/// Mean, normals and components at N points of the face frame (millimetres).
#[derive(Debug, Clone)]
pub struct HeadModel {
    pub(crate) mean: Vec<Vector3<f32>>,
    pub(crate) normals: Vec<Vector3<f32>>,
    /// (3 N) x K: displacement of every point per unit of each component.
    pub(crate) components: DMatrix<f32>,
    /// The midpoint of the outer eye corners, and its displacement per component (3 x K).
    pub(crate) eyes: Vector3<f32>,
    pub(crate) eyes_components: DMatrix<f32>,
    /// (6 + K) x N: rows of the point-to-plane Jacobian. Normals are the mean head's, in the face frame,
    /// so it is the same for every pose and shape.
    pub(crate) jacobian: DMatrix<f32>,
    /// Depth of the mean face on the grid, row by row.
    pub(crate) template: Vec<f32>,
    /// What the maps say about the error of the fit.
    pub(crate) corrections: Vec<Stage>,
}

/// The arrays of a head model's file, row by row.
#[derive(Debug, Clone, Copy)]
pub struct HeadArrays<'a> {
    /// N + 1 points (x, y, z), millimetres; the last is the midpoint of the outer eye corners.
    pub mean: &'a [f32],
    /// Their outward normals.
    pub normals: &'a [f32],
    /// K blocks of the same layout: displacement per standard deviation of each component.
    pub components: &'a [f32],
    /// Depth of the mean face on the grid, millimetres.
    pub template: &'a [f32],
    /// S x 6 x 2 x 72 x 64: from the maps to a step of the pose; S may be 0.
    pub correction: &'a [f32],
    /// S x 6: the constant part of the steps.
    pub correction_offset: &'a [f32],
}

impl HeadModel {
    /// Builds the model from its file's arrays.
    ///
    /// # Errors
    /// [`CoreError::Invalid`] naming the array whose length does not fit or that is not finite.
    pub fn new(arrays: &HeadArrays) -> Result<Self> {
        let HeadArrays {
            mean,
            normals,
            components,
            template,
            correction,
            correction_offset,
        } = *arrays;
        let rows = mean.len() / 3;
        if rows < 51 || !mean.len().is_multiple_of(3) {
            return Err(CoreError::invalid(
                "mean",
                "at least 51 points (x, y, z)",
                format!("{} numbers", mean.len()),
            ));
        }
        if normals.len() != mean.len() {
            return Err(CoreError::invalid(
                "normals",
                format!("{} numbers", mean.len()),
                normals.len().to_string(),
            ));
        }
        if components.is_empty() || !components.len().is_multiple_of(mean.len()) {
            return Err(CoreError::invalid(
                "components",
                format!("a multiple of {} numbers", mean.len()),
                components.len().to_string(),
            ));
        }
        if template.len() != GRID_WIDTH * GRID_HEIGHT {
            return Err(CoreError::invalid(
                "template",
                format!("{GRID_HEIGHT} x {GRID_WIDTH} numbers"),
                template.len().to_string(),
            ));
        }
        for (name, values) in [
            ("mean", mean),
            ("normals", normals),
            ("components", components),
            ("template", template),
            ("correction", correction),
            ("correction_offset", correction_offset),
        ] {
            if !values.iter().all(|value| value.is_finite()) {
                return Err(CoreError::invalid(
                    name,
                    "finite numbers",
                    "NaN or infinity",
                ));
            }
        }
        let count = components.len() / mean.len();
        let points = rows - 1;
        let vector = |values: &[f32], at: usize| {
            Vector3::new(values[3 * at], values[3 * at + 1], values[3 * at + 2])
        };
        let shift = |component: usize, at: usize| vector(&components[component * mean.len()..], at);
        let mean_points: Vec<_> = (0..points).map(|at| vector(mean, at)).collect();
        let point_normals: Vec<_> = (0..points).map(|at| vector(normals, at)).collect();
        let jacobian = DMatrix::from_fn(POSE + count, points, |parameter, at| {
            let (p, n) = (mean_points[at], point_normals[at]);
            match parameter {
                0..3 => p.cross(&n)[parameter],
                3..6 => n[parameter - 3],
                _ => n.dot(&shift(parameter - POSE, at)),
            }
        });
        Ok(Self {
            components: DMatrix::from_fn(3 * points, count, |row, k| shift(k, row / 3)[row % 3]),
            eyes: vector(mean, points),
            eyes_components: DMatrix::from_fn(3, count, |row, k| shift(k, points)[row]),
            mean: mean_points,
            normals: point_normals,
            jacobian,
            template: template.to_vec(),
            corrections: stages(correction, correction_offset)?,
        })
    }

    /// Number of shape components.
    #[must_use]
    pub fn shape_len(&self) -> usize {
        self.components.ncols()
    }
}
