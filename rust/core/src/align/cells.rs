//! From pixels of a frame to the coarser cells of a patch.

use std::ops::{AddAssign, Range, RangeInclusive};
use std::sync::LazyLock;

use crate::input::bits::Bits;
use crate::input::views::Region;
use crate::simd::{Kernel, Lanes, Loops};

/// sRGB decoding (IEC 61966-2-1) of 8-bit values to 0..255 linear, approximated by the exponent 2.2:
/// the intensity channel is normalised locally, so the toe of the exact curve does not matter.
static SRGB_TO_LINEAR: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|value| 255.0 * (value as f32 / 255.0).powf(2.2)));

/// Which pixels of the frame make which cell.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    pub region: Region,
    /// Pixels along each side of a cell.
    pub block: usize,
    /// Pixels in a row of the frame.
    pub stride: usize,
    /// Cells in a row, and rows of them.
    pub width: usize,
    pub height: usize,
}

/// A value of a pixel; the default stands for pixels that do not count.
pub(super) trait Sample: Copy + Default + Into<Self::Sum> {
    /// Type of their sums: those of integers are integers, and exact.
    type Sum: Sum;
}

impl Sample for u8 {
    type Sum = u32;
}

impl Sample for u16 {
    type Sum = u32;
}

impl Sample for f32 {
    type Sum = Self;
}

/// A sum of samples.
pub(super) trait Sum: Copy + Default + AddAssign {
    fn as_float(self) -> f32;
}

impl Sum for u32 {
    #[inline(always)]
    fn as_float(self) -> f32 {
        self as f32
    }
}

impl Sum for f32 {
    #[inline(always)]
    fn as_float(self) -> f32 {
        self
    }
}

/// A sample of depth.
pub(super) trait Distance: Sample + PartialOrd {
    /// The range of samples between two depths in units; it contains no NaN.
    fn between(near: f32, far: f32) -> RangeInclusive<Self>;
}

impl Distance for u16 {
    fn between(near: f32, far: f32) -> RangeInclusive<Self> {
        let some = far >= 0.0 && near <= f32::from(Self::MAX);
        // The conversion saturates.
        let (first, last) = if some {
            (near.ceil() as Self, far.floor() as Self)
        } else {
            (1, 0)
        };
        first..=last
    }
}

impl Distance for f32 {
    fn between(near: f32, far: f32) -> RangeInclusive<Self> {
        near..=far
    }
}

/// The pixels that count.
pub(super) struct Counted {
    /// A mask for each pixel of the region: all bits if its depth is in the band, else none.
    pixels: Vec<u8>,
    /// One over the number of such pixels of each cell; 0 where they are too few.
    shares: Vec<f32>,
}

impl Blocks {
    /// Pixels of the frame that make row `y` of a row of cells.
    fn row(&self, row: usize, y: usize) -> Range<usize> {
        let first = (self.region.top + row * self.block + y) * self.stride + self.region.left;
        first..first + self.width * self.block
    }

    /// The same pixels, counted within the region.
    fn own_row(&self, row: usize, y: usize) -> Range<usize> {
        let pixels = self.width * self.block;
        let first = (row * self.block + y) * pixels;
        first..first + pixels
    }

    /// Cells of a row.
    fn cells(&self, row: usize) -> Range<usize> {
        row * self.width..(row + 1) * self.width
    }

    /// Mean depth of each cell, millimetres; 0 where fewer than half of its pixels are in the band.
    pub fn depths<T: Distance>(
        &self,
        samples: &[T],
        unit: f32,
        band: &RangeInclusive<f32>,
    ) -> (Vec<f32>, Counted) {
        Kernel::fastest().run(Depths {
            blocks: self,
            samples,
            unit,
            band: T::between(band.start() / unit, band.end() / unit),
        })
    }

    /// Reflectance of each cell. The light comes from the camera: it falls with the squared distance.
    pub fn lights<T: Sample>(&self, counted: &Counted, light: &[T], depth: &[f32]) -> Vec<f32> {
        let mut reflectance = Kernel::fastest().run(Lights {
            blocks: self,
            counted,
            light,
        });
        for (reflectance, z) in reflectance.iter_mut().zip(depth) {
            *reflectance *= z * z * 1e-6;
        }
        reflectance
    }

