//! Small holes in a depth map, bridged from what was measured around them.
//!
//! Stereo cameras and many time-of-flight cameras give depth with single pixels or small spots missing. Such a hole
//! is filled where it is enclosed by one surface, and where it is small, in millimetres:
//!
//! ```text
//! for each row, top down
//!     note which pixels are missing, a bit each
//!     for each column where a gap ends in this row
//!         for each pixel of the gap
//!             its gap along the column, and its gap along the row
//!             if both end on something measured, are short, and neither crosses a silhouette:
//!                 interpolate along each that lies on one surface; take their mean, the shorter gap's counts more
//! ```
//!
//! Nothing that was measured changes, nothing is filled from what was filled, and pixels that were filled stay
//! known as such: they are no evidence.

use crate::input::bits::{Bits, WORD, ones};
use crate::input::views::{Camera, DepthSamples, DepthView};
use crate::simd::{Kernel, Lanes, Loops, least};

/// The gaps of a pixel along its row and its column are at most this long, millimetres.
const LONGER_MM: f32 = 30.0;
/// The shorter of them is at most this long, millimetres: a nose tip or an eye, far less than a face.
const SHORTER_MM: f32 = 25.0;
/// Along a gap on one surface depth changes by less than this, millimetres: as much as the side of a nose does. Depth
/// in whole millimetres is never just at the limit, where rounding would decide.
const STEP_MM: f32 = 25.5;
/// Where depth changes by more along either gap, the pixel lies at a silhouette, millimetres.
const SILHOUETTE_MM: f32 = 60.5;

/// A depth map with its small holes filled.
#[derive(Debug, Clone)]
pub struct Filled {
    samples: Samples,
    width: usize,
    height: usize,
    mm_per_unit: f32,
    pixels: Bits,
}

#[derive(Debug, Clone)]
enum Samples {
    U16(Vec<u16>),
    F32(Vec<f32>),
}

impl Filled {
    /// Fills the small holes of a depth map; `None` if there is none.
    #[must_use]
    pub fn of(depth: &DepthView, camera: &Camera) -> Option<Self> {
        let found = match depth.samples() {
            DepthSamples::U16(samples) => fill(samples, depth, camera)
                .map(|(samples, pixels)| (Samples::U16(samples), pixels)),
            DepthSamples::F32(samples) => fill(samples, depth, camera)
                .map(|(samples, pixels)| (Samples::F32(samples), pixels)),
        };
        found.map(|(samples, pixels)| Self {
            samples,
            width: depth.width(),
            height: depth.height(),
            mm_per_unit: depth.mm_per_unit(),
            pixels,
        })
    }

    /// The depth map, which knows the pixels that were filled.
    #[must_use]
    pub fn view(&self) -> DepthView<'_> {
        let samples = match &self.samples {
            Samples::U16(samples) => DepthSamples::U16(samples),
            Samples::F32(samples) => DepthSamples::F32(samples),
        };
        DepthView::of_filled(
            samples,
            (self.height, self.width),
            self.mm_per_unit,
            &self.pixels,
        )
    }
}

/// A sample of depth, in units.
trait Units: Copy + Default {
    fn is_missing(self) -> bool;
    fn to_units(self) -> f32;
    /// The nearest sample that is not missing.
    fn from_units(units: f32) -> Self;
}

impl Units for u16 {
    #[inline(always)]
    fn is_missing(self) -> bool {
        self == 0
    }

    fn to_units(self) -> f32 {
        f32::from(self)
    }

    fn from_units(units: f32) -> Self {
        // The conversion saturates.
        (units.round() as Self).max(1)
    }
}

impl Units for f32 {
    #[inline(always)]
    fn is_missing(self) -> bool {
        // NaN fails both comparisons.
        let measured = (self > 0.0) & (self < Self::INFINITY);
        !measured
    }

    fn to_units(self) -> f32 {
        self
    }

    fn from_units(units: f32) -> Self {
        units
    }
}

/// Samples with small holes filled, and which these are; `None` if there is none.
fn fill<T: Units>(samples: &[T], depth: &DepthView, camera: &Camera) -> Option<(Vec<T>, Bits)> {
    let (width, height) = (depth.width(), depth.height());
    let mut holes = Holes {
        samples,
        width,
        mm_per_unit: depth.mm_per_unit(),
        per_focal_px: [1.0 / camera.fx, 1.0 / camera.fy],
        missing: Bits::none(width, height),
        began: vec![0; width],
        filled: None,
    };
    let kernel = Kernel::fastest();
    for row in 0..height {
        kernel.run(NoteMissing {
            samples: &samples[row * width..(row + 1) * width],
            words: holes.missing.row_mut(row),
        });
        if row > 0 {
            holes.pass(row);
        }
    }
    holes.filled
}

/// Sets a bit for each sample of a row that is missing.
struct NoteMissing<'a, T> {
    samples: &'a [T],
    words: &'a mut [u64],
}

impl<T: Units> Loops for NoteMissing<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let (whole, rest) = self.samples.as_chunks::<WORD>();
        for (word, samples) in self.words.iter_mut().zip(whole) {
            *word = packed(samples);
        }
        if let Some(last) = self.words.get_mut(whole.len()) {
            *last = (0..)
                .zip(rest)
                .map(|(bit, sample)| u64::from(sample.is_missing()) << bit)
                .sum();
        }
    }
}

