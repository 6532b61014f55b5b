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
/// If the best start scores less, there is no face (rendered faces score 0.6 and more).
const HOPELESS_SCORE: f32 = 0.55;
/// The same after the first steps over pose and shape: later steps add little.
const POOR_SCORE: f32 = 0.35;
/// A fit that scores this much is not doubted: so do nine of ten real faces.
const SURE_SCORE: f32 = 0.75;
/// Tukey cut-offs of the first steps over pose and shape, millimetres.
const BEND_CUTOFF_MM: [f32; 2] = [20.0, 16.0];
/// Starts closer to each other than this are the same, millimetres and radians.
const SAME_MM: f32 = 8.0;
const SAME_RAD: f32 = 0.14;

/// How many starts a search follows how far.
struct Effort {
    /// Starts that go on after the first two steps.
    kept_early: usize,
    /// Starts whose shape is fitted too, for a few steps.
    kept: usize,
    /// Starts that score this much less than the best are dropped before that.
    margin: f32,
}

const QUICK: Effort = Effort {
    kept_early: 10,
    kept: 6,
    margin: 0.12,
};
/// Wide faces, long hair and an unknown principal point make wrong poses look right after a few steps.
const THOROUGH: Effort = Effort {
    kept_early: usize::MAX,
    kept: 16,
    margin: 0.3,
};

/// Searches all starts, and fits all points from the best on, on the cells of each of the last steps in turn. Where
/// that leaves doubt, all that was found is fitted so, after a more thorough search, and the best is returned.
/// `None` if no start leads to a face.
#[must_use]
pub fn find(model: &HeadModel, usable: &Usable, starts: &[Start], last: &[Steps]) -> Option<Fit> {
    let mut fitter = ShapeFitter::new(&model.fine);
    let mut refine = |rough: &Fit| fitter.refine(&rough.pose, &rough.shape, last);
    let quick = search(model, usable, starts, &QUICK);
    let first = quick.first().and_then(&mut refine);
    if quick.is_empty() || first.as_ref().is_some_and(|fit| fit.score >= SURE_SCORE) {
        return first;
    }
    let thorough = search(model, usable, starts, &THOROUGH);
    let others = quick[1..].iter().chain(&thorough).filter_map(refine);
    first
        .into_iter()
        .chain(others)
        .max_by(|a, b| a.score.total_cmp(&b.score))
}

/// Follows the starts and returns rough fits, the best first. Poses are fitted to the model's coarse points and
/// shapes to the medium ones: they only have to find the basin.
fn search(model: &HeadModel, usable: &Usable, starts: &[Start], effort: &Effort) -> Vec<Fit> {
    let mut fitter = PoseFitter::new(&model.coarse, usable);
    let mut states: Vec<State> = starts
        .iter()
        .filter_map(|start| {
            let state = fitter.begin(start)?;
            fitter.walk(state, &START_CUTOFF_MM[..2])
        })
        .collect();
    keep_distinct(&mut states, effort.kept_early);
    let mut states: Vec<State> = states
        .into_iter()
        .filter_map(|state| fitter.walk(state, &START_CUTOFF_MM[2..]))
        .collect();
    keep_distinct(&mut states, effort.kept);
    let best_start = states.first().map_or(0.0, |state| state.score);
    if best_start < HOPELESS_SCORE {
        return Vec::new();
    }
    states.retain(|state| state.score > best_start - effort.margin);
    let straight = DVector::zeros(model.shape_len());
    let mut fitter = ShapeFitter::new(&model.medium);
    let mut fits: Vec<Fit> = states
        .into_iter()
        .filter_map(|state| fitter.refine(&state.pose, &straight, &[(usable, &BEND_CUTOFF_MM)]))
        .filter(|fit| fit.score >= POOR_SCORE)
        .collect();
    fits.sort_by(|a, b| b.score.total_cmp(&a.score));
    fits
}

fn keep_distinct(states: &mut Vec<State>, count: usize) {
    states.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<State> = Vec::new();
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
