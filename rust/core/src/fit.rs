//! Fitting the head model to a patch of depth: many starts, few survivors, one answer.
//!
//! For every model point p that looks at the camera, the depth map says where its viewing ray meets the
//! surface: q = p * d / p.z. The residual is the distance from p to q along p's normal. Gauss-Newton on pose
//! and shape with Tukey weights; the components are scaled, so the prior is N(0, I). Normals are the mean
//! head's, turned with the pose, which makes the Jacobian in the face frame constant (see [`HeadModel`]).

use nalgebra::{DMatrix, DVector, Matrix6, Rotation3, Vector3, Vector6};

use crate::head_model::{HeadModel, POSE};
use crate::pose::Pose;
use crate::rays::{Residual, Usable, measure, residuals};

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
/// The same for the last steps, which only the best fit gets.
const FULL_CUTOFF_MM: [f32; 3] = [14.0, 12.0, 12.0];
/// A residual beyond this says that the model does not explain the point, millimetres.
const JUDGED_CUTOFF_MM: f32 = 12.0;
/// Cost in score of shape weights of variance 1. Anything round can be explained by a strange enough head
/// seen at a strange enough angle; this is what tells it from a face.
const SHAPE_COST: f32 = 0.12;
/// The same for the pose: yaw, pitch and roll that each cost this much.
const POSE_COST: f32 = 0.1;
const TURNED_DEG: [f32; 3] = [50.0, 45.0, 30.0];
/// Starts use every fourth point, the first bends every second: they only have to find the basin.
const START_STRIDE: usize = 4;
const BEND_STRIDE: usize = 2;
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

/// Searches all starts and returns the best fit, or `None` if no start meets any depth.
#[must_use]
pub fn search(model: &HeadModel, usable: &Usable, starts: &[Start]) -> Option<Fit> {
    let mut states: Vec<State> = starts
        .iter()
        .filter_map(|start| begin(model, usable, start))
        .filter_map(|state| walk(model, usable, state, &START_CUTOFF_MM[..2]))
        .collect();
    keep_distinct(&mut states, KEPT_EARLY);
    let mut states: Vec<State> = states
        .into_iter()
        .filter_map(|state| walk(model, usable, state, &START_CUTOFF_MM[2..]))
        .collect();
    keep_distinct(&mut states, KEPT);
    let best_start = states.first()?.score;
    states.retain(|state| state.score > best_start - KEPT_MARGIN);
    if states.first()?.score < HOPELESS_SCORE {
        return None;
    }
    let straight = DVector::zeros(model.shape_len());
    let best = states
        .into_iter()
        .filter_map(|state| {
            refine(
                model,
                usable,
                &state.pose,
                &straight,
                BEND_STRIDE,
                &BEND_CUTOFF_MM,
            )
        })
        .max_by(|a, b| a.score.total_cmp(&b.score))?;
    if best.score < POOR_SCORE {
        return None;
    }
    refit(model, usable, &best, &FULL_CUTOFF_MM)
}

/// Moves the start along its ray until the middle residual is zero.
fn begin(model: &HeadModel, usable: &Usable, start: &Start) -> Option<State> {
    let rotation = Rotation3::from_axis_angle(&Vector3::x_axis(), start.pitch)
        * Rotation3::from_axis_angle(&Vector3::y_axis(), start.yaw);
    let mut pose = Pose {
        rotation: rotation.into_inner(),
        translation: start.origin,
        camera: usable.patch.camera,
    };
    let mut gaps: Vec<f32> = Vec::with_capacity(model.mean.len() / START_STRIDE + 1);
    measure(
        model,
        &model.mean,
        usable,
        &pose,
        START_STRIDE,
        |_, _, z, seen| {
            if !seen.dark {
                gaps.push(seen.mm - z);
            }
        },
    );
    if gaps.len() < 20 {
        return None;
    }
    let middle = gaps.len() / 2;
    gaps.select_nth_unstable_by(middle, f32::total_cmp);
    pose.translation.z += gaps[middle];
    Some(State { pose, score: 0.0 })
}

