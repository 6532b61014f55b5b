//! From camera pixels to a small metric patch around a head: units, missing values, noise, in one pass.

#![allow(
    clippy::inline_always,
    reason = "loops of a kernel must become part of the function that enables its instruction set"
)]

use std::ops::{Range, RangeInclusive};

use crate::distance::{Kernel, Lanes, Loops};
use crate::frame::{Camera, DepthSamples, DepthView, IntensityView, SRGB_TO_LINEAR};

/// A rectangle of pixels, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// One past the last row.
    pub bottom: usize,
    /// One past the last column.
    pub right: usize,
}

/// Depth and reflectance of the surroundings of a head at about 2 mm a cell.
#[derive(Debug, Clone)]
pub struct Patch {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Millimetres; 0 is missing or outside the band of depths asked for.
    pub depth: Vec<f32>,
    /// Linear intensity; infrared multiplied by the squared distance in metres, so that a face does not
    /// darken with distance. 0 where depth is missing.
    pub reflectance: Vec<f32>,
    /// Linear red, green and blue of the same cells; empty for infrared.
    pub color: Vec<Vec<f32>>,
    /// Intrinsics of the patch's own cells.
    pub camera: Camera,
}

/// Neighbours further apart in depth than this belong to different surfaces, millimetres.
pub(crate) const TEAR_MM: f32 = 25.0;
/// Cells of the patch are about this wide; finer pixels are averaged, which lowers noise.
const CELL_MM: f32 = 2.0;

impl Patch {
    /// Averages the pixels of `region` whose depth lies in `near_mm..far_mm` into cells.
    #[must_use]
    pub fn cut(
        depth: &DepthView,
        intensity: &IntensityView,
        camera: &Camera,
        region: Region,
        near_mm: f32,
        far_mm: f32,
    ) -> Self {
        let pixel_mm = camera.pixel_mm(near_mm);
        let block = ((CELL_MM / pixel_mm).round() as usize).max(1);
        let width = (region.right - region.left) / block;
        let height = (region.bottom - region.top) / block;
        let scale = block as f32;
        let mut patch = Self {
            width,
            height,
            depth: vec![0.0; width * height],
            reflectance: vec![0.0; width * height],
            color: Vec::new(),
            camera: Camera {
                fx: camera.fx / scale,
                fy: camera.fy / scale,
                cx: (camera.cx - region.left as f32 + 0.5) / scale - 0.5,
                cy: (camera.cy - region.top as f32 + 0.5) / scale - 0.5,
                principal_deviation: camera.principal_deviation / scale,
            },
        };
        let blocks = Blocks {
            region,
            block,
            stride: depth.width(),
            width,
            height,
        };
        let band = near_mm..=far_mm;
        let unit = depth.mm_per_unit();
        let counted = match depth.samples() {
            DepthSamples::U16(samples) => blocks.depths(samples, unit, band, &mut patch.depth),
            DepthSamples::F32(samples) => blocks.depths(samples, unit, band, &mut patch.depth),
        };
        match intensity {
            IntensityView::InfraredU8(light) => patch.light_up(&blocks, &counted, light),
            IntensityView::InfraredU16(light) => patch.light_up(&blocks, &counted, light),
            IntensityView::Color(samples) => {
                patch.color = blocks.colors(&counted, samples);
                Kernel::fastest().run(Brightness {
                    colors: &mut patch.color,
                    counts: &counted.cells,
                    means: &mut patch.reflectance,
                });
            }
        }
        patch
    }

    /// The light comes from the camera: brightness falls with the squared distance.
    fn light_up<T: Sample>(&mut self, blocks: &Blocks, counted: &Counted, light: &[T]) {
        Kernel::fastest().run(Lights {
            blocks,
            counted,
            light,
            means: &mut self.reflectance,
        });
        for (reflectance, z) in self.reflectance.iter_mut().zip(&self.depth) {
            *reflectance *= z * z * 1e-6;
        }
    }
}

/// Which pixels of the frame make which cell.
#[derive(Clone, Copy)]
struct Blocks {
    region: Region,
    /// Pixels along each side of a cell.
    block: usize,
    /// Pixels in a row of the frame.
    stride: usize,
    /// Cells in a row, and rows of them.
    width: usize,
    height: usize,
}

