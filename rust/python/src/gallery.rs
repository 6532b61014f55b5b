//! `Gallery`: the core's gallery behind a lock, numpy in and numpy out.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use faceid_core::distance::{Backend, Kernel};
use faceid_core::gallery::{self, Bytes, Matches};
use faceid_core::vectors::UnitVectors;
use faceid_core::{CoreError, Result};
use numpy::{PyArray1, PyArrayDyn, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyType};

use crate::arrays::{Shape, float32_rows, to_numpy};
use crate::errors::to_python;

/// (distance, index, identity), all of one shape.
type Columns<'py> = (
    Bound<'py, PyArrayDyn<f32>>,
    Bound<'py, PyArrayDyn<i64>>,
    Bound<'py, PyArrayDyn<i64>>,
);

/// Many readers or one writer at a time; nobody waits for the lock with the GIL in hand.
#[pyclass(frozen, subclass, module = "faceid_fast._core")]
pub struct Gallery {
    dim: usize,
    inner: RwLock<gallery::Gallery>,
}

impl Gallery {
    /// A lock is poisoned if a writer panicked: better no answer than one from half a change.
    fn read(&self) -> RwLockReadGuard<'_, gallery::Gallery> {
        self.inner
            .read()
            .expect("a writer failed half-way; the gallery is unusable")
    }

    fn write(&self) -> RwLockWriteGuard<'_, gallery::Gallery> {
        self.inner
            .write()
            .expect("a writer failed half-way; the gallery is unusable")
    }

    /// An object of a class (or of one below it) around a gallery.
    fn holding<'py>(
        cls: &Bound<'py, PyType>,
        gallery: Result<gallery::Gallery>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let gallery = gallery.map_err(|error| to_python(cls.py(), &error))?;
        let made = cls.call1((gallery.dim(),))?;
        *made.cast::<Self>()?.get().write() = gallery;
        Ok(made)
    }

    /// Search `queries` without the GIL; also whether these were a single vector, and their number.
    fn search<T: Send>(
        &self,
        queries: &Bound<'_, PyAny>,
        find: impl FnOnce(&gallery::Gallery, &UnitVectors) -> Result<T> + Send,
    ) -> PyResult<(T, bool, usize)> {
        let py = queries.py();
        let run = || {
            let queries = float32_rows("queries", queries, Shape::OneOrMany { dim: self.dim })?;
            let single = queries.single;
            py.detach(|| {
                let queries = queries.check()?;
                Ok((find(&self.read(), &queries)?, single, queries.len()))
            })
        };
        run().map_err(|error| to_python(py, &error))
    }
}

#[pymethods]
impl Gallery {
    #[new]
    #[pyo3(signature = (dim=128, *, backend=None))]
    fn new(py: Python<'_>, dim: i64, backend: Option<&str>) -> PyResult<Self> {
        let make = || gallery::Gallery::on(kernel(backend)?, natural("dim", dim)?);
        let inner = make().map_err(|error| to_python(py, &error))?;
        Ok(Self {
            dim: inner.dim(),
            inner: RwLock::new(inner),
        })
    }

