//! Where heads may be in a depth map.
//!
//! A head is as wide as a head in every row, and nearer than what is beside it. Rows of a coarse map are
//! cut into runs of continuous depth; runs of head width that lie on top of each other make a candidate.
//! Walls and torsos fall out because they are too wide, and the fit that follows decides what is a face.

use crate::input::views::{Camera, DepthSamples, DepthView, Region};
use crate::simd::{Kernel, Lanes, Loops, least};

/// The coarse map has about this many columns: a head at 1.5 m still spans a dozen.
const COARSE_WIDTH: usize = 160;
/// A step in depth between neighbours that separates two surfaces, millimetres.
const STEP_MM: f32 = 30.0;
/// Widths of a row of a head with its hair, millimetres.
const WIDTH_MM: std::ops::Range<f32> = 70.0..310.0;
/// A run that touches the frame's edge may continue outside: only the upper limit is wider.
const WIDTH_AT_EDGE_MM: std::ops::Range<f32> = 40.0..340.0;
/// Least height of a candidate, millimetres: forehead to chin.
const HEIGHT_MM: f32 = 90.0;
/// Gaps of missing depth up to this width do not end a run, millimetres.
const GAP_MM: f32 = 10.0;
/// More candidates than this are not looked at; the nearest come first.
const CANDIDATES: usize = 8;

/// Something of the width of a head.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Depth of its near side (a low quantile of its rows' depths), millimetres.
    pub near_mm: f32,
    /// Row of the top of its silhouette, frame pixels.
    pub top: f32,
    /// Column of its middle near the top, frame pixels.
    pub center: f32,
    /// Pixels around it that the fit should see.
    pub region: Region,
    /// Whether the silhouette is cut off by the upper edge of the frame.
    pub touches_top: bool,
    /// Whether most of its rows are cut off by the left or the right edge.
    pub touches_side: bool,
}

struct Coarse {
    width: usize,
    height: usize,
    step: usize,
    depth: Vec<f32>,
}

impl Coarse {
    /// Takes the nearest valid one of up to four pixels of each block, so that holes do not count.
    fn of(depth: &DepthView) -> Self {
        let step = depth
            .width()
            .max(depth.height())
            .div_ceil(COARSE_WIDTH)
            .max(1);
        let (width, height) = (depth.width() / step, depth.height() / step);
        let mut coarse = Self {
            width,
            height,
            step,
            depth: vec![0.0; width * height],
        };
        let (stride, unit) = (depth.width(), depth.mm_per_unit());
        let kernel = Kernel::fastest();
        match depth.samples() {
            DepthSamples::U16(samples) => kernel.run(Nearest {
                samples,
                stride,
                unit,
                coarse: &mut coarse,
            }),
            DepthSamples::F32(samples) => kernel.run(Nearest {
                samples,
                stride,
                unit,
                coarse: &mut coarse,
            }),
        }
        coarse
    }
}

/// Depth as a camera stores it for a pixel.
trait Pixel: Copy + Into<f32> {
    /// The nearer of two samples; a missing one is farther than any other.
    fn nearer(self, other: Self) -> Self;
}

impl Pixel for u16 {
    #[inline(always)]
    fn nearer(self, other: Self) -> Self {
        // After subtracting one, a missing sample (0) is the farthest.
        let (a, b) = (self.wrapping_sub(1), other.wrapping_sub(1));
        a.min(b).wrapping_add(1)
    }
}

impl Pixel for f32 {
    #[inline(always)]
    fn nearer(self, other: Self) -> Self {
        // NaN fails the comparison.
        let present = |units: f32| if units > 0.0 { units } else { Self::INFINITY };
        least(present(self), present(other))
    }
}

/// Takes the smallest positive of four samples in each block of `step` x `step`, in millimetres; 0 where there is
/// none.
struct Nearest<'a, T> {
    samples: &'a [T],
    /// Pixels in a row of the frame.
    stride: usize,
    unit: f32,
    coarse: &'a mut Coarse,
}

impl<T: Pixel> Loops for Nearest<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Coarse { width, step, .. } = *self.coarse;
        if self.coarse.depth.is_empty() {
            return;
        }
        let inner = step / 2;
        // Whole rows first: neighbours in memory become vectors, every fourth sample does not.
        let mut nearer = self.samples[..width * step].to_vec();
        for (row, cells) in self.coarse.depth.chunks_exact_mut(width.max(1)).enumerate() {
            let first = row * step * self.stride;
            let above = &self.samples[first..][..width * step];
            let below = &self.samples[first + inner * self.stride..][..width * step];
            for (nearer, (&above, &below)) in nearer.iter_mut().zip(above.iter().zip(below)) {
                *nearer = above.nearer(below);
            }
            for (cell, pixels) in cells.iter_mut().zip(nearer.chunks_exact(step)) {
                let mm = pixels[0].nearer(pixels[inner]).into() * self.unit;
                *cell = if mm < f32::INFINITY { mm } else { 0.0 };
            }
        }
    }
}

/// A stretch of one row with continuous depth.
#[derive(Debug, Clone, Copy)]
struct Run {
    row: usize,
    first: usize,
    last: usize,
    depth: f32,
    group: usize,
}