/// A bit for each of 64 samples that is missing.
#[inline(always)]
fn packed<T: Units>(samples: &[T; WORD]) -> u64 {
    let mut flags = [0_u8; WORD];
    for (flag, sample) in flags.iter_mut().zip(samples) {
        *flag = u8::from(sample.is_missing());
    }
    let eights = flags.as_chunks::<8>().0;
    if eights
        .iter()
        .fold(0, |all, eight| all | u64::from_le_bytes(*eight))
        == 0
    {
        return 0;
    }
    // The product gathers the lowest bits of eight bytes in its highest byte.
    (0..).zip(eights).fold(0, |word, (at, eight)| {
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word | bits << (8 * at)
    })
}

/// The rows that were passed, and the gaps of each column that are open in the last of them.
struct Holes<'a, T> {
    samples: &'a [T],
    width: usize,
    mm_per_unit: f32,
    /// One over the focal lengths along a row and a column.
    per_focal_px: [f32; 2],
    missing: Bits,
    /// First row of the gap that is open in each column; meaningless where none is.
    began: Vec<usize>,
    filled: Option<(Vec<T>, Bits)>,
}

/// A stretch of missing pixels between two that were measured.
struct Gap {
    /// Depth of its two ends, units.
    ends: [f32; 2],
    /// One over the number of missing pixels.
    per_pixel: f32,
    /// Its length, millimetres.
    mm: f32,
    /// Whether both ends may lie on one surface.
    one_surface: bool,
}

impl Gap {
    /// A gap that is short, and does not cross a silhouette.
    #[inline(always)]
    fn of(ends: [f32; 2], pixels: usize, per_focal_px: f32, mm_per_unit: f32) -> Option<Self> {
        let near_mm = least(ends[0], ends[1]) * mm_per_unit;
        let mm = pixels as f32 * near_mm * per_focal_px;
        let step_mm = (ends[0] - ends[1]).abs() * mm_per_unit;
        (mm <= LONGER_MM && step_mm <= SILHOUETTE_MM).then(|| Self {
            ends,
            per_pixel: 1.0 / pixels as f32,
            mm,
            one_surface: step_mm <= STEP_MM,
        })
    }

    /// Depth `at` pixels after the first end, and its weight: none where the ends are not of one surface.
    #[inline(always)]
    fn bridged(&self, at: usize) -> (f32, f32) {
        let [first, last] = self.ends;
        // Of n missing pixels, the k-th is k of n + 1 steps away.
        let share = at as f32 * self.per_pixel / (1.0 + self.per_pixel);
        let weight = if self.one_surface {
            self.per_pixel
        } else {
            0.0
        };
        (first + (last - first) * share, weight)
    }
}

impl<T: Units> Holes<'_, T> {
    /// Opens the gaps that begin in a row, and fills those that ended above it.
    fn pass(&mut self, row: usize) {
        for at in 0..self.missing.words_per_row {
            let (above, here) = (self.missing.row(row - 1)[at], self.missing.row(row)[at]);
            for bit in ones(here & !above) {
                self.began[at * WORD + bit] = row;
            }
            for bit in ones(above & !here) {
                self.close(at * WORD + bit, row);
            }
        }
    }

    /// Fills what can be filled of the gap of a column that ended above `end`.
    fn close(&mut self, column: usize, end: usize) {
        let first = self.began[column];
        // Gaps that reach the picture's edge are not enclosed.
        if first == 0 {
            return;
        }
        let ends = [self.units(first - 1, column), self.units(end, column)];
        let Some(down) = Gap::of(ends, end - first, self.per_focal_px[1], self.mm_per_unit) else {
            return;
        };
        for row in first..end {
            if let Some(units) = self.bridged(row, column, &down, row + 1 - first) {
                let (samples, pixels) = self.filled.get_or_insert_with(|| {
                    let height = self.samples.len() / self.width;
                    (self.samples.to_vec(), Bits::none(self.width, height))
                });
                samples[row * self.width + column] = T::from_units(units);
                pixels.set(row, column);
            }
        }
    }

    /// Depth of a missing pixel, `at` pixels below the upper end of its gap along the column.
    #[inline(always)]
    fn bridged(&self, row: usize, column: usize, down: &Gap, at: usize) -> Option<f32> {
        let left = self.missing.unset_before(row, column)?;
        let right = self.missing.unset_after(row, column)?;
        if right >= self.width {
            return None;
        }
        let ends = [self.units(row, left), self.units(row, right)];
        let pixels = right - left - 1;
        let across = Gap::of(ends, pixels, self.per_focal_px[0], self.mm_per_unit)?;
        if least(down.mm, across.mm) > SHORTER_MM {
            return None;
        }
        let (by_column, heavy) = down.bridged(at);
        let (by_row, heavier) = across.bridged(column - left);
        let apart = (by_column - by_row).abs() * self.mm_per_unit > STEP_MM;
        let total = heavy + heavier;
        if total == 0.0 || (apart && heavy * heavier > 0.0) {
            return None;
        }
        Some((by_column * heavy + by_row * heavier) / total)
    }

    fn units(&self, row: usize, column: usize) -> f32 {
        self.samples[row * self.width + column].to_units()
    }
}
