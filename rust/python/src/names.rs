//! What the core says of names.

use faceid_core::names::{mixes_scripts, skeleton, stray};
use pyo3::prelude::*;

use crate::arguments;
use crate::boundary::guarded;

/// Whether a name mixes scripts that nobody writes together.
#[pyfunction]
pub fn name_mixes_scripts(name: &Bound<'_, PyAny>) -> PyResult<bool> {
    guarded(name.py(), || {
        Ok(mixes_scripts(arguments::name("name", name)?))
    })
}

/// What a name looks like: names of one skeleton are taken for each other.
#[pyfunction]
pub fn name_skeleton(name: &Bound<'_, PyAny>) -> PyResult<String> {
    guarded(name.py(), || Ok(skeleton(arguments::name("name", name)?)))
}

/// The first character that no name has, if there is one.
#[pyfunction]
pub fn stray_in_name(name: &Bound<'_, PyAny>) -> PyResult<Option<char>> {
    guarded(name.py(), || Ok(stray(arguments::name("name", name)?)))
}
