//! The boundary of a call from Python: it ends with an answer or an exception of `faceid_fast.errors`, whatever
//! happens in between.
//!
//! Every method and function of the module works within [`guarded`], except for those that return a plain number.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use pyo3::prelude::*;

use crate::errors::{Answer, Failure, internal};

/// Do the work of a call. A panic becomes an `InternalError` without the message of the panic, which may hold
/// anything.
pub fn guarded<T>(py: Python<'_>, work: impl FnOnce() -> Answer<T>) -> PyResult<T> {
    // What outlives the call and can be changed lies behind a lock, which a panic poisons.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(failure)) => Err(failure.raised(py)),
        Err(_) => Err(internal(
            py,
            "a fault in faceid_fast's core, not in what it was given: please report it, with what stderr says; \
             what was being changed is unusable now, make it anew",
        )),
    }
}

/// An argument whose conversion is guarded too: a panic there becomes an `InternalError`.
pub struct Given<T>(pub T);

impl<'a, 'py, T: FromPyObject<'a, 'py>> FromPyObject<'a, 'py> for Given<T> {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let convert = || T::extract(value).map(Self);
        guarded(value.py(), || {
            convert().map_err(|error| Failure::Python(error.into()))
        })
    }
}

/// Let a panic print its place, but not its message, on stderr. The hook is this module's own: other extensions have
/// a standard library of their own.
pub fn hush() {
    set_hook(Box::new(|fault| {
        let place = fault.location().map(ToString::to_string);
        let place = place.unwrap_or_else(|| "an unknown place".to_owned());
        let trace = Backtrace::capture(); // if RUST_BACKTRACE asks for it
        let mut stderr = std::io::stderr().lock();
        // Nobody may be listening.
        let _ = writeln!(stderr, "faceid_fast: a fault in its core at {place}");
        if trace.status() == BacktraceStatus::Captured {
            let _ = writeln!(stderr, "{trace}");
        }
    }));
}
