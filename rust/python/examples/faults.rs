//! The binding, file by file as it is, and beside it what the wheel must not have: calls that panic. For
//! `tests/crash/test_panics.py`.
#![allow(
    missing_docs,
    clippy::needless_pass_by_value,
    reason = "the interface is that of the binding"
)]

use pyo3::prelude::*;

#[path = "../src/aligner.rs"]
mod aligner;
#[path = "../src/arguments.rs"]
mod arguments;
#[path = "../src/arrays.rs"]
mod arrays;
#[path = "../src/boundary.rs"]
mod boundary;
#[path = "../src/depth_text.rs"]
mod depth_text;
#[path = "../src/errors.rs"]
mod errors;
#[path = "../src/gallery.rs"]
mod gallery;
#[path = "../src/matches.rs"]
mod matches;
#[path = "../src/registration.rs"]
mod registration;

use boundary::{Given, guarded};
use errors::Answer;

/// Panics where it is converted.
struct Unconvertible;

impl FromPyObject<'_, '_> for Unconvertible {
    type Error = PyErr;

    fn extract(_: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        panic!("a face: {}", 0.123_456);
    }
}

/// A change of a gallery that ends half-way.
#[pyfunction]
fn change_half(py: Python<'_>, gallery: &Bound<'_, gallery::Gallery>) -> PyResult<()> {
    let gallery = gallery.get();
    guarded(py, || {
        py.detach(|| {
            let _held = gallery.write()?;
            panic!("a face: {}", 0.123_456);
        })
    })
}

/// A call that panics and changes nothing.
#[pyfunction]
fn fail(py: Python<'_>) -> PyResult<()> {
    let fail = || -> Answer<()> { std::panic::panic_any(0.123_456_f64) };
    guarded(py, fail)
}

/// A call whose argument panics.
#[pyfunction]
fn convert(_value: Given<Unconvertible>) {}

#[pymodule]
fn faults(module: &Bound<'_, PyModule>) -> PyResult<()> {
    boundary::hush();
    module.add_class::<aligner::Aligner>()?;
    module.add_class::<gallery::Gallery>()?;
    module.add_function(wrap_pyfunction!(gallery::backends, module)?)?;
    module.add_function(wrap_pyfunction!(depth_text::depth_text, module)?)?;
    module.add_function(wrap_pyfunction!(registration::register_depth, module)?)?;
    module.add_function(wrap_pyfunction!(change_half, module)?)?;
    module.add_function(wrap_pyfunction!(fail, module)?)?;
    module.add_function(wrap_pyfunction!(convert, module)?)
}
