//! `faceid_fast._core`: converts arguments, releases the GIL, calls the core and maps its errors; nothing else.
#![allow(
    missing_docs,
    clippy::needless_pass_by_value,
    reason = "the interface is documented in python/faceid_fast/_core.pyi, and PyO3 hands arguments over by value"
)]

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;

mod aligner;
mod arguments;
mod arrays;
mod boundary;
mod depth_text;
mod errors;
mod gallery;
mod matches;
mod names;
mod registration;

/// SHA-256 of the model files as this module was built: nobody can change a model and its record together.
const MODEL_FILES: &str = include_str!("../../../python/faceid_fast/models/models.json");

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    boundary::hush();
    module.add_class::<aligner::Aligner>()?;
    module.add_class::<aligner::AlignedFace>()?;
    module.add_class::<gallery::Gallery>()?;
    module.add_class::<matches::Matches>()?;
    module.add_class::<matches::RaggedMatches>()?;
    module.add_function(wrap_pyfunction!(gallery::backends, module)?)?;
    module.add_function(wrap_pyfunction!(depth_text::depth_text, module)?)?;
    module.add_function(wrap_pyfunction!(names::name_mixes_scripts, module)?)?;
    module.add_function(wrap_pyfunction!(names::name_skeleton, module)?)?;
    module.add_function(wrap_pyfunction!(names::stray_in_name, module)?)?;
    module.add_function(wrap_pyfunction!(registration::register_depth, module)?)?;
    module.add("MODEL_FILES", MODEL_FILES)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    if cfg!(debug_assertions) {
        let text = c"faceid_fast._core was built without optimisation: measure nothing with it";
        PyErr::warn(
            module.py(),
            &module.py().get_type::<PyRuntimeWarning>(),
            text,
            1,
        )?;
    }
    Ok(())
}
