//! Fitting the head model to a patch of depth: many starts, few survivors, one answer.
//!
//! For every model point p that faces the camera, the depth map tells where its viewing ray meets the surface:
//! q = (d / p.z) p. The residual is the distance from p to q along p's normal. Gauss-Newton steps fit pose and shape
//! with Tukey weights. The components are scaled, so the prior is N(0, I). The normals are those of the mean head,
//! turned with the pose, which makes the Jacobian in the face frame constant (see [`HeadModel`]).

use nalgebra::{DVector, Rotation3};

use super::head_model::HeadModel;
use super::pose::Pose;
pub use super::pose_fit::Start;
use super::pose_fit::{PoseFitter, State};
use super::rays::Usable;
use super::shape_fit::ShapeFitter;
pub use super::shape_fit::{Fit, Steps};

/// Tukey cut-offs of the pose-only steps of a start, millimetres.
const START_CUTOFF_MM: [f32; 5] = [40.0, 40.0, 30.0, 25.0, 20.0];
/// Starts that go on after the first two steps.
const KEPT_EARLY: usize = 10;
/// If the best start scores less, there is no face (rendered faces score 0.6 and more).
const HOPELESS_SCORE: f32 = 0.55;
/// The same after the first steps over pose and shape: later steps add little.
const POOR_SCORE: f32 = 0.35;
/// Starts whose shape is fitted too, for a few steps, before the best is chosen.
const KEPT: usize = 6;
/// Starts that score this much less than the best are dropped before that.
const KEPT_MARGIN: f32 = 0.12;
/// Tukey cut-offs of the first steps over pose and shape, millimetres.
const BEND_CUTOFF_MM: [f32; 2] = [20.0, 16.0];
/// Starts closer to each other than this are the same, millimetres and radians.
const SAME_MM: f32 = 8.0;
const SAME_RAD: f32 = 0.14;

/// Searches all starts and returns the best rough fit; `None` if no start leads to a face. Poses are fitted to the
/// model's coarse points and shapes to the medium ones: they only have to find the basin.
#[must_use]
pub fn search(model: &HeadModel, usable: &Usable, starts: &[Start]) -> Option<Fit> {
    let mut fitter = PoseFitter::new(&model.coarse, usable);
    let mut states: Vec<State> = starts
        .iter()
        .filter_map(|start| {
            let state = fitter.begin(start)?;
            fitter.walk(state, &START_CUTOFF_MM[..2])
        })
        .collect();
    keep_distinct(&mut states, KEPT_EARLY);
    let mut states: Vec<State> = states
        .into_iter()
        .filter_map(|state| fitter.walk(state, &START_CUTOFF_MM[2..]))
        .collect();
    keep_distinct(&mut states, KEPT);
    let best_start = states.first()?.score;
    states.retain(|state| state.score > best_start - KEPT_MARGIN);
    if states.first()?.score < HOPELESS_SCORE {
        return None;
    }
    let straight = DVector::zeros(model.shape_len());
    let mut fitter = ShapeFitter::new(&model.medium);
    states
        .into_iter()
        .filter_map(|state| fitter.refine(&state.pose, &straight, &[(usable, &BEND_CUTOFF_MM)]))
        .filter(|fit| fit.score >= POOR_SCORE)
        .max_by(|a, b| a.score.total_cmp(&b.score))
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

/// Continues a fit with all points, on the cells of each step in turn. Those of the last step judge it.
#[must_use]
pub fn refit(model: &HeadModel, fit: &Fit, steps: &[Steps]) -> Option<Fit> {
    ShapeFitter::new(&model.fine).refine(&fit.pose, &fit.shape, steps)
}

/// How well a head that is fitted from a given pose on explains the depth; the mean head, where that fit fails. The
/// pose stays.
#[must_use]
pub fn at_pose(model: &HeadModel, usable: &Usable, pose: &Pose, steps: &[Steps]) -> Fit {
    let straight = DVector::zeros(model.shape_len());
    let mut fitter = ShapeFitter::new(&model.fine);
    let fitted = fitter.refine(pose, &straight, steps);
    Fit {
        pose: *pose,
        ..fitted.unwrap_or_else(|| fitter.judge(usable, pose, straight))
    }
}
