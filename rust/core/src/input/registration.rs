//! Depth as another camera would have seen it: what lies before it, nearest first.

use crate::input::views::{Camera, DepthSamples, DepthView};
use crate::{CoreError, Result};

/// Most rows and columns of an image.
pub const MAX_SIDE: usize = 4096;
/// A pixel of depth that covers more of the image than this, along either side, is left out: it lies in the
/// other camera's own plane.
const MAX_COVERED_PX: f64 = 64.0;

/// Two cameras that are fixed to each other.
#[derive(Debug, Clone, Copy)]
pub struct Rig {
    /// The one that measured depth.
    pub depth: Camera,
    /// The one whose picture it is wanted for.
    pub image: Camera,
    /// From the frame of reference of `depth` to that of `image`, row by row.
    pub rotation: [[f64; 3]; 3],
    /// Of the same, metres.
    pub translation_m: [f64; 3],
}

impl Rig {
    /// Depth along the optical axis of `image` for each of its pixels, millimetres; 0 where nothing was seen.
    ///
    /// A pixel of depth is a small square across its own axis. Every pixel of the image whose centre lies in
    /// the upright rectangle around that square's four corners gets the depth of the square's centre, if it
    /// got none that is nearer.
    ///
    /// # Errors
    /// [`CoreError::Invalid`] if a side of the image is 0 or more than [`MAX_SIDE`].
    pub fn register(&self, depth: &DepthView, height: usize, width: usize) -> Result<Vec<f32>> {
        if !(1..=MAX_SIDE).contains(&height) || !(1..=MAX_SIDE).contains(&width) {
            return Err(CoreError::invalid(
                "shape",
                format!("1 to {MAX_SIDE} rows and columns"),
                format!("{height} x {width}"),
            ));
        }
        let mut seen = vec![f32::INFINITY; height * width];
        let unit = f64::from(depth.mm_per_unit());
        for row in 0..depth.height() {
            for column in 0..depth.width() {
                let at = row * depth.width() + column;
                let mm = unit
                    * match depth.samples() {
                        DepthSamples::U16(samples) => f64::from(samples[at]),
                        DepthSamples::F32(samples) => f64::from(samples[at]),
                    };
                if mm > 0.0
                    && mm.is_finite()
                    && let Some(square) = self.square(column as f64, row as f64, mm)
                {
                    square.draw(&mut seen, height, width);
                }
            }
        }
        for mm in &mut seen {
            if mm.is_infinite() {
                *mm = 0.0;
            }
        }
        Ok(seen)
    }

    /// Where the image shows a pixel of depth; nowhere if it is not before that camera.
    fn square(&self, column: f64, row: f64, mm: f64) -> Option<Square> {
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for (right, down) in [(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)] {
            let [x, y, z] = self.moved(column + right, row + down, mm);
            if z <= 0.0 {
                return None;
            }
            let Camera { fx, fy, cx, cy, .. } = self.image;
            let place = [
                f64::from(fx) * x / z + f64::from(cx),
                f64::from(fy) * y / z + f64::from(cy),
            ];
            for axis in 0..2 {
                low[axis] = low[axis].min(place[axis]);
                high[axis] = high[axis].max(place[axis]);
            }
        }
        let small = (0..2).all(|axis| high[axis] - low[axis] <= MAX_COVERED_PX);
        let mm = self.moved(column, row, mm)[2] as f32;
        small.then_some(Square { low, high, mm })
    }

    /// A point that the depth camera sees, in the image camera's frame of reference, millimetres.
    fn moved(&self, column: f64, row: f64, mm: f64) -> [f64; 3] {
        let Camera { fx, fy, cx, cy, .. } = self.depth;
        let x = (column - f64::from(cx)) / f64::from(fx) * mm;
        let y = (row - f64::from(cy)) / f64::from(fy) * mm;
        std::array::from_fn(|axis| {
            let [a, b, c] = self.rotation[axis];
            a * x + b * y + c * mm + 1000.0 * self.translation_m[axis]
        })
    }
}

/// A part of the image, (column, row), and how far away it is.
struct Square {
    low: [f64; 2],
    high: [f64; 2],
    mm: f32,
}

