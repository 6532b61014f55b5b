//! Fitting pose, shape and, if it is not known, the principal point, by Gauss-Newton.

use nalgebra::{DVector, Vector3};

use super::head_model::{Axes, LEAN, POSE, Points};
use super::least_squares::Equations;
use super::pose::Pose;
use super::rays::{Intersections, Usable, cast_rays};
use super::residuals::{Residual, Residuals};
use crate::simd::{Kernel, LANES, Lanes, Loops};

/// Standard deviation of a residual, millimetres: sensor noise and what the components do not model.
const SIGMA_MM: f32 = 3.2;
/// Points with a larger residual are not explained by the model, millimetres.
const JUDGED_CUTOFF_MM: f32 = 12.0;
/// Cost in score of shape weights of variance 1. Anything round is explained by a strange enough head at a strange
/// enough angle; this cost tells it from a face.
const SHAPE_COST: f32 = 0.12;
/// Cost in score of each of these angles of yaw, pitch and roll.
const POSE_COST: f32 = 0.1;
const TURNED_DEG: [f32; 3] = [50.0, 45.0, 30.0];

/// Pose and shape of a fitted head, and how well it explains the depth.
#[derive(Debug, Clone)]
pub struct Fit {
    /// Pose of the head, and the camera that sees it.
    pub pose: Pose,
    /// Weights of the components, N(0, 1) each.
    pub shape: DVector<f32>,
    /// Mean Tukey weight over the points that face the camera, less the cost of an unusual shape or pose; 1 is a
    /// perfect, average face.
    pub score: f32,
    /// Root mean square of the residuals of inliers, millimetres.
    pub residual_mm: f32,
}

/// Cells to look at, and the Tukey cut-offs of the steps on them, millimetres. All steps look at one patch.
pub type Steps<'a> = (&'a Usable<'a>, &'a [f32]);

/// Fits pose and shape of the head to a patch.
pub(super) struct ShapeFitter<'a> {
    points: &'a Points,
    bent: Axes,
    met: Vec<Intersections>,
    residuals: Residuals,
    equations: Equations,
}

impl<'a> ShapeFitter<'a> {
    pub fn new(points: &'a Points) -> Self {
        Self {
            points,
            bent: points.mean.clone(),
            met: Vec::new(),
            residuals: Residuals::default(),
            equations: points.jacobian.equations(),
        }
    }

    /// Bends the mean head by `shape`.
    fn bend(&mut self, shape: &DVector<f32>) {
        // Every search begins with the mean head: there is nothing to add to it.
        if shape.iter().all(|&weight| weight == 0.0) {
            self.bent.clone_from(&self.points.mean);
            return;
        }
        Kernel::fastest().run(Bend {
            points: self.points,
            shape: shape.as_slice(),
            bent: &mut self.bent,
        });
    }

    /// Casts the rays of the bent head's points, and measures the residuals.
    fn look(&mut self, usable: &Usable, pose: &Pose) {
        let Self { points, bent, .. } = self;
        let facing = cast_rays(&mut self.met, bent, &points.normals, usable, pose);
        self.residuals.measure(&self.met, &bent[1], usable, facing);
    }

    /// Continues a fit, one step for each cut-off on the cells that go with it. Fits the lean of the camera too where
    /// its principal point is not known. The last cells judge the fit.
    pub fn refine(&mut self, start: &Pose, shape: &DVector<f32>, steps: &[Steps]) -> Option<Fit> {
        let (mut pose, mut shape) = (*start, shape.clone());
        let (last, _) = steps.last()?;
        let known = &last.patch.camera;
        let lean_deviation = known.principal_deviation / known.fx;
        let leans = if lean_deviation > 0.0 { LEAN } else { 0 };
        let stiff = POSE + shape.len();
        self.bend(&shape);
        let steps = steps
            .iter()
            .flat_map(|(usable, cutoffs)| cutoffs.iter().map(move |cutoff| (usable, *cutoff)));
        for (usable, cutoff) in steps {
            self.look(usable, &pose);
            self.equations.clear();
            Kernel::fastest().run(ShapeEquations {
                points: self.points,
                met: &self.met,
                residuals: self.residuals.eights(),
                cutoff,
                pose: &pose,
                lean_deviation: (leans > 0).then_some(lean_deviation),
                equations: &mut self.equations,
            });
            if self.equations.len() < 60 {
                return None;
            }
            let mut normal = self.equations.normal();
            for (k, &weight) in shape.iter().enumerate() {
                normal.hold(POSE + k, 1.0, weight);
            }
            for (k, slope) in pose.leaning(known).into_iter().take(leans).enumerate() {
                normal.hold(stiff + k, 1.0, slope / lean_deviation);
            }
            let step = normal.solve(stiff + leans)?;
            pose.descend(&step);
            if leans > 0 {
                pose.lean(
                    -lean_deviation * step[stiff],
                    -lean_deviation * step[stiff + 1],
                );
            }
            for (weight, step) in shape.iter_mut().zip(&step[POSE..]) {
                *weight -= step;
            }
            self.bend(&shape);
        }
        Some(self.judge(last, &pose, shape))
    }

