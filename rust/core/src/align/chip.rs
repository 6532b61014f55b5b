//! The chip: a small upright picture of the face, the input of networks that read pictures.
//!
//! It is cut out of the picture as the camera delivered it, not out of the maps: their cells of 2 mm are coarser
//! than the pixels of most cameras, and miss whatever has no depth, such as brows, hair and glasses. Where it lies
//! follows from the head's pose alone, so nothing has to be found in the picture: five points of the face frame are
//! seen by the camera of the pose, and the similarity (rotation, uniform scale, shift) that brings them nearest to
//! their places in the chip, in the sense of least squares, cuts it out. A similarity, because networks are trained
//! on faces that are cut out so: they know how a face looks that is turned aside, but not one that was sheared.
//!
//! The places in the chip are the mean shape of the chips that dlib's face recognition network, which is in the public
//! domain, was trained on: outer and inner corners of the eyes, and the base of the nose.
//!
//! Pixels have their centres at whole coordinates. A pixel of the chip is the mean of n x n samples, bilinear between
//! the pixels of the frame, outside of which all is 0. With n no smaller than the number of the frame's pixels along
//! a pixel of the chip, no pixel is skipped: nothing aliases, and noise is averaged.
//!
//! Colours are copied as they are, sRGB encoded. Infrared is brought to the range of a photograph first: its
//! unit and its brightness depend on the camera and on the distance. What all but the brightest 2 % of the chip reach
//! becomes 255, so that a reflection on glasses does not darken the face, and the square root stands for the encoding
//! of sRGB. It fills all three channels.

use nalgebra::Vector3;

use super::pose::Pose;
use crate::input::views::{DepthView, IntensityView};
use crate::simd::{Kernel, Lanes, Loops, floor, least, most, whole};

/// Rows and columns of a chip.
pub const CHIP_PX: usize = 150;
/// Channels of a chip: red, green, blue.
pub const CHIP_CHANNELS: usize = 3;
const PIXELS: usize = CHIP_PX * CHIP_PX;
/// Points of the face frame, millimetres: outer and inner corner of either eye, base of the nose.
const POINTS_MM: [[f64; 3]; 5] = [
    [44.0, 0.0, 0.0],
    [16.0, 2.0, -10.0],
    [-44.0, 0.0, 0.0],
    [-16.0, 2.0, -10.0],
    [0.0, 47.0, -28.0],
];
/// Where they belong in the chip, (column, row).
const PLACES_PX: [[f64; 2]; 5] = [
    [110.96, 46.3],
    [89.6, 47.9],
    [37.06, 46.4],
    [58.4, 47.9],
    [74.0, 87.8],
];
/// Most samples along a pixel of the chip. A face at the nearest distance has about as many pixels there in a picture
/// that is 4000 pixels wide; more would take time, which grows with the square, for poses that are none.
const MOST_SAMPLES: usize = 16;
/// With its points nearer to each other (root of the sum of their squared distances from their mean, pixels) a face is
/// at one pixel, and shows nothing.
const LEAST_SPREAD_PX: f64 = 1.0;
/// Columns and rows from this one on are not told apart; the limit of [`floor`].
const LAST_PX: f32 = 4_194_304.0;
/// Index among the chip's sorted values of infrared that becomes 255.
const BRIGHT: usize = (PIXELS - 1) * 98 / 100;

/// A picture and its size.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    light: IntensityView<'a>,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl<'a> Picture<'a> {
    /// The picture that is registered to a depth map: checked to have its size.
    #[must_use]
    pub fn beside(depth: &DepthView, light: &IntensityView<'a>) -> Self {
        Self {
            light: *light,
            height: depth.height(),
            width: depth.width(),
        }
    }
}

/// The chip of a picture at a pose whose camera is the picture's own: red, green and blue, each row by row. All is 0
/// where the pose shows no face, as one behind the camera.
#[must_use]
pub fn chip(picture: &Picture, pose: &Pose) -> Vec<u8> {
    let Some(map) = seen(pose).and_then(|points| into_frame(&points)) else {
        return vec![0; CHIP_CHANNELS * PIXELS];
    };
    match picture.light {
        IntensityView::InfraredU8(samples) => brightened(&sampled(picture, samples, map)),
        IntensityView::InfraredU16(samples) => brightened(&sampled(picture, samples, map)),
        IntensityView::Color(samples) => rounded(&sampled(picture, samples, map)),
    }
}

