//! Fitting the head model to a patch of depth: many starts, few survivors, one answer.
//!
//! For every model point p that looks at the camera, the depth map says where its viewing ray meets the
//! surface: q = p * d / p.z. The residual is the distance from p to q along p's normal. Gauss-Newton on pose
//! and shape with Tukey weights; the components are scaled, so the prior is N(0, I). Normals are the mean
//! head's, turned with the pose, which makes the Jacobian in the face frame constant (see [`HeadModel`]).

use nalgebra::{DVector, Rotation3, SMatrix, SVector, Vector3};

use super::head_model::{Axes, HeadModel, LEAN, POSE, Points};
use super::least_squares::Equations;
use super::pose::Pose;
use super::rays::{Met, Residual, Residuals, Usable, follow};
use crate::simd::{Eight, Kernel, LANES, Lanes, Loops};

/// Standard deviation of a residual, millimetres: sensor noise and what the components do not model.
const SIGMA_MM: f32 = 3.2;
/// Tukey cut-offs of the pose-only steps of a start, millimetres.
const START_CUTOFF_MM: [f32; 5] = [40.0, 40.0, 30.0, 25.0, 20.0];
/// Starts that go on after the first two steps.
const KEPT_EARLY: usize = 10;
/// If the best start scores less, nothing here is a face (rendered faces have 0.6 and more).
const HOPELESS_SCORE: f32 = 0.55;
/// The same after the first bends: what comes later adds little.
const POOR_SCORE: f32 = 0.35;
/// Starts that are bent as well, for a few steps, before the best is chosen.
const KEPT: usize = 6;
/// Starts that score this much less than the best are not bent.
const KEPT_MARGIN: f32 = 0.12;
/// Tukey cut-offs of the first steps over pose and shape, millimetres.
const BEND_CUTOFF_MM: [f32; 2] = [20.0, 16.0];
/// A residual beyond this says that the model does not explain the point, millimetres.
const JUDGED_CUTOFF_MM: f32 = 12.0;
/// Cost in score of shape weights of variance 1. Anything round can be explained by a strange enough head
/// seen at a strange enough angle; this is what tells it from a face.
const SHAPE_COST: f32 = 0.12;
/// The same for the pose: yaw, pitch and roll that each cost this much.
const POSE_COST: f32 = 0.1;
const TURNED_DEG: [f32; 3] = [50.0, 45.0, 30.0];
/// Starts closer than this are the same, millimetres and radians.
const SAME_MM: f32 = 8.0;
const SAME_RAD: f32 = 0.14;

/// Pose and shape of a fitted head, and how well it explains the depth.
#[derive(Debug, Clone)]
pub struct Fit {
    /// Where the head is, and the camera that sees it.
    pub pose: Pose,
    /// Component weights, N(0, 1) each.
    pub shape: DVector<f32>,
    /// Mean Tukey weight over the points that look at the camera, less the cost of an unusual shape or pose;
    /// 1 is a perfect, average face.
    pub score: f32,
    /// Root mean square of the residuals of inliers, millimetres.
    pub residual_mm: f32,
}

/// Cells to look at, always of one patch, and the Tukey cut-offs of as many steps, millimetres.
pub type Steps<'a> = (&'a Usable<'a>, &'a [f32]);

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

#[derive(Clone)]
struct State {
    pose: Pose,
    score: f32,
}

/// Searches all starts and returns the best rough fit, or `None` if no start meets a face. Starts look at the
/// model's coarse points, the first bends at the medium ones: they only have to find the basin.
#[must_use]
pub fn search(model: &HeadModel, usable: &Usable, starts: &[Start]) -> Option<Fit> {
    let mut walker = Walker::new(&model.coarse, usable);
    let mut states: Vec<State> = starts
        .iter()
        .filter_map(|start| {
            let state = walker.begin(start)?;
            walker.walk(state, &START_CUTOFF_MM[..2])
        })
        .collect();
    keep_distinct(&mut states, KEPT_EARLY);
    let mut states: Vec<State> = states
        .into_iter()
        .filter_map(|state| walker.walk(state, &START_CUTOFF_MM[2..]))
        .collect();
    keep_distinct(&mut states, KEPT);
    let best_start = states.first()?.score;
    states.retain(|state| state.score > best_start - KEPT_MARGIN);
    if states.first()?.score < HOPELESS_SCORE {
        return None;
    }
    let straight = DVector::zeros(model.shape_len());
    let mut bender = Bender::new(&model.medium);
    states
        .into_iter()
        .filter_map(|state| bender.refine(&state.pose, &straight, &[(usable, &BEND_CUTOFF_MM)]))
        .filter(|fit| fit.score >= POOR_SCORE)
        .max_by(|a, b| a.score.total_cmp(&b.score))
}

/// Moves the mean head.
struct Walker<'a> {
    points: &'a Points,
    usable: &'a Usable<'a>,
    met: Vec<Met>,
    residuals: Residuals,
    gaps: Vec<f32>,
}

