//! `faceid_fast._core`: convert, release the GIL, call the core, map the error; nothing else.
#![allow(
    missing_docs,
    reason = "the interface is documented in python/faceid_fast/_core.pyi"
)]

use pyo3::prelude::*;

mod aligner;
mod arrays;
mod errors;
mod gallery;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<aligner::Aligner>()?;
    module.add_class::<aligner::AlignedFace>()?;
    module.add_class::<gallery::Gallery>()?;
    module.add_function(wrap_pyfunction!(gallery::backends, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
