//! From a frame to an aligned face, or to the reason why there is none.

mod cells;
pub mod chip;
pub mod cues;
mod face;
pub mod fit;
pub mod frontal_map;
pub mod grid;
pub mod head_model;
mod least_squares;
pub mod locate;
pub mod patch;
pub mod pose;
mod pose_correction;
mod pose_fit;
mod raster;
pub mod rays;
mod residuals;
mod shape_fit;
mod starts;
pub mod surface;
pub mod tensor;
mod triangles;

use nalgebra::{Matrix3, Vector3};

use crate::input::holes::Filled;
use crate::input::views::{Camera, DepthView, IntensityView, Region};
use crate::{CoreError, Result};
use chip::{Picture, chip};
use cues::Cues;
pub use face::{AlignedFace, Refusal};
use fit::{Fit, at_pose, find};
use frontal_map::{Maps, draw};
use head_model::HeadModel;
use locate::{Candidate, candidates};
use patch::Patch;
use pose::Pose;
use rays::{Quads, Usable};
use starts::{skin_level, starts};
use surface::{Surface, plane_rms, upper_middle};

/// Faces nearer than this are refused: cameras do not measure them, millimetres.
const MIN_DISTANCE_MM: f32 = 250.0;
/// Faces farther than this are refused: too few pixels, millimetres.
const MAX_DISTANCE_MM: f32 = 1600.0;
/// Faces are looked for as far as this, to be told that they are too far, millimetres.
const FARTHEST_MM: f32 = 2800.0;
/// Another face within this depth of the nearest one makes the choice uncertain, millimetres.
const RIVAL_MM: f32 = 250.0;
/// Depth of the near side of a head may differ this much from that of its eyes, hair included, millimetres.
const NEAR_SPREAD_MM: f32 = 60.0;
/// Half the width of a face that must be in the frame, millimetres.
const CHEEK_MM: f32 = 50.0;
/// A fit that scores less is not a face.
const MIN_SCORE: f32 = 0.55;
/// A fit that scores more is a face, wherever it is.
const CONFIDENT_SCORE: f32 = 0.7;
/// Faces turned further than this are refused, degrees.
const MAX_YAW_DEG: f32 = 50.0;
const MAX_PITCH_DEG: f32 = 40.0;
const MAX_ROLL_DEG: f32 = 35.0;
/// A head-sized thing whose depth is this close to a plane is a picture, millimetres.
const FLAT_MM: f32 = 3.0;
/// At least this share of the grid must have depth that was measured.
const MIN_VALID_SHARE: f32 = 0.35;
/// Of what a face shows, at most this share may have been filled in small holes: the rest was measured.
const MAX_FILLED_SHARE: f32 = 0.35;
/// Depth kept in front of and behind a candidate's near side, millimetres.
const BAND_MM: (f32, f32) = (80.0, 170.0);
/// Hair is darker than this share of the face's bright skin.
const HAIR_SHARE: f32 = 0.3;
/// Tukey cut-offs of the first steps that look at all of the model's points, millimetres.
const FULL_CUTOFF_MM: [f32; 3] = [14.0, 12.0, 12.0];
/// The same for the last steps, with dark cells.
const FINAL_CUTOFF_MM: [f32; 2] = [12.0, 12.0];
/// With a smaller share of dark cells, a search that counts them is not worth it.
const MIN_DARK_SHARE: f32 = 0.1;
/// Half the width and height of what is cut out around a given pose, millimetres.
const HALF_WINDOW_MM: f32 = 160.0;
/// Finds the nearest face of a frame and brings it into the network's frame of reference.
///
/// # Errors
/// [`CoreError::Invalid`] if depth and picture do not have the same size.
pub fn align(
    model: &HeadModel,
    depth: &DepthView,
    intensity: &IntensityView,
    camera: &Camera,
) -> Result<std::result::Result<AlignedFace, Refusal>> {
    intensity.check(depth.height(), depth.width())?;
    if depth.width() < 16 || depth.height() < 16 {
        return Err(CoreError::invalid(
            "depth",
            "at least 16 x 16 pixels",
            format!("{} x {}", depth.height(), depth.width()),
        ));
    }
    let picture = Picture::beside(depth, intensity);
    let filled = Filled::of(depth, camera);
    let depth = &filled.as_ref().map_or(*depth, Filled::view);
    let found = candidates(depth, camera, FARTHEST_MM);
    let mut refusal = Refusal::NoFace;
    for (at, candidate) in found.iter().enumerate() {
        // Somebody stands right before the camera: whoever stands behind must not be judged instead.
        if candidate.near_mm < MIN_DISTANCE_MM {
            return Ok(Err(Refusal::TooNear(candidate.near_mm)));
        }
        // A picture of a face in front is passed over: the face behind is judged on its own depth and picture.
        let (fit, patch) = match inspect(model, depth, intensity, camera, candidate) {
            Ok(face) => face,
            Err(reason) => {
                if refusal == Refusal::NoFace && candidate.near_mm <= MAX_DISTANCE_MM {
                    refusal = reason;
                }
                continue;
            }
        };
        if candidate.near_mm > MAX_DISTANCE_MM {
            return Ok(Err(match refusal {
                Refusal::NoFace => Refusal::TooFar(candidate.near_mm),
                nearer => nearer,
            }));
        }
        let rival = found[at + 1..]
            .iter()
            .filter(|other| other.near_mm - candidate.near_mm < RIVAL_MM + NEAR_SPREAD_MM)
            .any(|other| {
                inspect(model, depth, intensity, camera, other)
                    .is_ok_and(|(second, _)| is_rival(&fit, &second))
            });
        if rival {
            return Ok(Err(Refusal::SeveralFaces));
        }
        return Ok(finish(model, &picture, camera, candidate, &fit, &patch));
    }
    Ok(Err(refusal))
}