/// Pose-only Gauss-Newton steps on the mean head.
fn walk(model: &HeadModel, usable: &Usable, mut state: State, cutoffs: &[f32]) -> Option<State> {
    for &cutoff in cutoffs {
        let measured = residuals(model, &model.mean, usable, &state.pose, START_STRIDE);
        if measured.residuals.len() < 20 {
            return None;
        }
        let mut normal = Matrix6::<f32>::zeros();
        let mut gradient = Vector6::<f32>::zeros();
        let mut total = 0.0;
        for residual in &measured.residuals {
            let weight = residual.weight(cutoff);
            if weight > 0.0 {
                let row = model.jacobian.fixed_view::<POSE, 1>(0, residual.point);
                normal.syger(weight, &row, &row, 1.0);
                gradient.axpy(weight * residual.mm, &row, 1.0);
                total += weight;
            }
        }
        // A little damping: a flat or round patch leaves directions undetermined.
        for k in 0..3 {
            normal[(k, k)] += 2.0e4;
            normal[(k + 3, k + 3)] += 2.0;
        }
        normal.fill_upper_triangle_with_lower_triangle();
        let step = normal.cholesky()?.solve(&gradient);
        descend(&mut state.pose, step.as_slice());
        state.score = total / measured.facing;
    }
    Some(state)
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

/// Mean head bent by `shape`.
fn bend(model: &HeadModel, shape: &DVector<f32>) -> Vec<Vector3<f32>> {
    let shift = &model.components * shape;
    model
        .mean
        .iter()
        .enumerate()
        .map(|(at, mean)| mean + Vector3::new(shift[3 * at], shift[3 * at + 1], shift[3 * at + 2]))
        .collect()
}

/// Parameters of a lean: the slopes along x and y.
const LEAN: usize = 2;

/// Steps over pose and shape from a given fit, and over the camera's lean where its principal point is not
/// known; one step per cut-off.
#[must_use]
fn refine(
    model: &HeadModel,
    usable: &Usable,
    start: &Pose,
    shape: &DVector<f32>,
    stride: usize,
    cutoffs: &[f32],
) -> Option<Fit> {
    let (mut pose, mut shape) = (*start, shape.clone());
    let known = &usable.patch.camera;
    let lean_deviation = known.principal_deviation / known.fx;
    let leans = if lean_deviation > 0.0 { LEAN } else { 0 };
    let mut points = if shape.iter().all(|&weight| weight == 0.0) {
        model.mean.clone()
    } else {
        bend(model, &shape)
    };
    for &cutoff in cutoffs {
        let measured = residuals(model, &points, usable, &pose, stride);
        let used: Vec<(&Residual, f32)> = measured
            .residuals
            .iter()
            .map(|residual| (residual, residual.weight(cutoff).sqrt() / SIGMA_MM))
            .filter(|&(_, weight)| weight > 0.0)
            .collect();
        if used.len() < 60 {
            return None;
        }
        let bent = POSE + model.shape_len();
        let mut rows = DMatrix::<f32>::zeros(bent + leans, used.len());
        let mut right = DVector::<f32>::zeros(used.len());
        for (k, &(residual, weight)) in used.iter().enumerate() {
            let mut row = rows.column_mut(k);
            row.rows_mut(0, bent)
                .axpy(weight, &model.jacobian.column(residual.point), 0.0);
            if leans > 0 {
                // The surface moves by the slope times its depth, the head by the slope times its own.
                let normal = pose.rotation * model.normals[residual.point];
                let reach = weight * lean_deviation * (pose.translation.z - residual.z);
                row[bent] = reach * normal.x;
                row[bent + 1] = reach * normal.y;
            }
            right[k] = weight * residual.mm;
        }
        let mut normal = &rows * rows.transpose();
        let mut gradient = &rows * right;
        let lean = pose.leaning(known);
        for k in POSE..bent + leans {
            normal[(k, k)] += 1.0;
            gradient[k] += if k < bent {
                shape[k - POSE]
            } else {
                lean[k - bent] / lean_deviation
            };
        }
        let step = normal.cholesky()?.solve(&gradient);
        descend(&mut pose, &step.as_slice()[..POSE]);
        if leans > 0 {
            pose.lean(
                -lean_deviation * step[bent],
                -lean_deviation * step[bent + 1],
            );
        }
        shape -= step.rows(POSE, model.shape_len());
        points = bend(model, &shape);
    }
    Some(judge(model, usable, &pose, shape, &points, stride))
}

/// Continues a fit with all points, perhaps on other cells (for instance with dark ones included).
#[must_use]
pub fn refit(model: &HeadModel, usable: &Usable, fit: &Fit, cutoffs: &[f32]) -> Option<Fit> {
    refine(model, usable, &fit.pose, &fit.shape, 1, cutoffs)
}

/// How well the mean head explains the depth at a given pose.
#[must_use]
pub fn at_pose(model: &HeadModel, usable: &Usable, pose: &Pose) -> Fit {
    let straight = DVector::zeros(model.shape_len());
    judge(model, usable, pose, straight, &model.mean, 1)
}

fn judge(
    model: &HeadModel,
    usable: &Usable,
    pose: &Pose,
    shape: DVector<f32>,
    points: &[Vector3<f32>],
    stride: usize,
) -> Fit {
    let cutoff = JUDGED_CUTOFF_MM;
    let measured = residuals(model, points, usable, pose, stride);
    let (mut weights, mut squares, mut inliers) = (0.0, 0.0, 0.0_f32);
    for residual in &measured.residuals {
        weights += residual.weight(cutoff);
        if residual.mm.abs() < cutoff {
            squares += residual.mm * residual.mm;
            inliers += 1.0;
        }
    }
    let facing = measured.facing.max(1.0);
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