/// What a camera stores for a pixel.
trait Sample: Copy + Into<f32> {}
impl Sample for u8 {}
impl Sample for u16 {}
impl Sample for f32 {}

/// The pixels that count.
struct Counted {
    /// All bits for each pixel of the region whose depth is in the band, else none.
    pixels: Vec<u8>,
    /// How many there are in each cell; infinite where too few of its pixels are.
    cells: Vec<f32>,
}

impl Blocks {
    /// Pixels of the frame that make row `y` of a row of cells.
    fn row(&self, row: usize, y: usize) -> Range<usize> {
        let first = (self.region.top + row * self.block + y) * self.stride + self.region.left;
        first..first + self.width * self.block
    }

    /// The same among the region's pixels alone.
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
    fn depths<T: Sample>(
        &self,
        samples: &[T],
        unit: f32,
        band: RangeInclusive<f32>,
        means: &mut [f32],
    ) -> Counted {
        let mut counted = Counted {
            pixels: vec![0; means.len() * self.block * self.block],
            cells: vec![0.0; means.len()],
        };
        Kernel::fastest().run(Depths {
            blocks: self,
            samples,
            unit,
            band,
            means,
            counted: &mut counted,
        });
        counted
    }

    /// Sums of linear red, green and blue over the pixels of each cell that count; 0 where it has no depth.
    fn colors(&self, counted: &Counted, samples: &[u8]) -> Vec<Vec<f32>> {
        let mut sums = vec![vec![0.0; counted.cells.len()]; 3];
        // Of the sizes that cameras give, each has loops of its own, of a length that the compiler knows.
        match self.block {
            1 => self.add_colors::<1>(counted, samples, &mut sums),
            2 => self.add_colors::<2>(counted, samples, &mut sums),
            3 => self.add_colors::<3>(counted, samples, &mut sums),
            4 => self.add_colors::<4>(counted, samples, &mut sums),
            block => {
                for row in 0..self.height {
                    for y in 0..block {
                        let pixels = self.row(row, y);
                        let colors = samples[3 * pixels.start..3 * pixels.end].as_chunks().0;
                        let counts = &counted.pixels[self.own_row(row, y)];
                        let cells = colors.chunks_exact(block).zip(counts.chunks_exact(block));
                        for (at, (colors, counts)) in self.cells(row).zip(cells) {
                            if counted.cells[at] < f32::INFINITY {
                                let sum = sum_of_colors(colors, counts);
                                sums.iter_mut().zip(sum).for_each(|(to, sum)| to[at] += sum);
                            }
                        }
                    }
                }
            }
        }
        sums
    }

    /// The same for cells of `BLOCK` x `BLOCK` pixels.
    fn add_colors<const BLOCK: usize>(
        &self,
        counted: &Counted,
        samples: &[u8],
        sums: &mut [Vec<f32>],
    ) {
        for row in 0..self.height {
            let colors: [&[[[u8; 3]; BLOCK]]; BLOCK] = std::array::from_fn(|y| {
                let pixels = self.row(row, y);
                let colors = samples[3 * pixels.start..3 * pixels.end].as_chunks().0;
                colors.as_chunks().0
            });
            let counts: [&[[u8; BLOCK]]; BLOCK] =
                std::array::from_fn(|y| counted.pixels[self.own_row(row, y)].as_chunks().0);
            for (column, at) in self.cells(row).enumerate() {
                if counted.cells[at] < f32::INFINITY {
                    let mut all = [0.0; 3];
                    for y in 0..BLOCK {
                        let sum = sum_of_colors(&colors[y][column], &counts[y][column]);
                        all.iter_mut().zip(sum).for_each(|(all, sum)| *all += sum);
                    }
                    sums.iter_mut().zip(all).for_each(|(to, sum)| to[at] = sum);
                }
            }
        }
    }
}

/// Linear red, green and blue of some pixels together.
#[inline(always)]
fn sum_of_colors(colors: &[[u8; 3]], counts: &[u8]) -> [f32; 3] {
    let decode = &*SRGB_TO_LINEAR;
    let mut sums = [0.0; 3];
    for (color, counts) in colors.iter().zip(counts) {
        for (sum, value) in sums.iter_mut().zip(color) {
            // What does not count is as black as it gets.
            *sum += decode[usize::from(value & counts)];
        }
    }
    sums
}