    /// Share of each cell's pixels that were filled, not measured; empty if none was.
    pub fn filled(&self, counted: &Counted, filled: &Bits) -> Vec<f32> {
        let mut shares = Vec::new();
        let (left, end) = (self.region.left, self.region.left + self.width * self.block);
        for row in 0..self.height {
            for y in 0..self.block {
                let counts = &counted.pixels[self.own_row(row, y)];
                let from = self.region.top + row * self.block + y;
                for column in filled.columns(from, left, end).map(|column| column - left) {
                    let at = row * self.width + column / self.block;
                    if counts[column] != 0 && counted.shares[at] > 0.0 {
                        shares.resize(counted.shares.len(), 0.0);
                        shares[at] += counted.shares[at];
                    }
                }
            }
        }
        shares
    }

    /// Brightness of each cell, and its mean linear red, green and blue.
    pub fn colors(&self, counted: &Counted, samples: &[u8]) -> (Vec<f32>, Vec<Vec<f32>>) {
        let mut colors = self.sums_of_colors(counted, samples);
        let brightness = Kernel::fastest().run(Brightness {
            colors: &mut colors,
            shares: &counted.shares,
        });
        (brightness, colors)
    }

    /// Sums of linear red, green and blue over the pixels of each cell that count; 0 where it has no depth.
    fn sums_of_colors(&self, counted: &Counted, samples: &[u8]) -> Vec<Vec<f32>> {
        // The sizes that occur have loops of their own, of a length that the compiler knows.
        match self.block {
            1 => self.sums_by(1, counted, samples),
            2 => self.sums_by(2, counted, samples),
            3 => self.sums_by(3, counted, samples),
            4 => self.sums_by(4, counted, samples),
            block => self.sums_by(block, counted, samples),
        }
    }

    #[inline(always)]
    fn sums_by(&self, block: usize, counted: &Counted, samples: &[u8]) -> Vec<Vec<f32>> {
        let decode = &*SRGB_TO_LINEAR;
        let mut planes = vec![vec![0.0; counted.shares.len()]; 3];
        for row in 0..self.height {
            let shares = &counted.shares[self.cells(row)];
            for y in 0..block {
                let pixels = self.row(row, y);
                let (colors, _) = samples[3 * pixels.start..3 * pixels.end].as_chunks::<3>();
                let counts = &counted.pixels[self.own_row(row, y)];
                let pixels = colors.chunks_exact(block).zip(counts.chunks_exact(block));
                for ((at, share), (colors, counts)) in self.cells(row).zip(shares).zip(pixels) {
                    if *share > 0.0 {
                        let mut sums = [0.0; 3];
                        for (color, counts) in colors.iter().zip(counts) {
                            for (sum, value) in sums.iter_mut().zip(color) {
                                // Pixels that do not count are black.
                                *sum += decode[usize::from(value & counts)];
                            }
                        }
                        for (plane, sum) in planes.iter_mut().zip(sums) {
                            plane[at] += sum;
                        }
                    }
                }
            }
        }
        planes
    }
}

/// Turns sums of colours into means, and computes their brightness.
struct Brightness<'a> {
    colors: &'a mut [Vec<f32>],
    shares: &'a [f32],
}

impl Loops for Brightness<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> Vec<f32> {
        const WEIGHTS: [f32; 3] = [0.2126, 0.7152, 0.0722];
        let mut brightness = vec![0.0; self.shares.len()];
        for (plane, weight) in self.colors.iter_mut().zip(WEIGHTS) {
            for ((all, value), share) in brightness.iter_mut().zip(plane).zip(self.shares) {
                *value *= share;
                *all += weight * *value;
            }
        }
        brightness
    }
}

struct Depths<'a, T> {
    blocks: &'a Blocks,
    samples: &'a [T],
    unit: f32,
    /// Samples that count.
    band: RangeInclusive<T>,
}