/// Where the camera sees the five points, (column, row); `None` if not all of them are in front of it.
fn seen(pose: &Pose) -> Option<[[f64; 2]; 5]> {
    let (rotation, translation) = (pose.rotation.cast::<f64>(), pose.translation.cast::<f64>());
    let [fx, fy, cx, cy] = [
        pose.camera.fx,
        pose.camera.fy,
        pose.camera.cx,
        pose.camera.cy,
    ]
    .map(f64::from);
    let mut pixels = [[0.0; 2]; 5];
    for (pixel, point) in pixels.iter_mut().zip(POINTS_MM) {
        let p = rotation * Vector3::from(point) + translation;
        if p.z <= 0.0 {
            return None;
        }
        *pixel = [fx * p.x / p.z + cx, fy * p.y / p.z + cy];
    }
    Some(pixels)
}

/// A similarity of the plane: `(x, y) -> (a x - b y + shift[0], b x + a y + shift[1])`.
#[derive(Debug, Clone, Copy)]
struct Similarity {
    a: f64,
    b: f64,
    shift: [f64; 2],
}

impl Similarity {
    fn of(&self, x: f64, y: f64) -> [f64; 2] {
        let Self { a, b, shift } = self;
        [a * x - b * y + shift[0], b * x + a * y + shift[1]]
    }
}

/// From the chip into the frame: the inverse of the similarity that brings the points of the frame nearest to their
/// places. `None` where the points lie at one pixel. Points at infinity give numbers that are none, which lie outside of
/// every frame.
fn into_frame(points: &[[f64; 2]; 5]) -> Option<Similarity> {
    let (middle, place) = (mean(points), mean(&PLACES_PX));
    let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
    for (point, wanted) in points.iter().zip(&PLACES_PX) {
        let [x, y] = [point[0] - middle[0], point[1] - middle[1]];
        let [u, v] = [wanted[0] - place[0], wanted[1] - place[1]];
        along += x * u + y * v;
        across += x * v - y * u;
        spread += x * x + y * y;
    }
    // The similarity is (along, across) / spread, and its inverse the reciprocal of that as a complex number.
    let square = along * along + across * across;
    let mut map = Similarity {
        a: along * spread / square,
        b: -across * spread / square,
        shift: [0.0; 2],
    };
    let [x, y] = map.of(place[0], place[1]);
    map.shift = [middle[0] - x, middle[1] - y];
    (spread >= LEAST_SPREAD_PX * LEAST_SPREAD_PX).then_some(map)
}

fn mean(points: &[[f64; 2]; 5]) -> [f64; 2] {
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64)
}

/// A sample of a picture of which `C` numbers make a pixel.
trait Light<const C: usize>: Copy {
    /// Two pixels side by side; `at` is the first. After them there must be another one.
    fn two(samples: &[Self], at: usize) -> [[f32; C]; 2];

    /// One pixel.
    fn one(samples: &[Self], at: usize) -> [f32; C];
}

impl<T: Copy + Into<f32>> Light<1> for T {
    #[inline(always)]
    fn two(samples: &[T], at: usize) -> [[f32; 1]; 2] {
        let pair = &samples[at..at + 2];
        [[pair[0].into()], [pair[1].into()]]
    }

    #[inline(always)]
    fn one(samples: &[T], at: usize) -> [f32; 1] {
        [samples[at].into()]
    }
}

/// Red, green and blue, and a fourth number that nobody reads: with it a pixel fills a register.
impl Light<4> for u8 {
    #[inline(always)]
    fn two(samples: &[u8], at: usize) -> [[f32; 4]; 2] {
        let bytes = &samples[3 * at..3 * at + 7];
        let [a, b, c, d, e, f, g] = [0, 1, 2, 3, 4, 5, 6].map(|k| f32::from(bytes[k]));
        [[a, b, c, d], [d, e, f, g]]
    }

    #[inline(always)]
    fn one(samples: &[u8], at: usize) -> [f32; 4] {
        let [red, green, blue] = [0, 1, 2].map(|k| f32::from(samples[3 * at + k]));
        [red, green, blue, 0.0]
    }
}

/// The pixels of the chip, each the mean of its samples. `map` leads from the chip into the frame.
fn sampled<T: Light<C>, const C: usize>(
    picture: &Picture,
    samples: &[T],
    map: Similarity,
) -> Vec<[f32; C]> {
    // The conversion saturates.
    let along = (map.a.hypot(map.b).ceil() as usize).clamp(1, MOST_SAMPLES);
    Kernel::fastest().run(Sampling {
        samples,
        height: picture.height,
        width: picture.width,
        map,
        along,
    })
}

struct Sampling<'a, T, const C: usize> {
    samples: &'a [T],
    height: usize,
    width: usize,
    map: Similarity,
    /// Samples along each side of a pixel of the chip.
    along: usize,
}

