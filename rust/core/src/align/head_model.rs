//! The head model: a mean head and its principal components at a few hundred points.

use nalgebra::{DMatrix, Vector3};

use super::grid::{GRID_HEIGHT, GRID_WIDTH};
use super::least_squares::Equations;
use super::pose_correction::{Stage, stages};
use crate::simd::{Eight, LANES};
use crate::{CoreError, Result};

/// Parameters of a pose step: rotation (radians) about and translation (mm) along the face's axes.
pub const POSE: usize = 6;

/// Parameters of a lean: the slopes of the viewing rays along x and y, which a fit may search besides pose and shape.
pub const LEAN: usize = 2;

/// Mean, normals and components at N points of the face frame (millimetres).
#[derive(Debug, Clone)]
pub struct HeadModel {
    /// Every fourth point, every second point, and all points.
    pub(crate) coarse: Points,
    pub(crate) medium: Points,
    pub(crate) fine: Points,
    /// The midpoint of the outer eye corners, and its displacement per component (3 x K).
    pub(crate) eyes: Vector3<f32>,
    pub(crate) eyes_components: DMatrix<f32>,
    /// Depth of the mean face on the grid, row by row.
    pub(crate) template: Vec<f32>,
    /// Learned corrections of the pose, stage by stage.
    pub(crate) corrections: Vec<Stage>,
}

/// Some of the model's points, eight side by side. Points that fill up the last eight have no normal, so they face no
/// camera.
#[derive(Debug, Clone)]
pub(crate) struct Points {
    pub mean: Axes,
    pub normals: Axes,
    /// Displacements per unit of each component: all components of eight points, then those of the next eight.
    pub components: Vec<[Eight; 3]>,
    /// Rows of the point-to-plane Jacobian. Normals are the mean head's, in the face frame, so it is the same
    /// for every pose and shape.
    pub jacobian: Jacobian,
}

/// x, y and z of some points, eight of them side by side.
pub(crate) type Axes = [Vec<Eight>; 3];

/// One row a point: turns, shifts, components, and room for a lean.
#[derive(Debug, Clone)]
pub(crate) struct Jacobian {
    parameters: usize,
    rows: Vec<Eight>,
}

impl Jacobian {
    /// Empty equations, with room for one a point.
    pub fn equations(&self) -> Equations {
        let points = self.rows.len() / self.parameters.div_ceil(LANES);
        Equations::new(self.parameters, points)
    }

    /// Number of parameters; what follows them in a row fills up the last eight.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// All rows, if each is a single eight.
    pub fn narrow(&self) -> &[Eight] {
        assert!(self.parameters <= LANES);
        &self.rows
    }

    pub fn row(&self, point: usize) -> &[Eight] {
        let width = self.parameters.div_ceil(LANES);
        &self.rows[point * width..(point + 1) * width]
    }

    fn of(rows: &[Vec<f32>], parameters: usize) -> Self {
        let width = parameters.div_ceil(LANES);
        let mut eights = vec![[0.0; LANES]; rows.len() * width];
        for (to, row) in eights.chunks_exact_mut(width).zip(rows) {
            let count = parameters.min(row.len());
            to.as_flattened_mut()[..count].copy_from_slice(&row[..count]);
        }
        Self {
            parameters,
            rows: eights,
        }
    }
}

impl Points {
    /// Every `stride`th point of a file's arrays but the last. `bends` says whether shape and lean are fitted with
    /// them too.
    fn of(mean: &[f32], normals: &[f32], components: &[f32], stride: usize, bends: bool) -> Self {
        let chosen: Vec<usize> = (0..mean.len() / 3 - 1).step_by(stride).collect();
        let components: Vec<&[f32]> = components.chunks(mean.len()).filter(|_| bends).collect();
        let parameters = POSE + if bends { components.len() + LEAN } else { 0 };
        let vector = |values: &[f32], at: usize| {
            Vector3::new(values[3 * at], values[3 * at + 1], values[3 * at + 2])
        };
        let rows: Vec<Vec<f32>> = chosen
            .iter()
            .map(|&at| {
                let normal = vector(normals, at);
                let turns = vector(mean, at).cross(&normal);
                let bends = components
                    .iter()
                    .map(|shift| normal.dot(&vector(shift, at)));
                turns.iter().chain(&normal).copied().chain(bends).collect()
            })
            .collect();
        let eights = || chosen.chunks(LANES);
        let axes = |values: &[f32]| -> Axes {
            let all: Vec<_> = eights()
                .map(|points| side_by_side(points, values))
                .collect();
            std::array::from_fn(|axis| all.iter().map(|axes| axes[axis]).collect())
        };
        Self {
            mean: axes(mean),
            normals: axes(normals),
            components: eights()
                .flat_map(|points| components.iter().map(|shift| side_by_side(points, shift)))
                .collect(),
            jacobian: Jacobian::of(&rows, parameters),
        }
    }
}

/// x, y and z of up to eight points of an array (x, y, z).
fn side_by_side(points: &[usize], values: &[f32]) -> [Eight; 3] {
    let number = |axis: usize, k: usize| points.get(k).map_or(0.0, |at| values[3 * at + axis]);
    std::array::from_fn(|axis| std::array::from_fn(|k| number(axis, k)))
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
    /// S x 8 x 2 x 72 x 64: from the maps to a step of the pose; S may be 0.
    pub correction: &'a [f32],
    /// S x 8: the constant part of the steps.
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
        let at_stride = |stride, bends| Points::of(mean, normals, components, stride, bends);
        let eyes = |values: &[f32]| Vector3::from_column_slice(&values[3 * (rows - 1)..3 * rows]);
        let eyes_components: Vec<_> = components.chunks(mean.len()).map(eyes).collect();
        Ok(Self {
            coarse: at_stride(4, false),
            medium: at_stride(2, true),
            fine: at_stride(1, true),
            eyes: eyes(mean),
            eyes_components: DMatrix::from_fn(3, eyes_components.len(), |row, k| {
                eyes_components[k][row]
            }),
            template: template.to_vec(),
            corrections: stages(correction, correction_offset)?,
        })
    }

    /// Number of shape components.
    #[must_use]
    pub fn shape_len(&self) -> usize {
        self.eyes_components.ncols()
    }
}
