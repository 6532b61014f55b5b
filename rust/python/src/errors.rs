//! What goes wrong as the package's own exceptions.

use faceid_core::CoreError;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// Raise the class of `faceid_fast.errors` that fits; the tree itself lives in Python.
pub fn to_python(py: Python<'_>, error: &CoreError) -> PyErr {
    let class = match error {
        CoreError::Invalid { .. } | CoreError::Text { .. } => "InvalidInputError",
        CoreError::UnknownIdentity => "UnknownIdentityError",
    };
    raise(py, class, error.to_string())
}

/// Raise an `InternalError`.
pub fn internal(py: Python<'_>, message: &'static str) -> PyErr {
    raise(py, "InternalError", message.to_owned())
}

fn raise(py: Python<'_>, class: &str, message: String) -> PyErr {
    let found = py
        .import("faceid_fast.errors")
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.cast_into::<PyType>().map_err(PyErr::from));
    match found {
        Ok(class) => PyErr::from_type(class, message),
        Err(failure) => failure,
    }
}
