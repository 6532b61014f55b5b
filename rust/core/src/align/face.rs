//! What alignment comes to: a face in the frame of reference of the network, or why there is none.

use nalgebra::Vector3;

use super::cues::Cues;
use super::pose::Pose;
use crate::input::views::Region;

/// Why a frame gives no face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refusal {
    /// Nothing of the size and shape of a face.
    NoFace,
    /// Two faces at nearly the same distance.
    SeveralFaces,
    /// The nearest thing of a head's size is nearer than the limit; its distance in millimetres.
    TooNear(f32),
    /// The nearest head is farther than the limit; its distance in millimetres.
    TooFar(f32),
    /// The face leaves the frame.
    CutOff,
    /// Turned too far: yaw, pitch, roll in degrees.
    PoorPose(f32, f32, f32),
    /// Too little of the face has depth; the share that has.
    PoorDepth(f32),
    /// Head-sized but flat; its root mean square distance from a plane in millimetres.
    Flat(f32),
}

/// An aligned face.
#[derive(Debug, Clone)]
pub struct AlignedFace {
    /// 4 x 72 x 64 numbers: depth relative to the mean face; normalised red, green and blue.
    pub tensor: Vec<f32>,
    /// Where the maps have depth (72 x 64).
    pub valid: Vec<bool>,
    /// Where the head is, and the frame's camera: with the principal point that was found if the given one
    /// is uncertain.
    pub pose: Pose,
    /// Midpoint of the outer eye corners, camera millimetres.
    pub eyes: Vector3<f32>,
    /// How well the head model explains the depth, 0..1.
    pub score: f32,
    /// Root mean square residual of the fit, millimetres.
    pub residual_mm: f32,
    /// What tells it from a picture.
    pub cues: Cues,
    /// Share of the grid with depth.
    pub valid_share: f32,
    /// Pixels of the frame that the head was looked for in.
    pub region: Region,
    /// Depths that were looked at there, millimetres.
    pub band_mm: (f32, f32),
}