impl<'a> Walker<'a> {
    fn new(points: &'a Points, usable: &'a Usable<'a>) -> Self {
        Self {
            points,
            usable,
            met: Vec::new(),
            residuals: Residuals::default(),
            gaps: Vec::new(),
        }
    }

    /// Moves the start along its ray until the middle residual is zero.
    fn begin(&mut self, start: &Start) -> Option<State> {
        let rotation = Rotation3::from_axis_angle(&Vector3::x_axis(), start.pitch)
            * Rotation3::from_axis_angle(&Vector3::y_axis(), start.yaw);
        let mut pose = Pose {
            rotation: rotation.into_inner(),
            translation: start.origin,
            camera: self.usable.patch.camera,
        };
        let Self { points, usable, .. } = *self;
        follow(&mut self.met, &points.mean, &points.normals, usable, &pose);
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

    /// Pose-only Gauss-Newton steps.
    fn walk(&mut self, mut state: State, cutoffs: &[f32]) -> Option<State> {
        let Self { points, usable, .. } = *self;
        for &cutoff in cutoffs {
            let facing = follow(
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
            let (mut normal, right, total) = Kernel::fastest().run(Pull {
                rows: points.jacobian.narrow(),
                residuals: self.residuals.eights(),
                cutoff,
            });
            // A little damping: a flat or round patch leaves directions undetermined.
            for k in 0..3 {
                normal[(k, k)] += 2.0e4;
                normal[(k + 3, k + 3)] += 2.0;
            }
            let step = normal.cholesky()?.solve(&right);
            descend(&mut state.pose, step.as_slice());
            state.score = total / self.residuals.facing;
        }
        Some(state)
    }
}

/// Matrix and right side of the normal equations of the pose, and the sum of the weights.
struct Pull<'a> {
    rows: &'a [Eight],
    residuals: &'a [Residual],
    cutoff: f32,
}

impl Loops for Pull<'_> {
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

/// Subtracts a pose step given in the face frame.
fn descend(pose: &mut Pose, step: &[f32]) {
    pose.step(
        &Vector3::new(-step[0], -step[1], -step[2]),
        &Vector3::new(-step[3], -step[4], -step[5]),
    );
}

fn keep_distinct(states: &mut Vec<State>, count: usize) {
    states.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<State> = Vec::with_capacity(count);
    for state in states.drain(..) {
        let same = kept.iter().any(|other| {
            let angle = Rotation3::from_matrix_unchecked(
                other.pose.rotation.transpose() * state.pose.rotation,
            )
            .angle();
            (other.pose.translation - state.pose.translation).norm() < SAME_MM && angle < SAME_RAD
        });
        if !same {
            kept.push(state);
            if kept.len() == count {
                break;
            }
        }
    }
    *states = kept;
}

/// Moves and bends the head.
struct Bender<'a> {
    points: &'a Points,
    bent: Axes,
    met: Vec<Met>,
    residuals: Residuals,
    equations: Equations,
}

impl<'a> Bender<'a> {
    fn new(points: &'a Points) -> Self {
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

    /// Where the points meet the surface.
    fn look(&mut self, usable: &Usable, pose: &Pose) {
        let Self { points, bent, .. } = self;
        let facing = follow(&mut self.met, bent, &points.normals, usable, pose);
        self.residuals.measure(&self.met, &bent[1], usable, facing);
    }

    /// Steps over pose and shape from a given fit, and over the camera's lean where its principal point is not
    /// known; one step per cut-off, on the cells that go with it. The last of these judge the fit.
    fn refine(&mut self, start: &Pose, shape: &DVector<f32>, steps: &[Steps]) -> Option<Fit> {
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
            Kernel::fastest().run(Gather {
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
            descend(&mut pose, &step);
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
    fn judge(&mut self, usable: &Usable, pose: &Pose, shape: DVector<f32>) -> Fit {
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

/// An equation for each point that counts.
struct Gather<'a> {
    points: &'a Points,
    met: &'a [Met],
    residuals: &'a [Residual],
    cutoff: f32,
    pose: &'a Pose,
    /// Unit of the lean, where that is looked for.
    lean_deviation: Option<f32>,
    equations: &'a mut Equations,
}

impl Loops for Gather<'_> {
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
                        // The surface moves by the slope times its depth, the head by the slope times its own.
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
            // Two sums for each axis: one alone would wait for itself.
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

/// Continues a fit with all points, on these cells and then on those; the last judge it.
#[must_use]
pub fn refit(model: &HeadModel, fit: &Fit, steps: &[Steps]) -> Option<Fit> {
    Bender::new(&model.fine).refine(&fit.pose, &fit.shape, steps)
}

/// How well the mean head explains the depth at a given pose.
#[must_use]
pub fn at_pose(model: &HeadModel, usable: &Usable, pose: &Pose) -> Fit {
    let straight = DVector::zeros(model.shape_len());
    Bender::new(&model.fine).judge(usable, pose, straight)
}
