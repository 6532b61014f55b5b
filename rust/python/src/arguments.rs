//! From Python objects to checked arguments.

use std::path::PathBuf;

use faceid_core::{CoreError, Result};
use pyo3::exceptions::{PyNotImplementedError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyList, PyString, PyTuple};

use crate::arrays::type_name;
use crate::errors::{Answer, Failure};

/// A count: an int of Python or numpy, but no bool.
pub fn natural(argument: &'static str, value: &Bound<'_, PyAny>) -> Result<usize> {
    if value.is_instance_of::<PyBool>() {
        return Err(refused(argument, "a whole number", value));
    }
    match value.extract::<i64>() {
        Ok(number) => usize::try_from(number)
            .map_err(|_| CoreError::invalid(argument, "at least 0", number.to_string())),
        Err(_) if value.is_instance_of::<PyInt>() => Err(CoreError::invalid(
            argument,
            "a number of 64 bits",
            "a larger one",
        )),
        Err(_) => Err(refused(argument, "a whole number", value)),
    }
}

/// A number that float64 holds, but no bool. The core checks its range.
pub fn number(argument: &'static str, value: &Bound<'_, PyAny>) -> Result<f64> {
    let found = if value.is_instance_of::<PyBool>() {
        None
    } else {
        value.extract::<f64>().ok()
    };
    found.ok_or_else(|| refused(argument, "a number that float64 holds", value))
}

/// A path that the file system can encode.
pub fn path_of(value: &Bound<'_, PyAny>) -> Result<PathBuf> {
    let found = value.extract::<PathBuf>().ok();
    let found = found.filter(|path| !path.as_os_str().as_encoded_bytes().contains(&0));
    let expected = "a str or os.PathLike that the file system can encode";
    found.ok_or_else(|| refused("path", expected, value))
}

/// Number of threads of a search; with None the core chooses.
pub fn threads_of(threads: Option<&Bound<'_, PyAny>>) -> Result<Option<usize>> {
    threads
        .map(|threads| natural("threads", threads))
        .transpose()
}

/// A name in UTF-8, which cannot encode a lone surrogate.
pub fn name<'a>(argument: &'static str, value: &'a Bound<'_, PyAny>) -> Result<&'a str> {
    let text = value
        .cast::<PyString>()
        .map_err(|_| refused(argument, "a str", value))?;
    text.to_str()
        .map_err(|_| CoreError::invalid(argument, "text that UTF-8 can encode", "a lone surrogate"))
}

/// Names for `count` vectors. An iterator, which may be endless, is asked for one more at most.
pub fn names(
    argument: &'static str,
    values: &Bound<'_, PyAny>,
    count: usize,
) -> Answer<Vec<String>> {
    let no_names = |got: &Bound<'_, PyAny>| refused(argument, "a sequence of str", got);
    // A str is a sequence of str too, but never meant as one.
    if values.is_instance_of::<PyString>() {
        return Err(no_names(values).into());
    }
    let iterator = values.try_iter().map_err(|error| {
        // What the caller's own code raises is the caller's; a view of memory raises the second of these.
        let no_iterable = error.is_instance_of::<PyTypeError>(values.py())
            || error.is_instance_of::<PyNotImplementedError>(values.py());
        if no_iterable {
            Failure::from(no_names(values))
        } else {
            error.into()
        }
    })?;
    let ends = values.is_instance_of::<PyList>() || values.is_instance_of::<PyTuple>();
    let most = if ends {
        usize::MAX
    } else {
        count.saturating_add(1)
    };
    let mut names = Vec::new();
    for value in iterator.take(most) {
        let value = value?;
        let text = value.cast::<PyString>().map_err(|_| no_names(&value))?;
        names.push(name(argument, text)?.to_owned());
    }
    Ok(names)
}

/// The error that a value is of another type than was expected.
pub fn refused(argument: &'static str, expected: &str, got: &Bound<'_, PyAny>) -> CoreError {
    CoreError::invalid(argument, expected, type_name(got))
}