    #[classmethod]
    fn from_arrays<'py>(
        cls: &Bound<'py, PyType>,
        vectors: &Bound<'py, PyAny>,
        identities: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        let vectors = float32_rows("vectors", vectors, Shape::Many);
        let vectors = vectors.map_err(|error| to_python(py, &error))?;
        let names = names("identities", identities)?;
        let made = cls.call1((vectors.dim(),))?;
        let this = made.cast::<Self>()?.get();
        let filled = py.detach(|| this.write().extend(vectors.check()?, &names));
        filled.map_err(|error| to_python(py, &error))?;
        Ok(made)
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = py.detach(|| self.read().to_bytes());
        PyBytes::new(py, &bytes)
    }

    #[classmethod]
    fn from_bytes<'py>(cls: &Bound<'py, PyType>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        // `bytes` cannot change while the GIL is released.
        let gallery = py.detach(|| gallery::Gallery::from_bytes(Kernel::fastest(), data));
        Self::holding(cls, gallery)
    }

    #[classmethod]
    fn open<'py>(cls: &Bound<'py, PyType>, path: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        let gallery = cls.py().detach(|| {
            let file = File::open(path)?;
            // SAFETY: the documentation of `open` demands that nobody changes the file meanwhile, which is
            // what mapping it cannot do without.
            #[allow(unsafe_code, reason = "mapping a file is unsafe by its nature")]
            let map = unsafe { memmap2::Mmap::map(&file)? };
            let bytes: Bytes = Arc::new(map);
            std::io::Result::Ok(gallery::Gallery::mapped(Kernel::fastest(), &bytes))
        })?;
        Self::holding(cls, gallery)
    }

    fn add<'py>(
        &self,
        identity: &Bound<'py, PyString>,
        vectors: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let py = vectors.py();
        let name = name("identity", identity)?;
        let run = || {
            let vectors = float32_rows("vectors", vectors, Shape::OneOrMany { dim: self.dim })?;
            py.detach(|| {
                let vectors = vectors.check()?;
                self.write().add(name, vectors)
            })
        };
        run()
            .map(|added| indices(py, added))
            .map_err(|error| to_python(py, &error))
    }

    fn remove(&self, identity: &Bound<'_, PyString>) -> PyResult<usize> {
        let py = identity.py();
        let name = name("identity", identity)?;
        py.detach(|| self.write().remove(name))
            .map_err(|error| to_python(py, &error))
    }

    fn replace<'py>(
        &self,
        identity: &Bound<'py, PyString>,
        vectors: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let py = vectors.py();
        let name = name("identity", identity)?;
        let run = || {
            let vectors = float32_rows("vectors", vectors, Shape::OneOrMany { dim: self.dim })?;
            py.detach(|| {
                let vectors = vectors.check()?;
                self.write().replace(name, vectors)
            })
        };
        run()
            .map(|added| indices(py, added))
            .map_err(|error| to_python(py, &error))
    }

    #[pyo3(signature = (queries, k, threads))]
    fn nearest_arrays<'py>(
        &self,
        queries: &Bound<'py, PyAny>,
        k: i64,
        threads: Option<i64>,
    ) -> PyResult<Columns<'py>> {
        let py = queries.py();
        let k = natural("k", k).map_err(|error| to_python(py, &error))?;
        let threads = threads_of(py, threads)?;
        let found = self.search(queries, |gallery, q| gallery.nearest(q, k, threads))?;
        let (matches, single, count) = found;
        // One vector gives no axis of queries.
        columns(py, matches, &[count, k][usize::from(single)..])
    }

    #[pyo3(signature = (queries, threshold, threads))]
    fn within_arrays<'py>(
        &self,
        queries: &Bound<'py, PyAny>,
        threshold: f64,
        threads: Option<i64>,
    ) -> PyResult<(Columns<'py>, Bound<'py, PyArray1<i64>>)> {
        let py = queries.py();
        let threads = threads_of(py, threads)?;
        let found = self.search(queries, |gallery, q| gallery.within(q, threshold, threads))?;
        let ((matches, offsets), _, _) = found;
        let count = matches.index.len();
        let columns = columns(py, matches, &[count])?;
        Ok((columns, PyArray1::from_vec(py, offsets)))
    }

    #[pyo3(signature = (queries, threshold, threads))]
    fn best_identity_arrays<'py>(
        &self,
        queries: &Bound<'py, PyAny>,
        threshold: Option<f64>,
        threads: Option<i64>,
    ) -> PyResult<Columns<'py>> {
        let py = queries.py();
        let threads = threads_of(py, threads)?;
        let found = self.search(queries, |gallery, q| {
            gallery.best_identity(q, threshold, threads)
        })?;
        let (matches, single, count) = found;
        columns(py, matches, &[count][usize::from(single)..])
    }

    fn distance_to(
        &self,
        identity: &Bound<'_, PyString>,
        query: &Bound<'_, PyAny>,
    ) -> PyResult<f64> {
        let py = query.py();
        let name = name("identity", identity)?;
        let run = || {
            let query = float32_rows("query", query, Shape::One { dim: self.dim })?;
            py.detach(|| {
                let query = query.check()?;
                self.read().distance_to(name, &query)
            })
        };
        run().map_err(|error| to_python(py, &error))
    }

    /// The names behind identity numbers; None for -1 and for identities removed since.
    fn names_of(
        &self,
        py: Python<'_>,
        numbers: &Bound<'_, PyArray1<i64>>,
    ) -> PyResult<Vec<Option<String>>> {
        let numbers = numbers.to_vec()?;
        Ok(py.detach(|| {
            let gallery = self.read();
            let name = |number: &i64| gallery.name_of(*number).map(str::to_owned);
            numbers.iter().map(name).collect()
        }))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.read().len())
    }

    fn __contains__(&self, identity: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(identity) = identity.cast::<PyString>() else {
            return Ok(false);
        };
        let name = name("identity", identity)?;
        Ok(identity.py().detach(|| self.read().contains(name)))
    }

    #[getter]
    fn dim(&self) -> usize {
        self.dim
    }

    #[getter]
    fn identities(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| self.read().identities().map(str::to_owned).collect())
    }

    #[getter]
    fn nbytes(&self, py: Python<'_>) -> usize {
        py.detach(|| self.read().nbytes())
    }

    #[getter]
    fn backend(&self, py: Python<'_>) -> &'static str {
        py.detach(|| self.read().backend().name())
    }
}