/// Cuts out what is at a given pose, whether it is a face or not: for captures whose truth is known. The
/// rotation is given row by row, the translation in camera millimetres.
///
/// # Errors
/// [`CoreError::Invalid`] if depth and picture do not have the same size, or the pose is not before the camera.
pub fn align_at(
    model: &HeadModel,
    depth: &DepthView,
    intensity: &IntensityView,
    camera: &Camera,
    rotation: [[f32; 3]; 3],
    translation: [f32; 3],
) -> Result<AlignedFace> {
    let rotation = Matrix3::from_fn(|row, column| rotation[row][column]);
    let translation = Vector3::from(translation);
    intensity.check(depth.height(), depth.width())?;
    let finite = rotation.iter().chain(&translation).all(|x| x.is_finite());
    if !finite || translation.z < MIN_DISTANCE_MM || translation.z > MAX_DISTANCE_MM {
        return Err(CoreError::invalid(
            "pose",
            format!("finite, {MIN_DISTANCE_MM} to {MAX_DISTANCE_MM} mm away"),
            format!("{} mm", translation.z),
        ));
    }
    let filled = Filled::of(depth, camera);
    let depth = &filled.as_ref().map_or(*depth, Filled::view);
    let (u, v) = camera.project(&translation);
    let mm = camera.fx / translation.z;
    let clamp = |value: f32, limit: usize| value.clamp(0.0, limit as f32) as usize;
    let region = Region {
        top: clamp(v - HALF_WINDOW_MM * mm, depth.height()),
        left: clamp(u - HALF_WINDOW_MM * mm, depth.width()),
        bottom: clamp(v + HALF_WINDOW_MM * mm, depth.height()),
        right: clamp(u + HALF_WINDOW_MM * mm, depth.width()),
    };
    let band_mm = (translation.z - BAND_MM.0, translation.z + BAND_MM.1);
    let patch = Patch::cut(depth, intensity, camera, region, band_mm.0, band_mm.1);
    let pose = Pose {
        rotation,
        translation,
        camera: patch.camera,
    };
    let all = Usable {
        patch: &patch,
        quads: &Quads::of(&patch),
        min_reflectance: 0.0,
        dark_counts: true,
    };
    let fit = at_pose(model, &all, &pose, &[(&all, &FULL_CUTOFF_MM)]);
    let maps = draw(&Surface::of(&patch), &pose);
    let tensor = maps.tensor(&model.template);
    Ok(face_of(
        model,
        &fit,
        (tensor, maps),
        (&Picture::beside(depth, intensity), camera, &patch),
        (region, band_mm),
    ))
}

/// Whether a second fit is another face at about the same distance.
fn is_rival(first: &Fit, second: &Fit) -> bool {
    let apart = second.pose.translation - first.pose.translation;
    // A chest is round too: under the first face's chin only a confident fit counts.
    let below = apart.y > 150.0 && apart.x.abs() < 150.0;
    apart.z < RIVAL_MM && apart.norm() > 100.0 && (!below || second.score > CONFIDENT_SCORE)
}