impl Square {
    fn draw(&self, seen: &mut [f32], height: usize, width: usize) {
        // Pixels whose centres lie in it; the float to integer casts saturate.
        let inside = |axis: usize, limit: usize| {
            let first = self.low[axis].ceil().max(0.0) as usize;
            first..(self.high[axis].ceil().max(0.0) as usize).min(limit)
        };
        for row in inside(1, height) {
            for column in inside(0, width) {
                let depth = &mut seen[row * width + column];
                *depth = depth.min(self.mm);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEIGHT: usize = 6;
    const WIDTH: usize = 8;

    fn camera(fx: f32, cx: f32, cy: f32) -> Camera {
        Camera::new(fx, fx, cx, cy).expect("a camera")
    }

    fn aligned(camera: Camera) -> Rig {
        Rig {
            depth: camera,
            image: camera,
            rotation: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            translation_m: [0.0; 3],
        }
    }

    fn register(rig: &Rig, samples: &[u16], height: usize, width: usize) -> Vec<f32> {
        let view = DepthView::new(DepthSamples::U16(samples), HEIGHT, WIDTH, 0.001);
        rig.register(&view.expect("a view"), height, width)
            .expect("a shape in range")
    }

    fn ramp() -> Vec<u16> {
        let mut samples: Vec<u16> = (0..HEIGHT * WIDTH).map(|i| 700 + i as u16).collect();
        samples[11] = 0;
        samples
    }

    #[test]
    fn the_same_camera_sees_the_same() {
        let seen = register(&aligned(camera(9.3, 3.1, 2.7)), &ramp(), HEIGHT, WIDTH);
        let same: Vec<f32> = ramp().iter().map(|&mm| f32::from(mm)).collect();
        assert_eq!(seen, same);
    }

    #[test]
    fn a_finer_image_has_no_holes_but_those_of_depth() {
        let coarse = camera(10.0, 3.5, 2.5);
        let fine = camera(20.0, 7.5, 5.5);
        let rig = Rig {
            image: fine,
            ..aligned(coarse)
        };
        let seen = register(&rig, &ramp(), 2 * HEIGHT, 2 * WIDTH);
        for (at, mm) in seen.iter().enumerate() {
            let (row, column) = (at / (2 * WIDTH), at % (2 * WIDTH));
            let expected = ramp()[row / 2 * WIDTH + column / 2];
            assert!(
                (mm - f32::from(expected)).abs() < f32::EPSILON,
                "{row}, {column}"
            );
        }
    }

    #[test]
    fn the_nearest_wins_and_what_it_hides_leaves_a_hole() {
        let mut samples = vec![1000; HEIGHT * WIDTH];
        samples[2 * WIDTH + 4] = 500;
        let mut rig = aligned(camera(10.0, 3.5, 2.5));
        rig.translation_m[0] = 0.1; // a pixel at 1000 mm, two at 500 mm
        let seen = register(&rig, &samples, HEIGHT, WIDTH);
        let row = &seen[2 * WIDTH..3 * WIDTH];
        assert_eq!(
            row,
            [0.0, 1000.0, 1000.0, 1000.0, 1000.0, 0.0, 500.0, 1000.0]
        );
    }

    #[test]
    fn what_is_behind_or_in_the_plane_of_the_image_is_left_out() {
        for z in [-1.0, -2.0, -0.999_999_999] {
            let mut rig = aligned(camera(10.0, 3.5, 2.5));
            rig.translation_m[2] = z;
            let seen = register(&rig, &[1000; HEIGHT * WIDTH], HEIGHT, WIDTH);
            assert!(seen.iter().all(|&mm| mm == 0.0));
        }
    }

    #[test]
    fn shapes_out_of_range_are_refused() {
        let samples = [1; HEIGHT * WIDTH];
        let view =
            DepthView::new(DepthSamples::U16(&samples), HEIGHT, WIDTH, 0.001).expect("a view");
        let rig = aligned(camera(10.0, 3.5, 2.5));
        for (height, width) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, usize::MAX)] {
            assert!(rig.register(&view, height, width).is_err());
        }
    }
}