/// Names of the back ends that this CPU has, fastest first.
#[pyfunction]
pub fn backends() -> Vec<&'static str> {
    Kernel::available()
        .map(|kernel| kernel.backend().name())
        .collect()
}

fn kernel(name: Option<&str>) -> Result<Kernel> {
    let Some(name) = name else {
        return Ok(Kernel::fastest());
    };
    let named = Backend::ALL
        .into_iter()
        .find(|backend| backend.name() == name);
    named.and_then(Kernel::of).ok_or_else(|| {
        CoreError::invalid("backend", format!("one of {}", backends().join(", ")), name)
    })
}

/// A count, which Python's int can fall short of.
fn natural(argument: &'static str, value: i64) -> Result<usize> {
    usize::try_from(value)
        .map_err(|_| CoreError::invalid(argument, "at least 0", value.to_string()))
}

/// Threads of a search; None leaves their number to the core.
fn threads_of(py: Python<'_>, threads: Option<i64>) -> PyResult<Option<usize>> {
    let threads = threads
        .map(|threads| natural("threads", threads))
        .transpose();
    threads.map_err(|error| to_python(py, &error))
}

fn columns<'py>(py: Python<'py>, matches: Matches, shape: &[usize]) -> PyResult<Columns<'py>> {
    // The float64 distances have decided already; rounding keeps their order.
    let distance: Vec<f32> = matches.distance.iter().map(|d| *d as f32).collect();
    Ok((
        to_numpy(py, distance, shape)?,
        to_numpy(py, matches.index, shape)?,
        to_numpy(py, matches.identity, shape)?,
    ))
}

fn indices(py: Python<'_>, added: Range<i64>) -> Bound<'_, PyArray1<i64>> {
    PyArray1::from_iter(py, added)
}

/// The UTF-8 of a name, which a lone surrogate has not.
fn name<'a>(argument: &'static str, value: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    value.to_str().map_err(|_| {
        let error = CoreError::invalid(argument, "text that UTF-8 can encode", "a lone surrogate");
        to_python(value.py(), &error)
    })
}

fn names(argument: &'static str, values: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let refuse = |got: &Bound<'_, PyAny>| {
        let got = got
            .get_type()
            .name()
            .map_or_else(|_| String::new(), |name| name.to_string());
        to_python(
            values.py(),
            &CoreError::invalid(argument, "a sequence of str", got),
        )
    };
    // A str is a sequence of str too, but never meant as one.
    if values.is_instance_of::<PyString>() {
        return Err(refuse(values));
    }
    let mut names = Vec::new();
    for value in values.try_iter().map_err(|_| refuse(values))? {
        let value = value?;
        let text = value.cast::<PyString>().map_err(|_| refuse(&value))?;
        names.push(name(argument, text)?.to_owned());
    }
    Ok(names)
}
