//! From camera pixels to a small metric patch around a head: units, missing values, noise, in one pass.

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

/// A depth inside the band, else 0; NaN and infinity are outside.
#[inline]
fn band_mm(mm: f32, band: &std::ops::RangeInclusive<f32>) -> f32 {
    if band.contains(&mm) { mm } else { 0.0 }
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
        };
        // One loop for each kind of sample: the choice inside it would cost as much as the sum.
        let band = near_mm..=far_mm;
        let unit = depth.mm_per_unit();
        match depth.samples() {
            DepthSamples::U16(samples) => patch.fill(
                &blocks,
                |at| band_mm(f32::from(samples[at]) * unit, &band),
                intensity,
            ),
            DepthSamples::F32(samples) => {
                patch.fill(&blocks, |at| band_mm(samples[at] * unit, &band), intensity);
            }
        }
        patch
    }

    /// Depth and picture, for one kind of depth.
    fn fill(&mut self, blocks: &Blocks, mm: impl Fn(usize) -> f32, intensity: &IntensityView) {
        match intensity {
            IntensityView::InfraredU8(light) => {
                self.fill_infrared(blocks, mm, |at| f32::from(light[at]));
            }
            IntensityView::InfraredU16(light) => {
                self.fill_infrared(blocks, mm, |at| f32::from(light[at]));
            }
            IntensityView::Color(samples) => {
                let decode = &*SRGB_TO_LINEAR;
                let means = self.average(blocks, mm, |at| {
                    std::array::from_fn(|k| decode[usize::from(samples[3 * at + k])])
                });
                self.color = (0..3)
                    .map(|k| means.iter().map(|mean| mean[k]).collect())
                    .collect();
                self.reflectance = means
                    .iter()
                    .map(|[red, green, blue]| 0.2126 * red + 0.7152 * green + 0.0722 * blue)
                    .collect();
            }
        }
    }

    /// The light comes from the camera: brightness falls with the squared distance.
    fn fill_infrared(
        &mut self,
        blocks: &Blocks,
        mm: impl Fn(usize) -> f32,
        light: impl Fn(usize) -> f32,
    ) {
        let means = self.average(blocks, mm, |at| [light(at)]);
        for ((reflectance, [light]), z) in self.reflectance.iter_mut().zip(means).zip(&self.depth) {
            *reflectance = light * z * z * 1e-6;
        }
    }

    /// Fills every cell with the mean depth over its block of pixels of `mm` (0 is missing); returns the mean
    /// of `light` over the same pixels, 0 where depth is missing.
    fn average<const N: usize>(
        &mut self,
        blocks: &Blocks,
        mm: impl Fn(usize) -> f32,
        light: impl Fn(usize) -> [f32; N],
    ) -> Vec<[f32; N]> {
        let Blocks {
            region,
            block,
            stride,
        } = *blocks;
        let mut lights = vec![[0.0; N]; self.depth.len()];
        for row in 0..self.height {
            for column in 0..self.width {
                let first = (region.top + row * block) * stride + region.left + column * block;
                let (mut depth_sum, mut light_sum, mut count) = (0.0_f32, [0.0_f32; N], 0_usize);
                for y in 0..block {
                    for at in first + y * stride..first + y * stride + block {
                        let z = mm(at);
                        if z > 0.0 {
                            depth_sum += z;
                            for (sum, value) in light_sum.iter_mut().zip(light(at)) {
                                *sum += value;
                            }
                            count += 1;
                        }
                    }
                }
                // Half of the pixels must agree that something is here.
                if count > 0 && 2 * count >= block * block {
                    let at = row * self.width + column;
                    self.depth[at] = depth_sum / count as f32;
                    lights[at] = light_sum.map(|sum| sum / count as f32);
                }
            }
        }
        lights
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
}