/// Makes means of sums of colours, and their brightness.
struct Brightness<'a> {
    colors: &'a mut [Vec<f32>],
    counts: &'a [f32],
    means: &'a mut [f32],
}

impl Loops for Brightness<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let [red, green, blue] = self.colors else {
            return;
        };
        let colors = red.iter_mut().zip(green).zip(blue);
        for ((mean, count), ((red, green), blue)) in
            self.means.iter_mut().zip(self.counts).zip(colors)
        {
            *red /= count;
            *green /= count;
            *blue /= count;
            *mean = 0.2126 * *red + 0.7152 * *green + 0.0722 * *blue;
        }
    }
}

struct Depths<'a, T> {
    blocks: &'a Blocks,
    samples: &'a [T],
    unit: f32,
    band: RangeInclusive<f32>,
    means: &'a mut [f32],
    counted: &'a mut Counted,
}

impl<T: Sample> Loops for Depths<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Self { blocks, unit, .. } = self;
        let (near, far) = self.band.into_inner();
        let least = (blocks.block * blocks.block) as f32 / 2.0;
        let mut sums = vec![0.0; blocks.width * blocks.block];
        let mut counts = sums.clone();
        for row in 0..blocks.height {
            sums.fill(0.0);
            counts.fill(0.0);
            for y in 0..blocks.block {
                let samples = self.samples[blocks.row(row, y)].iter();
                let counted = self.counted.pixels[blocks.own_row(row, y)].iter_mut();
                let totals = sums.iter_mut().zip(&mut counts);
                for ((&sample, counted), (sum, count)) in samples.zip(counted).zip(totals) {
                    let mm = sample.into() * unit;
                    // NaN and infinity are outside.
                    let inside = (mm >= near) & (mm <= far);
                    *counted = if inside { u8::MAX } else { 0 };
                    *sum += if inside { mm } else { 0.0 };
                    *count += if inside { 1.0 } else { 0.0 };
                }
            }
            let means = &mut self.means[blocks.cells(row)];
            let counted = &mut self.counted.cells[blocks.cells(row)];
            join(blocks.block, &sums, means);
            join(blocks.block, &counts, counted);
            for (mean, count) in means.iter_mut().zip(counted) {
                // Half of the pixels must agree that something is here.
                *count = if *count >= least {
                    *count
                } else {
                    f32::INFINITY
                };
                *mean /= *count;
            }
        }
    }
}

/// Mean light of each cell; 0 where it has no depth.
struct Lights<'a, T> {
    blocks: &'a Blocks,
    counted: &'a Counted,
    light: &'a [T],
    means: &'a mut [f32],
}

impl<T: Sample> Loops for Lights<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Self {
            blocks, counted, ..
        } = self;
        let mut sums = vec![0.0; blocks.width * blocks.block];
        for row in 0..blocks.height {
            sums.fill(0.0);
            for y in 0..blocks.block {
                let light = self.light[blocks.row(row, y)].iter();
                let counted = &counted.pixels[blocks.own_row(row, y)];
                for ((sum, &light), &counted) in sums.iter_mut().zip(light).zip(counted) {
                    let light: f32 = light.into();
                    *sum += if counted != 0 { light } else { 0.0 };
                }
            }
            let means = &mut self.means[blocks.cells(row)];
            join(blocks.block, &sums, means);
            for (mean, count) in means.iter_mut().zip(&counted.cells[blocks.cells(row)]) {
                *mean /= count;
            }
        }
    }
}

/// Sums of so many neighbours each.
#[inline(always)]
fn join(count: usize, values: &[f32], sums: &mut [f32]) {
    match count {
        1 => sums.copy_from_slice(values),
        2 => join_chunks::<2>(values, sums),
        3 => join_chunks::<3>(values, sums),
        4 => join_chunks::<4>(values, sums),
        _ => {
            for (sum, values) in sums.iter_mut().zip(values.chunks_exact(count)) {
                *sum = values.iter().sum();
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
