//! Depth texts as numpy arrays.

use faceid_core::input::depth_text::DepthText;
use numpy::PyArrayDyn;
use pyo3::prelude::*;

use crate::arrays::to_numpy;
use crate::boundary::guarded;

/// (height, width) uint16 millimetres of a text; 0 where it has 0 or `missing`, or is beyond `cap_mm`.
#[pyfunction]
#[pyo3(signature = (text, height, width, *, missing, cap_mm))]
pub fn depth_text<'py>(
    py: Python<'py>,
    text: &[u8],
    height: usize,
    width: usize,
    missing: i32,
    cap_mm: u16,
) -> PyResult<Bound<'py, PyArrayDyn<u16>>> {
    let format = DepthText {
        height,
        width,
        missing,
        cap_mm,
    };
    guarded(py, || {
        // Bytes are immutable: no other thread can change them while the GIL is released.
        let depth = py.detach(|| format.read(text))?;
        Ok(to_numpy(py, depth, &[height, width])?)
    })
}