/// Fits the head model to a candidate.
fn inspect(
    model: &HeadModel,
    depth: &DepthView,
    intensity: &IntensityView,
    camera: &Camera,
    candidate: &Candidate,
) -> std::result::Result<(Fit, Patch), Refusal> {
    let (near, far) = band(candidate);
    let patch = Patch::cut(depth, intensity, camera, candidate.region, near, far);
    let skin = skin_level(&patch, camera, candidate);
    let quads = Quads::of(&patch);
    let skin_only = Usable {
        patch: &patch,
        quads: &quads,
        min_reflectance: HAIR_SHARE * skin,
        dark_counts: false,
    };
    let with_brows = Usable {
        dark_counts: true,
        ..skin_only
    };
    let last = [
        (&skin_only, &FULL_CUTOFF_MM[..]),
        (&with_brows, &FINAL_CUTOFF_MM[..]),
    ];
    let mut fit = find(
        model,
        &skin_only,
        &starts(candidate, camera, &skin_only),
        &last,
    );
    // Dark skin beside something bright may have been taken for hair.
    if fit.is_none() && skin_only.dark_share() > MIN_DARK_SHARE {
        let all = Usable {
            min_reflectance: 0.0,
            ..skin_only
        };
        let last = [(&all, &FULL_CUTOFF_MM[..])];
        fit = find(model, &all, &starts(candidate, camera, &all), &last);
    }
    match fit {
        Some(fit) if fit.score >= MIN_SCORE => Ok((fit, patch)),
        _ => Err(match plane_rms(&upper_middle(&patch)) {
            Some(relief) if relief < FLAT_MM => Refusal::Flat(relief),
            _ if candidate.touches_side => Refusal::CutOff,
            _ => Refusal::NoFace,
        }),
    }
}

/// Depths around a candidate that may belong to its face, millimetres.
fn band(candidate: &Candidate) -> (f32, f32) {
    (candidate.near_mm - BAND_MM.0, candidate.near_mm + BAND_MM.1)
}

fn finish(
    model: &HeadModel,
    picture: &Picture,
    camera: &Camera,
    candidate: &Candidate,
    fit: &Fit,
    patch: &Patch,
) -> std::result::Result<AlignedFace, Refusal> {
    let angles = fit.pose.angles_deg();
    if angles[0].abs() > MAX_YAW_DEG
        || angles[1].abs() > MAX_PITCH_DEG
        || angles[2].abs() > MAX_ROLL_DEG
    {
        // Half a face looks like a face in profile.
        return Err(if candidate.touches_side {
            Refusal::CutOff
        } else {
            Refusal::PoorPose(angles[0], angles[1], angles[2])
        });
    }
    // Brow, chin and both cheeks must be inside the frame.
    let seen = seen_by(camera, patch, &fit.pose);
    for (x, y) in [
        (0.0, -25.0),
        (0.0, 80.0),
        (-CHEEK_MM, 20.0),
        (CHEEK_MM, 20.0),
    ] {
        let p = fit.pose.rotation * Vector3::new(x, y, 0.0) + fit.pose.translation;
        let (u, v) = seen.project(&p);
        if u < 0.0 || v < 0.0 || u >= picture.width as f32 || v >= picture.height as f32 {
            return Err(Refusal::CutOff);
        }
    }
    let mut pose = fit.pose;
    let drawable = Surface::of(patch);
    let gray = drawable.gray();
    for stage in &model.corrections {
        let planes = draw(&gray, &pose).planes(&model.template);
        stage.apply(&planes, &mut pose, camera.principal_deviation > 0.0);
    }
    let maps = draw(&drawable, &pose);
    let tensor = maps.tensor(&model.template);
    let valid_share = maps.valid_share();
    if valid_share < MIN_VALID_SHARE || maps.filled_share() > MAX_FILLED_SHARE {
        return Err(Refusal::PoorDepth(valid_share));
    }
    let fit = Fit {
        pose,
        ..fit.clone()
    };
    Ok(face_of(
        model,
        &fit,
        (tensor, maps),
        (picture, camera, patch),
        (candidate.region, band(candidate)),
    ))
}

/// The aligned face that was drawn at the pose of a fit.
fn face_of(
    model: &HeadModel,
    fit: &Fit,
    (tensor, maps): (Vec<f32>, Maps),
    (picture, camera, patch): (&Picture, &Camera, &Patch),
    (region, band_mm): (Region, (f32, f32)),
) -> AlignedFace {
    let pose = Pose {
        camera: seen_by(camera, patch, &fit.pose),
        ..fit.pose
    };
    let eyes = model.eyes + &model.eyes_components * &fit.shape;
    AlignedFace {
        cues: Cues::of(&maps, &tensor, &model.template),
        tensor,
        chip: chip(picture, &pose),
        valid_share: maps.valid_share(),
        filled_share: maps.filled_share(),
        valid: maps.valid,
        eyes: pose.rotation * Vector3::new(eyes[0], eyes[1], eyes[2]) + pose.translation,
        pose,
        score: fit.score,
        residual_mm: fit.residual_mm,
        region,
        band_mm,
    }
}

/// The frame's camera, with the principal point of a pose (which is in cells of the patch).
fn seen_by(camera: &Camera, patch: &Patch, pose: &Pose) -> Camera {
    let [x, y] = pose.leaning(&patch.camera);
    Camera {
        cx: camera.cx - x * camera.fx,
        cy: camera.cy - y * camera.fy,
        ..*camera
    }
}
