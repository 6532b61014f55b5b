//! What an alignment returns: a face in the network's frame of reference, or why there is none.

use nalgebra::Vector3;

use super::cues::Cues;
use super::pose::Pose;
use crate::input::views::Region;

/// Why a frame gives no face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refusal {
    /// Nothing has the size and shape of a face.
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
    /// Too little depth of the face was measured; the share of the grid that was.
    PoorDepth(f32),
    /// Head-sized but flat; its root mean square distance from a plane in millimetres.
    Flat(f32),
}

/// An aligned face.
#[derive(Debug, Clone)]
pub struct AlignedFace {
    /// 4 x 72 x 64 numbers: depth relative to the mean face; normalised red, green and blue.
    pub tensor: Vec<f32>,
    /// 3 x 150 x 150 numbers: red, green and blue of the picture, upright; see [`super::chip`].
    pub chip: Vec<u8>,
    /// Cells of the grid that have depth (72 x 64).
    pub valid: Vec<bool>,
    /// Pose of the head and camera of the frame, with the principal point that was found if the given one is
    /// uncertain.
    pub pose: Pose,
    /// Midpoint of the outer eye corners, camera millimetres.
    pub eyes: Vector3<f32>,
    /// How well the head model explains the depth, 0..1.
    pub score: f32,
    /// Root mean square residual of the fit, millimetres.
    pub residual_mm: f32,
    /// Cues that tell it from a picture of a face.
    pub cues: Cues,
    /// Share of the grid whose depth was measured.
    pub valid_share: f32,
    /// Share of what is shown that was filled in small holes, not measured.
    pub filled_share: f32,
    /// Pixels of the frame in which the head was searched.
    pub region: Region,
    /// Depths that were searched there, millimetres.
    pub band_mm: (f32, f32),
}