    /// How well the bent head explains the depth.
    pub fn judge(&mut self, usable: &Usable, pose: &Pose, shape: DVector<f32>) -> Fit {
        self.look(usable, pose);
        let cutoff = JUDGED_CUTOFF_MM;
        let weights = self.residuals.weight(cutoff);
        let (mut squares, mut inliers) = (0.0, 0.0_f32);
        for mm in self.residuals.below(cutoff) {
            squares += mm * mm;
            inliers += 1.0;
        }
        let facing = self.residuals.facing.max(1.0);
        let unusual = shape.norm_squared() / shape.len().max(1) as f32;
        let [yaw, pitch, roll] = pose.angles_deg();
        let turned = (yaw / TURNED_DEG[0]).powi(2)
            + (pitch / TURNED_DEG[1]).powi(2)
            + (roll / TURNED_DEG[2]).powi(2);
        Fit {
            pose: *pose,
            shape,
            score: weights / facing - SHAPE_COST * unusual - POSE_COST * turned,
            residual_mm: (squares / inliers.max(1.0)).sqrt(),
        }
    }
}

/// Adds an equation for each point that counts.
struct ShapeEquations<'a> {
    points: &'a Points,
    met: &'a [Intersections],
    residuals: &'a [Residual],
    cutoff: f32,
    pose: &'a Pose,
    /// Unit of the lean, if it is fitted.
    lean_deviation: Option<f32>,
    equations: &'a mut Equations,
}

impl Loops for ShapeEquations<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Points {
            normals, jacobian, ..
        } = self.points;
        for (eight, residuals) in self.residuals.iter().enumerate() {
            let roots = residuals.roots(self.cutoff);
            for k in 0..LANES {
                if roots[k] > 0.0 {
                    let weight = roots[k] / SIGMA_MM;
                    let row = jacobian.row(eight * LANES + k);
                    self.equations.push(lanes, weight, row, residuals.mm[k]);
                    if let Some(unit) = self.lean_deviation {
                        // A lean moves the surface by the slope times its depth, and the head by the slope times its
                        // own depth.
                        let normal = normals.each_ref().map(|axis| axis[eight][k]);
                        let slope = self.pose.rotation * Vector3::from(normal) * unit;
                        let gap = self.pose.translation.z - self.met[eight].surface[k];
                        let first = jacobian.parameters() - LEAN;
                        *self.equations.last(first) = weight * gap * slope.x;
                        *self.equations.last(first + 1) = weight * gap * slope.y;
                    }
                }
            }
        }
    }
}

struct Bend<'a> {
    points: &'a Points,
    shape: &'a [f32],
    bent: &'a mut Axes,
}

impl Loops for Bend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Points {
            mean, components, ..
        } = self.points;
        let [x, y, z] = self.bent;
        let bent = x.iter_mut().zip(y).zip(z);
        let all = components.chunks_exact(self.shape.len());
        for (at, (((x, y), z), shifts)) in bent.zip(all).enumerate() {
            // Two sums for each axis: with one alone, each addition would wait for the one before.
            let mut sums = [[lanes.zero(); 3]; 2];
            for axis in 0..3 {
                sums[0][axis] = lanes.load(&mean[axis][at]);
            }
            for (weights, shifts) in self.shape.chunks(2).zip(shifts.chunks(2)) {
                for (half, (weight, shift)) in weights.iter().zip(shifts).enumerate() {
                    let weight = lanes.splat(*weight);
                    for axis in 0..3 {
                        sums[half][axis] =
                            lanes.mul_add(weight, lanes.load(&shift[axis]), sums[half][axis]);
                    }
                }
            }
            for (axis, to) in [x, y, z].into_iter().enumerate() {
                let one = lanes.splat(1.0);
                lanes.store(lanes.mul_add(one, sums[0][axis], sums[1][axis]), to);
            }
        }
    }
}
