//! A small metric patch around a head, with missing values marked and noise averaged.

use super::cells::Blocks;
use crate::input::views::{Camera, DepthSamples, DepthView, IntensityView, Region};

/// Depth and reflectance around a head, at about 2 mm a cell.
#[derive(Debug, Clone)]
pub struct Patch {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Millimetres; 0 where it is missing or outside of the given band.
    pub depth: Vec<f32>,
    /// Linear intensity; infrared multiplied by the squared distance in metres, so that a face does not
    /// darken with distance. 0 where depth is missing.
    pub reflectance: Vec<f32>,
    /// Linear red, green and blue of the same cells; empty for infrared.
    pub color: Vec<Vec<f32>>,
    /// Share of each cell's pixels that were filled, not measured; empty if all were measured.
    pub filled: Vec<f32>,
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
        let blocks = Blocks {
            region,
            block,
            stride: depth.width(),
            width,
            height,
        };
        let band = near_mm..=far_mm;
        let unit = depth.mm_per_unit();
        let holes = depth.filled();
        let (depth, counted) = match depth.samples() {
            DepthSamples::U16(samples) => blocks.depths(samples, unit, &band),
            DepthSamples::F32(samples) => blocks.depths(samples, unit, &band),
        };
        let (reflectance, color) = match intensity {
            IntensityView::InfraredU8(light) => (blocks.lights(&counted, light, &depth), vec![]),
            IntensityView::InfraredU16(light) => (blocks.lights(&counted, light, &depth), vec![]),
            IntensityView::Color(samples) => blocks.colors(&counted, samples),
        };
        Self {
            width,
            height,
            depth,
            reflectance,
            color,
            filled: holes.map_or_else(Vec::new, |holes| blocks.filled(&counted, holes)),
            camera: Camera {
                fx: camera.fx / scale,
                fy: camera.fy / scale,
                cx: (camera.cx - region.left as f32 + 0.5) / scale - 0.5,
                cy: (camera.cy - region.top as f32 + 0.5) / scale - 0.5,
                principal_deviation: camera.principal_deviation / scale,
            },
        }
    }
}