/// Candidates, nearest first. `max_mm` limits how far a head may be.
#[must_use]
pub fn candidates(depth: &DepthView, camera: &Camera, max_mm: f32) -> Vec<Candidate> {
    let coarse = Coarse::of(depth);
    let runs = stack(&coarse, camera, max_mm);
    let mut groups: Vec<usize> = runs.iter().map(|run| run.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut found: Vec<Candidate> = groups
        .iter()
        .filter_map(|&group| {
            let members: Vec<&Run> = runs.iter().filter(|run| run.group == group).collect();
            describe(&members, &coarse, depth, camera)
        })
        .collect();
    found.sort_by(|a, b| a.near_mm.total_cmp(&b.near_mm));
    found.truncate(CANDIDATES);
    found
}

/// Cuts rows into runs and joins runs of head width that lie on top of each other.
fn stack(coarse: &Coarse, camera: &Camera, max_mm: f32) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut above: std::ops::Range<usize> = 0..0;
    let mut next_group = 0;
    for row in 0..coarse.height {
        let start = runs.len();
        cut_row(coarse, camera, max_mm, row, &mut runs);
        for at in start..runs.len() {
            let run = runs[at];
            let mut group = None;
            for up in above.clone() {
                let other = runs[up];
                let overlap =
                    run.last.min(other.last) as isize - run.first.max(other.first) as isize;
                let shorter = (run.last - run.first).min(other.last - other.first) as isize;
                if 2 * overlap >= shorter && (run.depth - other.depth).abs() < 2.0 * STEP_MM {
                    match group {
                        None => group = Some(other.group),
                        Some(joined) if joined != other.group => {
                            for earlier in &mut runs {
                                if earlier.group == other.group {
                                    earlier.group = joined;
                                }
                            }
                        }
                        Some(_) => {}
                    }
                }
            }
            runs[at].group = group.unwrap_or_else(|| {
                next_group += 1;
                next_group
            });
        }
        above = start..runs.len();
    }
    runs
}

fn cut_row(coarse: &Coarse, camera: &Camera, max_mm: f32, row: usize, runs: &mut Vec<Run>) {
    let line = &coarse.depth[row * coarse.width..(row + 1) * coarse.width];
    let mut column = 0;
    while column < coarse.width {
        if line[column] == 0.0 || line[column] > max_mm {
            column += 1;
            continue;
        }
        let first = column;
        let (mut last, mut sum, mut count) = (column, line[column], 1.0_f32);
        let cell_mm = camera.pixel_mm(line[column]) * coarse.step as f32;
        // At depths near zero the quotient is beyond any row.
        let gap = ((GAP_MM / cell_mm) as usize).min(coarse.width) + 1;
        let mut look = column + 1;
        while look < coarse.width && look - last <= gap {
            let z = line[look];
            if z > 0.0 {
                if (z - line[last]).abs() > STEP_MM {
                    break;
                }
                last = look;
                sum += z;
                count += 1.0;
            }
            look += 1;
        }
        column = last + 1;
        let depth = sum / count;
        let width_mm = (last - first + 1) as f32 * camera.pixel_mm(depth) * coarse.step as f32;
        let at_edge = first == 0 || last + 1 == coarse.width;
        let allowed = if at_edge { WIDTH_AT_EDGE_MM } else { WIDTH_MM };
        if allowed.contains(&width_mm) {
            runs.push(Run {
                row,
                first,
                last,
                depth,
                group: 0,
            });
        }
    }
}

fn describe(
    runs: &[&Run],
    coarse: &Coarse,
    depth: &DepthView,
    camera: &Camera,
) -> Option<Candidate> {
    let top = runs.iter().map(|run| run.row).min()?;
    let bottom = runs.iter().map(|run| run.row).max()?;
    let mut depths: Vec<f32> = runs.iter().map(|run| run.depth).collect();
    depths.sort_by(f32::total_cmp);
    let near_mm = depths[depths.len() / 5];
    let cell_mm = camera.pixel_mm(near_mm) * coarse.step as f32;
    if (bottom - top + 1) as f32 * cell_mm < HEIGHT_MM {
        return None;
    }
    // The middle of the head, from the rows of its upper 150 mm.
    let reach = (150.0 / cell_mm) as usize;
    let (mut sum, mut count) = (0.0, 0.0);
    for run in runs.iter().filter(|run| run.row <= top + reach) {
        sum += (run.first + run.last) as f32 / 2.0;
        count += 1.0;
    }
    let at_side = runs
        .iter()
        .filter(|run| run.first == 0 || run.last + 1 == coarse.width)
        .count();
    let step = coarse.step as f32;
    let center = (sum / count + 0.5) * step;
    let top_px = top as f32 * step;
    let mm_to_px = camera.fx / near_mm;
    let clamp = |value: f32, limit: usize| value.clamp(0.0, limit as f32) as usize;
    let region = Region {
        top: clamp(top_px - 30.0 * mm_to_px, depth.height()),
        left: clamp(center - 130.0 * mm_to_px, depth.width()),
        bottom: clamp(top_px + 300.0 * mm_to_px, depth.height()),
        right: clamp(center + 130.0 * mm_to_px, depth.width()),
    };
    Some(Candidate {
        near_mm,
        top: top_px,
        center,
        region,
        touches_top: top == 0,
        touches_side: 2 * at_side > runs.len(),
    })
}
