//! The network's input, made of frontal maps: depth against the mean face, light against its neighbourhood. Missing
//! cells are 0, the mean of each channel.

use std::sync::LazyLock;

use super::frontal_map::Maps;
use super::grid::{CELLS, GRID_STEP_MM, GRID_WIDTH};
use super::surface::mean;
use crate::simd::{Kernel, LANES, Lanes, Loops};

/// Channels of the tensor: depth, red, green, blue.
pub const CHANNELS: usize = 4;
/// One unit of the depth channel, millimetres, and its limit in units.
const DEPTH_UNIT_MM: f32 = 10.0;
const DEPTH_LIMIT: f32 = 2.5;
/// Radius of the neighbourhood for normalising light: 12 mm.
const BLUR_SIGMA_CELLS: f32 = 12.0 / GRID_STEP_MM;
const BLUR_RADIUS: usize = 15;
const TAPS: usize = 2 * BLUR_RADIUS + 1;
/// Added to the deviation, so that noise on even skin is not blown up to full contrast.
const CONTRAST_FLOOR: f32 = 0.08;
const INTENSITY_LIMIT: f32 = 3.0;

impl Maps {
    /// The network's input, channel by channel: depth, red, green, blue.
    #[must_use]
    pub fn tensor(&self, template: &[f32]) -> Vec<f32> {
        let mut tensor = self.planes(template);
        tensor.reserve_exact(CHANNELS * CELLS - tensor.len());
        // Infrared stands in for all three.
        while tensor.len() < CHANNELS * CELLS {
            tensor.extend_from_within(CELLS..2 * CELLS);
        }
        tensor
    }

    /// Depth and each plane of light, normalised.
    pub(crate) fn planes(&self, template: &[f32]) -> Vec<f32> {
        let mut planes = vec![0.0; (1 + self.light.len()) * CELLS];
        let (depth, colors) = planes.split_at_mut(CELLS);
        Kernel::fastest().run(Normalise {
            maps: self,
            template,
            depth,
            colors,
        });
        planes
    }
}

struct Normalise<'a> {
    maps: &'a Maps,
    template: &'a [f32],
    depth: &'a mut [f32],
    /// As many planes as there are kinds of light.
    colors: &'a mut [f32],
}

impl Loops for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Maps {
            depth,
            light,
            valid,
            ..
        } = self.maps;
        let mask: Vec<f32> = valid
            .iter()
            .map(|&valid| f32::from(u8::from(valid)))
            .collect();
        let cells = self.depth.iter_mut().zip(depth).zip(self.template);
        for (((value, z), template), &valid) in cells.zip(valid) {
            let relative = limited((z - template) / DEPTH_UNIT_MM, DEPTH_LIMIT);
            *value = if valid { relative } else { 0.0 };
        }
        let centred: Vec<Vec<f32>> = light.iter().map(|plane| centred(plane, &mask)).collect();
        let mut between = room_between();
        let mut blurred = Vec::with_capacity(centred.len());
        for plane in &centred {
            blurred.push(blur(lanes, plane, &mut between));
        }
        // Contrast of a gray picture of the same place, which scales all colours.
        let (gray, gray_blur) = (mean(&centred), mean(&blurred));
        let squares: Vec<f32> = gray.iter().map(|x| x * x).collect();
        let weight = blur(lanes, &mask, &mut between);
        let square_blur = blur(lanes, &squares, &mut between);
        let mut scale = vec![0.0; CELLS];
        let blurs = gray_blur.iter().zip(&square_blur);
        for ((scale, weight), (gray, square)) in scale.iter_mut().zip(&weight).zip(blurs) {
            let local = gray / weight;
            let variance = square / weight - local * local;
            let deviation = if variance > 0.0 { variance } else { 0.0 }.sqrt();
            *scale = 1.0 / (deviation + CONTRAST_FLOOR);
        }
        // Subtracting its own local mean from every channel also removes the colour of the light.
        let planes = centred.iter().zip(&blurred);
        for (channel, (light, blurred)) in self.colors.chunks_exact_mut(CELLS).zip(planes) {
            let own = light.iter().zip(blurred).zip(valid);
            let around = weight.iter().zip(&scale);
            for ((value, ((light, blurred), &valid)), (weight, scale)) in
                channel.iter_mut().zip(own).zip(around)
            {
                let contrast = limited((light - blurred / weight) * scale, INTENSITY_LIMIT);
                *value = if valid { contrast } else { 0.0 };
            }
        }
    }
}

/// A value, clipped to `limit` either way.
#[inline(always)]
fn limited(value: f32, limit: f32) -> f32 {
    let value = if value < limit { value } else { limit };
    if value > -limit { value } else { -limit }
}

/// A map less its mean over the valid cells, so that squares do not cancel in single precision; 0 elsewhere.
#[inline(always)]
fn centred(plane: &[f32], mask: &[f32]) -> Vec<f32> {
    let (mut sums, mut counts) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let eights = plane
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(mask.as_chunks::<LANES>().0);
    for (values, mask) in eights {
        for k in 0..LANES {
            sums[k] += values[k] * mask[k];
            counts[k] += mask[k];
        }
    }
    let mean = sums.iter().sum::<f32>() / counts.iter().sum::<f32>().max(1.0);
    let cells = plane.iter().zip(mask);
    cells.map(|(value, mask)| (value - mean) * mask).collect()
}

/// Buffer between the two steps of a blur: rows between zeros, so that the inner loops need no bounds.
fn room_between() -> Vec<f32> {
    vec![0.0; CELLS + 2 * BLUR_RADIUS * GRID_WIDTH]
}