impl<T: Distance> Loops for Depths<'_, T> {
    type Output = (Vec<f32>, Counted);

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> (Vec<f32>, Counted) {
        let Self { blocks, unit, .. } = self;
        let (near, far) = self.band.into_inner();
        let least = (blocks.block * blocks.block) as f32 / 2.0;
        let count = blocks.width * blocks.height;
        let mut counted = Counted {
            pixels: Vec::with_capacity(count * blocks.block * blocks.block),
            shares: Vec::with_capacity(count),
        };
        let mut means = Vec::with_capacity(count);
        let mut sums = vec![T::Sum::default(); blocks.width * blocks.block];
        let mut counts = vec![0_u16; sums.len()];
        let mut floats = vec![0.0; sums.len()];
        let (mut total, mut present) = (vec![0.0; blocks.width], vec![0.0; blocks.width]);
        for row in 0..blocks.height {
            sums.fill(T::Sum::default());
            counts.fill(0);
            for y in 0..blocks.block {
                let samples = &self.samples[blocks.row(row, y)];
                // NaN and infinity are outside.
                let inside = |sample: T| (sample >= near) & (sample <= far);
                let all_or_none = |&sample: &T| if inside(sample) { u8::MAX } else { 0 };
                counted.pixels.extend(samples.iter().map(all_or_none));
                for (sum, &sample) in sums.iter_mut().zip(samples) {
                    *sum += if inside(sample) { sample } else { T::default() }.into();
                }
                for (count, &sample) in counts.iter_mut().zip(samples) {
                    *count += u16::from(inside(sample));
                }
            }
            join(
                blocks.block,
                &sums,
                T::Sum::as_float,
                &mut floats,
                &mut total,
            );
            join(blocks.block, &counts, f32::from, &mut floats, &mut present);
            // Half of the pixels must agree that something is here.
            let share = |&count: &f32| if count >= least { 1.0 / count } else { 0.0 };
            counted.shares.extend(present.iter().map(share));
            let shares = &counted.shares[blocks.cells(row)];
            let mean = |(total, share): (&f32, &f32)| total * unit * share;
            means.extend(total.iter().zip(shares).map(mean));
        }
        (means, counted)
    }
}

/// Mean light of each cell; 0 where it has no depth.
struct Lights<'a, T> {
    blocks: &'a Blocks,
    counted: &'a Counted,
    light: &'a [T],
}

impl<T: Sample> Loops for Lights<'_, T> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> Vec<f32> {
        let Self {
            blocks, counted, ..
        } = self;
        let mut means = Vec::with_capacity(counted.shares.len());
        let mut sums = vec![T::Sum::default(); blocks.width * blocks.block];
        let mut floats = vec![0.0; sums.len()];
        let mut total = vec![0.0; blocks.width];
        for row in 0..blocks.height {
            sums.fill(T::Sum::default());
            for y in 0..blocks.block {
                let light = self.light[blocks.row(row, y)].iter();
                let counted = &counted.pixels[blocks.own_row(row, y)];
                for ((sum, &light), &counted) in sums.iter_mut().zip(light).zip(counted) {
                    *sum += if counted != 0 { light } else { T::default() }.into();
                }
            }
            join(
                blocks.block,
                &sums,
                T::Sum::as_float,
                &mut floats,
                &mut total,
            );
            let shares = &counted.shares[blocks.cells(row)];
            let mean = |(total, share): (&f32, &f32)| total * share;
            means.extend(total.iter().zip(shares).map(mean));
        }
        means
    }
}

/// Adds up groups of `count` neighbours. `floats` is a buffer as long as the values.
#[inline(always)]
fn join<T: Copy>(
    count: usize,
    values: &[T],
    as_float: impl Fn(T) -> f32,
    floats: &mut [f32],
    sums: &mut [f32],
) {
    for (float, &value) in floats.iter_mut().zip(values) {
        *float = as_float(value);
    }
    match count {
        1 => sums.copy_from_slice(floats),
        2 => join_chunks::<2>(floats, sums),
        3 => join_chunks::<3>(floats, sums),
        4 => join_chunks::<4>(floats, sums),
        _ => {
            for (sum, floats) in sums.iter_mut().zip(floats.chunks_exact(count)) {
                *sum = floats.iter().sum();
            }
        }
    }
}

/// The same with a count that the compiler knows.
#[inline(always)]
fn join_chunks<const COUNT: usize>(values: &[f32], sums: &mut [f32]) {
    for (sum, values) in sums.iter_mut().zip(values.as_chunks::<COUNT>().0) {
        *sum = values.iter().sum();
    }
}
