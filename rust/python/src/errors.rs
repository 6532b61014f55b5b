//! Why a call fails, and the package's exceptions for it.

use std::io;
use std::sync::PoisonError;

use faceid_core::CoreError;
use pyo3::CastError;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// Why a call has no answer.
pub enum Failure {
    /// An argument is wrong.
    Core(CoreError),
    /// Python or code of the caller raised an exception.
    Python(PyErr),
    /// An earlier change ended half-way: no answer is better than a wrong one.
    HalfChanged,
}

/// The answer of a call, or why there is none.
pub type Answer<T> = Result<T, Failure>;

impl Failure {
    /// The exception to raise.
    #[cold]
    pub fn raised(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Core(error) => {
                let class = match error {
                    CoreError::Invalid { .. } | CoreError::Text { .. } => "InvalidInputError",
                    CoreError::UnknownIdentity => "UnknownIdentityError",
                };
                raise(py, class, error.to_string())
            }
            Self::Python(error) => error,
            Self::HalfChanged => internal(
                py,
                "unusable since a fault in faceid_fast's core ended a change half-way: make the gallery anew \
                 (Gallery.from_bytes, Gallery.from_arrays), and please report the first error",
            ),
        }
    }
}

impl From<CoreError> for Failure {
    fn from(error: CoreError) -> Self {
        Self::Core(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<CastError<'_, '_>> for Failure {
    fn from(error: CastError<'_, '_>) -> Self {
        Self::Python(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Python(error.into())
    }
}

impl<T> From<PoisonError<T>> for Failure {
    /// A lock is poisoned if a writer panicked.
    fn from(_: PoisonError<T>) -> Self {
        Self::HalfChanged
    }
}

/// An `InternalError`.
pub fn internal(py: Python<'_>, message: &'static str) -> PyErr {
    raise(py, "InternalError", message.to_owned())
}

/// An exception of a class of `faceid_fast.errors`, where the tree of classes lives.
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
