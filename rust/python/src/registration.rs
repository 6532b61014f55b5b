//! `register_depth`: depth for another camera's image.

use faceid_core::input::registration::Rig;
use faceid_core::input::views::{Camera, DepthView};
use numpy::PyArrayDyn;
use pyo3::prelude::*;

use crate::aligner::{DepthArray, HeldDepth};
use crate::arrays::to_numpy;
use crate::boundary::{Given, guarded};

/// (height, width) float32 millimetres, 0 where nothing was seen; `rotation` row by row.
#[pyfunction]
#[expect(
    clippy::too_many_arguments,
    reason = "a depth map and two cameras, as numpy holds them"
)]
pub fn register_depth<'py>(
    py: Python<'py>,
    depth: Given<DepthArray<'py>>,
    depth_unit_m: f32,
    depth_intrinsics: (f32, f32, f32, f32),
    image_intrinsics: (f32, f32, f32, f32),
    rotation: [[f64; 3]; 3],
    translation_m: [f64; 3],
    shape: (usize, usize),
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    guarded(py, || {
        let (samples, height, width) = HeldDepth::of(&depth.0)?;
        let view = DepthView::new(samples.samples(), height, width, depth_unit_m)?;
        let camera = |(fx, fy, cx, cy)| Camera::new(fx, fy, cx, cy);
        let rig = Rig {
            depth: camera(depth_intrinsics)?,
            image: camera(image_intrinsics)?,
            rotation,
            translation_m,
        };
        let seen = py.detach(|| rig.register(&view, shape.0, shape.1))?;
        Ok(to_numpy(py, seen, &[shape.0, shape.1])?)
    })
}
