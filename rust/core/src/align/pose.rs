//! The pose of a head, and the camera that sees it.

use nalgebra::{Matrix3, Rotation3, Vector3};

use crate::input::views::Camera;

/// `p_camera = rotation * p_face + translation`, seen by `camera`.
///
/// The camera belongs to the pose because the principal point may be unknown: in a crop whose place in the frame was
/// not recorded, every point's x and y are off by the same share of its depth, which shears the face. The fit then
/// searches the principal point too.
#[derive(Debug, Clone, Copy)]
pub struct Pose {
    /// From the face frame to the camera's.
    pub rotation: Matrix3<f32>,
    /// Millimetres.
    pub translation: Vector3<f32>,
    /// Intrinsics in cells of the patch.
    pub camera: Camera,
}

impl Pose {
    /// Turns (axis times radians) and then shifts (mm), both along the face's axes.
    pub(crate) fn step(&mut self, turn: &Vector3<f32>, shift: &Vector3<f32>) {
        self.translation += self.rotation * shift;
        self.rotation *= Rotation3::new(*turn).into_inner();
    }

    /// Subtracts a step: turn and shift, in this order.
    pub(crate) fn descend(&mut self, step: &[f32]) {
        self.step(
            &Vector3::new(-step[0], -step[1], -step[2]),
            &Vector3::new(-step[3], -step[4], -step[5]),
        );
    }

    /// Adds to the slopes (x and y per z) of every viewing ray; the head stays where it is in the picture.
    pub(crate) fn lean(&mut self, x: f32, y: f32) {
        self.camera.cx -= x * self.camera.fx;
        self.camera.cy -= y * self.camera.fy;
        self.translation.x += x * self.translation.z;
        self.translation.y += y * self.translation.z;
    }

    /// Slopes of its viewing rays, less those of a camera with the same focal length.
    pub(crate) fn leaning(&self, from: &Camera) -> [f32; 2] {
        [
            (from.cx - self.camera.cx) / self.camera.fx,
            (from.cy - self.camera.cy) / self.camera.fy,
        ]
    }

    /// Yaw, pitch, roll in degrees; see [`angles_deg`].
    #[must_use]
    pub fn angles_deg(&self) -> [f32; 3] {
        angles_deg(&self.rotation)
    }
}

/// Yaw, pitch, roll in degrees of rotation = Rz(roll) Rx(pitch) Ry(yaw).
///
/// Seen from the camera, positive yaw turns the nose to the image's left, positive pitch lowers it, and positive roll
/// turns the head clockwise.
#[must_use]
pub fn angles_deg(rotation: &Matrix3<f32>) -> [f32; 3] {
    let pitch = rotation[(2, 1)].clamp(-1.0, 1.0).asin();
    let yaw = (-rotation[(2, 0)]).atan2(rotation[(2, 2)]);
    let roll = (-rotation[(0, 1)]).atan2(rotation[(1, 1)]);
    [yaw, pitch, roll].map(f32::to_degrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaning_rays_leave_the_head_where_it_is_in_the_picture() {
        let camera = Camera::new(365.0, 365.0, 50.0, 60.0).expect("valid");
        let mut pose = Pose {
            rotation: Matrix3::identity(),
            translation: Vector3::new(20.0, -30.0, 900.0),
            camera,
        };
        let before = pose.camera.project(&pose.translation);
        pose.lean(0.1, -0.05);
        let after = pose.camera.project(&pose.translation);
        assert!((before.0 - after.0).abs() < 1e-3 && (before.1 - after.1).abs() < 1e-3);
        assert!((pose.camera.cx - 13.5).abs() < 1e-3);
        let [x, y] = pose.leaning(&camera);
        assert!((x - 0.1).abs() < 1e-6 && (y + 0.05).abs() < 1e-6);
    }
}