/// Gaussian blur of a grid, zero outside.
#[inline(always)]
fn blur<L: Lanes>(lanes: L, map: &[f32], between: &mut [f32]) -> Vec<f32> {
    static KERNEL: LazyLock<[f32; TAPS]> = LazyLock::new(|| {
        let kernel: [f32; TAPS] = std::array::from_fn(|k| {
            let x = (k as f32 - BLUR_RADIUS as f32) / BLUR_SIGMA_CELLS;
            (-0.5 * x * x).exp()
        });
        let sum: f32 = kernel.iter().sum();
        kernel.map(|weight: f32| weight / sum)
    });
    let kernel = &*KERNEL;
    let mut line = [0.0; GRID_WIDTH + 2 * BLUR_RADIUS];
    let inner = &mut between[BLUR_RADIUS * GRID_WIDTH..][..CELLS];
    for (input, output) in map
        .chunks_exact(GRID_WIDTH)
        .zip(inner.chunks_exact_mut(GRID_WIDTH))
    {
        line[BLUR_RADIUS..BLUR_RADIUS + GRID_WIDTH].copy_from_slice(input);
        weighted_sum(lanes, kernel, &line, 1, output);
    }
    let mut down = vec![0.0; CELLS];
    for (row, output) in down.chunks_exact_mut(GRID_WIDTH).enumerate() {
        let rows = &between[row * GRID_WIDTH..(row + 2 * BLUR_RADIUS + 1) * GRID_WIDTH];
        weighted_sum(lanes, kernel, rows, GRID_WIDTH, output);
    }
    down
}

/// The sum of rows that begin `step` apart, weighted by the kernel.
#[inline(always)]
fn weighted_sum<L: Lanes>(
    lanes: L,
    kernel: &[f32; TAPS],
    input: &[f32],
    step: usize,
    output: &mut [f32],
) {
    const EIGHTS: usize = GRID_WIDTH / LANES;
    let mut sums = [lanes.zero(); EIGHTS];
    for (tap, weight) in kernel.iter().enumerate() {
        let weight = lanes.splat(*weight);
        let eights = input[tap * step..tap * step + GRID_WIDTH].as_chunks().0;
        for k in 0..EIGHTS {
            sums[k] = lanes.mul_add(weight, lanes.load(&eights[k]), sums[k]);
        }
    }
    for (sum, output) in sums.into_iter().zip(output.as_chunks_mut().0) {
        lanes.store(sum, output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::grid::GRID_HEIGHT;

    /// Maps of a face of which a part is missing.
    fn maps(light: Vec<Vec<f32>>) -> Maps {
        Maps {
            depth: (0..CELLS).map(|at| (at % 17) as f32 - 8.0).collect(),
            light,
            valid: (0..CELLS).map(|at| at % GRID_WIDTH > 5).collect(),
            filled: vec![],
        }
    }

    fn light(phase: f32) -> Vec<f32> {
        let wave = |at: usize| 0.1 * (0.05 * at as f32 + phase).sin() + phase;
        (0..CELLS).map(wave).collect()
    }

    #[test]
    fn infrared_stands_in_for_red_green_and_blue() {
        let template = vec![0.0; CELLS];
        let maps = maps(vec![light(0.3)]);
        let (planes, tensor) = (maps.planes(&template), maps.tensor(&template));
        assert_eq!(planes.len(), 2 * CELLS);
        assert_eq!(tensor.len(), CHANNELS * CELLS);
        assert_eq!(tensor[..2 * CELLS], planes[..]);
        for channel in tensor[2 * CELLS..].chunks_exact(CELLS) {
            assert_eq!(channel, &planes[CELLS..]);
        }
    }

    #[test]
    fn a_gray_picture_is_the_mean_of_its_colours_where_none_reaches_its_limit() {
        let template = vec![0.0; CELLS];
        let colors = vec![light(0.0), light(0.4), light(0.9)];
        let gray = maps(vec![mean(&colors)]).planes(&template);
        let tensor = maps(colors).tensor(&template);
        for at in 0..CELLS {
            let colors = [1, 2, 3].map(|channel| tensor[channel * CELLS + at]);
            let middle = colors.iter().sum::<f32>() / 3.0;
            assert!(colors.iter().all(|color| color.abs() < INTENSITY_LIMIT));
            assert!((gray[CELLS + at] - middle).abs() < 1e-4, "{at}");
        }
        assert_eq!(gray[..CELLS], tensor[..CELLS]);
    }

    #[test]
    fn a_blur_spreads_one_cell_as_the_kernel_says() {
        struct Blur<'a>(&'a [f32]);
        impl Loops for Blur<'_> {
            type Output = Vec<f32>;
            fn run<L: Lanes>(self, lanes: L) -> Vec<f32> {
                blur(lanes, self.0, &mut room_between())
            }
        }
        for (row, column) in [(30, 20), (0, 0), (GRID_HEIGHT - 1, GRID_WIDTH - 1)] {
            let mut map = vec![0.0; CELLS];
            map[row * GRID_WIDTH + column] = 1.0;
            let weight = |from: usize, to: usize| {
                let apart = from.abs_diff(to);
                let x = apart as f32 / BLUR_SIGMA_CELLS;
                if apart > BLUR_RADIUS {
                    0.0
                } else {
                    (-0.5 * x * x).exp()
                }
            };
            let total: f32 = (0..TAPS).map(|tap| weight(tap, BLUR_RADIUS)).sum();
            for kernel in Kernel::available() {
                for (at, value) in kernel.run(Blur(&map)).into_iter().enumerate() {
                    let (y, x) = (at / GRID_WIDTH, at % GRID_WIDTH);
                    let wanted = weight(y, row) * weight(x, column) / total.powi(2);
                    assert!((value - wanted).abs() < 1e-6, "{row} {column} at {y} {x}");
                }
            }
        }
    }
}
