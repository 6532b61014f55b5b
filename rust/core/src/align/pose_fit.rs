//! Fitting the pose of the mean head, by Gauss-Newton.

use nalgebra::{Rotation3, SMatrix, SVector, Vector3};

use super::head_model::{POSE, Points};
use super::pose::Pose;
use super::rays::{Intersections, Usable, cast_rays};
use super::residuals::{Residual, Residuals};
use crate::simd::{Eight, Kernel, LANES, Lanes, Loops};

/// Where a search begins.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Guess of the face frame's origin, camera millimetres.
    pub origin: Vector3<f32>,
    /// Radians.
    pub yaw: f32,
    /// Radians.
    pub pitch: f32,
}

/// A pose on the way from a start, and the mean Tukey weight with it.
#[derive(Clone)]
pub(super) struct State {
    pub pose: Pose,
    pub score: f32,
}

/// Fits the pose of the mean head to a patch.
pub(super) struct PoseFitter<'a> {
    points: &'a Points,
    usable: &'a Usable<'a>,
    met: Vec<Intersections>,
    residuals: Residuals,
    gaps: Vec<f32>,
}

impl<'a> PoseFitter<'a> {
    pub fn new(points: &'a Points, usable: &'a Usable<'a>) -> Self {
        Self {
            points,
            usable,
            met: Vec::new(),
            residuals: Residuals::default(),
            gaps: Vec::new(),
        }
    }

    /// Moves a start along its ray until the median residual is zero.
    pub fn begin(&mut self, start: &Start) -> Option<State> {
        let rotation = Rotation3::from_axis_angle(&Vector3::x_axis(), start.pitch)
            * Rotation3::from_axis_angle(&Vector3::y_axis(), start.yaw);
        let mut pose = Pose {
            rotation: rotation.into_inner(),
            translation: start.origin,
            camera: self.usable.patch.camera,
        };
        let Self { points, usable, .. } = *self;
        cast_rays(&mut self.met, &points.mean, &points.normals, usable, &pose);
        self.gaps.clear();
        self.gaps
            .extend(self.met.iter().flat_map(|met| met.gaps(usable)));
        if self.gaps.len() < 20 {
            return None;
        }
        let middle = self.gaps.len() / 2;
        let (_, gap, _) = self.gaps.select_nth_unstable_by(middle, f32::total_cmp);
        pose.translation.z += *gap;
        Some(State { pose, score: 0.0 })
    }

    /// Fits the pose, one Gauss-Newton step for each cut-off.
    pub fn walk(&mut self, mut state: State, cutoffs: &[f32]) -> Option<State> {
        let Self { points, usable, .. } = *self;
        for &cutoff in cutoffs {
            let facing = cast_rays(
                &mut self.met,
                &points.mean,
                &points.normals,
                usable,
                &state.pose,
            );
            self.residuals
                .measure(&self.met, &points.mean[1], usable, facing);
            if self.residuals.count < 20 {
                return None;
            }
            let (mut normal, right, total) = Kernel::fastest().run(PoseEquations {
                rows: points.jacobian.narrow(),
                residuals: self.residuals.eights(),
                cutoff,
            });
            // A little damping: a flat or round patch leaves some directions undetermined.
            for k in 0..3 {
                normal[(k, k)] += 2.0e4;
                normal[(k + 3, k + 3)] += 2.0;
            }
            let step = normal.cholesky()?.solve(&right);
            state.pose.descend(step.as_slice());
            state.score = total / self.residuals.facing;
        }
        Some(state)
    }
}

/// Computes the matrix and the right side of the normal equations of the pose, and the sum of the weights.
struct PoseEquations<'a> {
    rows: &'a [Eight],
    residuals: &'a [Residual],
    cutoff: f32,
}

impl Loops for PoseEquations<'_> {
    type Output = (SMatrix<f32, POSE, POSE>, SVector<f32, POSE>, f32);

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Self::Output {
        let (mut sums, mut right, mut total) = ([lanes.zero(); POSE], lanes.zero(), 0.0);
        for (residuals, rows) in self.residuals.iter().zip(self.rows.chunks(LANES)) {
            let roots = residuals.roots(self.cutoff);
            for (k, row) in rows.iter().enumerate() {
                if roots[k] > 0.0 {
                    let weight = roots[k] * roots[k];
                    let vector = lanes.load(row);
                    for parameter in 0..POSE {
                        let value = lanes.splat(weight * row[parameter]);
                        sums[parameter] = lanes.mul_add(value, vector, sums[parameter]);
                    }
                    right = lanes.mul_add(lanes.splat(weight * residuals.mm[k]), vector, right);
                    total += weight;
                }
            }
        }
        let stored = |sum: L::Vector| {
            let mut numbers = [0.0; LANES];
            lanes.store(sum, &mut numbers);
            SVector::from_fn(|k, _| numbers[k])
        };
        (
            SMatrix::from_columns(&sums.map(stored)),
            stored(right),
            total,
        )
    }
}