impl<T: Light<C>, const C: usize> Loops for Sampling<'_, T, C> {
    type Output = Vec<[f32; C]>;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> Vec<[f32; C]> {
        let mut chip = vec![[0.0; C]; PIXELS];
        let n = self.along;
        let within = |k: usize| (k as f64 + 0.5) / n as f64 - 0.5;
        let count = (n * n) as f32;
        for (row, sums) in chip.as_chunks_mut::<CHIP_PX>().0.iter_mut().enumerate() {
            for sample in 0..n * n {
                let start = self
                    .map
                    .of(within(sample % n), row as f64 + within(sample / n));
                self.add_line(start.map(|pixels| pixels as f32), sums);
            }
            for pixel in sums.as_flattened_mut() {
                *pixel /= count;
            }
        }
        chip
    }
}

impl<T: Light<C>, const C: usize> Sampling<'_, T, C> {
    /// Adds the frame's values at as many points as a row of the chip has, bilinear, the first at `start`.
    #[inline(always)]
    fn add_line(&self, [x, y]: [f32; 2], sums: &mut [[f32; C]; CHIP_PX]) {
        let [across, down] = [self.map.a, self.map.b].map(|step| step as f32);
        let [width, height] = [self.width, self.height].map(|size| least(size as f32, LAST_PX));
        let mut shares = [[0.0; 2]; CHIP_PX];
        let mut squares = [[0; 2]; CHIP_PX];
        for column in 0..CHIP_PX {
            let along = column as f32;
            // All is 0 from one pixel outside on, and for what is no number, which `most` replaces.
            let x = least(most(x + along * across, -1.0), width);
            let y = least(most(y + along * down, -1.0), height);
            let (left, top) = (floor(x), floor(y));
            shares[column] = [x - left, y - top];
            squares[column] = [whole(left), whole(top)];
        }
        for column in 0..CHIP_PX {
            let [right, below] = shares[column];
            let [left, top] = squares[column];
            let [[a, b], [c, d]] = if self.holds(left, top) {
                self.square(left, top)
            } else {
                [top, top + 1].map(|row| [left, left + 1].map(|column| self.one(column, row)))
            };
            for k in 0..C {
                let upper = a[k] + (b[k] - a[k]) * right;
                let lower = c[k] + (d[k] - c[k]) * right;
                sums[column][k] += upper + (lower - upper) * below;
            }
        }
    }

    /// Whether the four pixels of which the first is at (column, row), and one more beside them, are in the frame.
    #[inline(always)]
    fn holds(&self, column: i32, row: i32) -> bool {
        let (left, top) = (column as usize, row as usize);
        left < self.width.saturating_sub(2) && top < self.height.saturating_sub(1)
    }

    /// The four pixels of which the first is at (column, row).
    #[inline(always)]
    fn square(&self, column: i32, row: i32) -> [[[f32; C]; 2]; 2] {
        let first = row as usize * self.width + column as usize;
        [first, first + self.width].map(|at| T::two(self.samples, at))
    }

    /// One pixel; 0 outside.
    fn one(&self, column: i32, row: i32) -> [f32; C] {
        let (column, row) = (column as usize, row as usize);
        if column < self.width && row < self.height {
            T::one(self.samples, row * self.width + column)
        } else {
            [0.0; C]
        }
    }
}

/// Colours as they are, rounded to the nearest.
fn rounded(pixels: &[[f32; 4]]) -> Vec<u8> {
    Kernel::fastest().run(Rounded(pixels))
}

/// Infrared in the range of a photograph, as all three channels.
fn brightened(pixels: &[[f32; 1]]) -> Vec<u8> {
    let values = pixels.as_flattened();
    // Of numbers that are not negative, the bits are in the same order.
    let mut sorted: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
    let top = f32::from_bits(*sorted.select_nth_unstable(BRIGHT).1);
    if top > 0.0 {
        Kernel::fastest().run(Brightened { values, top })
    } else {
        vec![0; CHIP_CHANNELS * PIXELS]
    }
}

struct Rounded<'a>(&'a [[f32; 4]]);

impl Loops for Rounded<'_> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> Vec<u8> {
        let mut chip = vec![0; CHIP_CHANNELS * PIXELS];
        for (k, channel) in chip.chunks_exact_mut(PIXELS).enumerate() {
            for (byte, pixel) in channel.iter_mut().zip(self.0) {
                *byte = whole(pixel[k]) as u8;
            }
        }
        chip
    }
}

struct Brightened<'a> {
    values: &'a [f32],
    /// What becomes 255.
    top: f32,
}

impl Loops for Brightened<'_> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> Vec<u8> {
        let mut chip = vec![0; CHIP_CHANNELS * PIXELS];
        let (channel, others) = chip.split_at_mut(PIXELS);
        for (byte, value) in channel.iter_mut().zip(self.values) {
            *byte = whole(255.0 * least(value / self.top, 1.0).sqrt()) as u8;
        }
        for other in others.chunks_exact_mut(PIXELS) {
            other.copy_from_slice(channel);
        }
        chip
    }
}

#[cfg(test)]
mod tests;
