//! `Gallery`: the core's gallery behind a lock, numpy in and numpy out.

use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use faceid_core::gallery::UnitVectors;
use faceid_core::gallery::{self, Bytes};
use faceid_core::simd::{Backend, Kernel};
use faceid_core::{CoreError, Result};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyType};

use crate::arguments::{name, names, natural, number, path_of, refused, threads_of};
use crate::arrays::{Shape, describe, float32_rows};
use crate::boundary::guarded;
use crate::errors::Answer;
use crate::matches::{Matches, RaggedMatches};

/// Allows many readers or one writer at a time. Nobody waits for the lock while holding the GIL.
#[pyclass(frozen, subclass, module = "faceid_fast._core")]
pub struct Gallery {
    dim: usize,
    inner: RwLock<gallery::Gallery>,
}

impl Gallery {
    fn read(&self) -> Answer<RwLockReadGuard<'_, gallery::Gallery>> {
        Ok(self.inner.read()?)
    }

    pub(crate) fn write(&self) -> Answer<RwLockWriteGuard<'_, gallery::Gallery>> {
        Ok(self.inner.write()?)
    }

    /// An object of a class (or a subclass) that holds a gallery.
    fn holding<'py>(
        cls: &Bound<'py, PyType>,
        gallery: gallery::Gallery,
    ) -> Answer<Bound<'py, PyAny>> {
        let made = cls.call1((gallery.dim(),))?;
        *made.cast::<Self>()?.get().write()? = gallery;
        Ok(made)
    }

    /// Search `queries` without the GIL. Also returns whether they were a single vector, and their number.
    fn search<T: Send>(
        &self,
        queries: &Bound<'_, PyAny>,
        find: impl FnOnce(&gallery::Gallery, &UnitVectors) -> Result<T> + Send,
    ) -> Answer<(T, bool, usize)> {
        let py = queries.py();
        let queries = float32_rows("queries", queries, Shape::OneOrMany { dim: self.dim })?;
        let single = queries.single;
        py.detach(|| {
            let queries = queries.check()?;
            let found = find(&*self.read()?, &queries)?;
            Ok((found, single, queries.len()))
        })
    }

    /// Change the references of one identity without the GIL; returns the indices of the new ones.
    fn change<'py>(
        &self,
        identity: &Bound<'py, PyAny>,
        vectors: &Bound<'py, PyAny>,
        change: impl FnOnce(&mut gallery::Gallery, &str, UnitVectors) -> Result<Range<i64>> + Send,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let py = vectors.py();
        guarded(py, || {
            let name = name("identity", identity)?;
            let vectors = float32_rows("vectors", vectors, Shape::OneOrMany { dim: self.dim })?;
            let added = py.detach(|| {
                let vectors = vectors.check()?;
                Answer::Ok(change(&mut *self.write()?, name, vectors)?)
            })?;
            Ok(PyArray1::from_iter(py, added))
        })
    }

    /// Read something from the gallery without the GIL.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&gallery::Gallery) -> T + Send,
    ) -> PyResult<T> {
        guarded(py, || py.detach(|| Ok(question(&*self.read()?))))
    }
}

#[pymethods]
impl Gallery {
    #[new]
    #[pyo3(
        signature = (dim=Dim(128), *, backend=None),
        text_signature = "(dim=128, *, backend=None)"
    )]
    fn new(py: Python<'_>, dim: Dim, backend: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        guarded(py, || {
            let backend = backend.map(|named| name("backend", named)).transpose()?;
            let inner = gallery::Gallery::on(kernel(backend)?, dim.0)?;
            Ok(Self {
                dim: inner.dim(),
                inner: RwLock::new(inner),
            })
        })
    }

    #[classmethod]
    fn from_arrays<'py>(
        cls: &Bound<'py, PyType>,
        vectors: &Bound<'py, PyAny>,
        identities: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        guarded(py, || {
            let vectors = float32_rows("vectors", vectors, Shape::Many)?;
            let names = names("identities", identities, vectors.count())?;
            let made = cls.call1((vectors.dim(),))?;
            let this = made.cast::<Self>()?.get();
            py.detach(|| {
                let vectors = vectors.check()?;
                Answer::Ok(this.write()?.extend(vectors, &names)?)
            })?;
            Ok(made)
        })
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        guarded(py, || {
            let bytes = py.detach(|| Answer::Ok(self.read()?.to_bytes()))?;
            Ok(PyBytes::new(py, &bytes))
        })
    }

    #[classmethod]
    fn from_bytes<'py>(
        cls: &Bound<'py, PyType>,
        data: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        guarded(py, || {
            let data = data
                .cast::<PyBytes>()
                .map_err(|_| refused("data", "bytes", data))?
                .as_bytes();
            // `bytes` cannot change while the GIL is released.
            let gallery = py.detach(|| gallery::Gallery::from_bytes(Kernel::fastest(), data))?;
            Self::holding(cls, gallery)
        })
    }

    #[classmethod]
    fn open<'py>(
        cls: &Bound<'py, PyType>,
        path: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        guarded(py, || {
            let path = path_of(path)?;
            let gallery = py.detach(|| {
                if !std::fs::metadata(&path)?.is_file() {
                    // A pipe would be waited for.
                    let got = "a folder, a pipe or a device";
                    return Err(CoreError::invalid("path", "a file", got).into());
                }
                let file = File::open(path)?;
                // SAFETY: the documentation of `open` demands that nobody changes the file meanwhile, which is
                // what mapping it cannot do without.
                #[allow(unsafe_code, reason = "mapping a file is unsafe by its nature")]
                let map = unsafe { memmap2::Mmap::map(&file)? };
                let bytes: Bytes = Arc::new(map);
                Answer::Ok(gallery::Gallery::mapped(Kernel::fastest(), &bytes)?)
            })?;
            Self::holding(cls, gallery)
        })
    }

    fn add<'py>(
        &self,
        identity: &Bound<'py, PyAny>,
        vectors: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        self.change(identity, vectors, gallery::Gallery::add)
    }

    fn remove(&self, identity: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = identity.py();
        guarded(py, || {
            let name = name("identity", identity)?;
            py.detach(|| Ok(self.write()?.remove(name)?))
        })
    }

    fn replace<'py>(
        &self,
        identity: &Bound<'py, PyAny>,
        vectors: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        self.change(identity, vectors, gallery::Gallery::replace)
    }

    fn find_nearest<'py>(
        slf: &Bound<'py, Self>,
        queries: &Bound<'py, PyAny>,
        k: &Bound<'py, PyAny>,
        threads: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Matches>> {
        let py = slf.py();
        guarded(py, || {
            let k = natural("k", k)?;
            let threads = threads_of(threads)?;
            let search =
                |gallery: &gallery::Gallery, q: &UnitVectors| gallery.nearest(q, k, threads);
            let (found, single, count) = slf.get().search(queries, search)?;
            // A single vector gives no axis of queries.
            let matches = Matches::of(slf.as_any(), found, &[count, k][usize::from(single)..]);
            Ok(Bound::new(py, matches)?)
        })
    }

    fn find_within<'py>(
        slf: &Bound<'py, Self>,
        queries: &Bound<'py, PyAny>,
        threshold: &Bound<'py, PyAny>,
        threads: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, RaggedMatches>> {
        let py = slf.py();
        guarded(py, || {
            let threshold = number("threshold", threshold)?;
            let threads = threads_of(threads)?;
            let search =
                |gallery: &gallery::Gallery, q: &UnitVectors| gallery.within(q, threshold, threads);
            let ((found, offsets), _, _) = slf.get().search(queries, search)?;
            let count = found.index.len();
            Ok(RaggedMatches::of(
                Matches::of(slf.as_any(), found, &[count]),
                offsets,
                py,
            )?)
        })
    }

    fn find_best_identity<'py>(
        slf: &Bound<'py, Self>,
        queries: &Bound<'py, PyAny>,
        threshold: Option<&Bound<'py, PyAny>>,
        threads: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Matches>> {
        let py = slf.py();
        guarded(py, || {
            let threshold = threshold
                .map(|threshold| number("threshold", threshold))
                .transpose()?;
            let threads = threads_of(threads)?;
            let search = |gallery: &gallery::Gallery, q: &UnitVectors| {
                gallery.best_identity(q, threshold, threads)
            };
            let (found, single, count) = slf.get().search(queries, search)?;
            let matches = Matches::of(slf.as_any(), found, &[count][usize::from(single)..]);
            Ok(Bound::new(py, matches)?)
        })
    }

    fn distance_to(&self, identity: &Bound<'_, PyAny>, query: &Bound<'_, PyAny>) -> PyResult<f64> {
        let py = query.py();
        guarded(py, || {
            let name = name("identity", identity)?;
            let query = float32_rows("query", query, Shape::One { dim: self.dim })?;
            py.detach(|| {
                let query = query.check()?;
                Ok(self.read()?.distance_to(name, &query)?)
            })
        })
    }

    /// Names of identity numbers; None for -1 and for identities that have been removed.
    fn names_of(
        &self,
        py: Python<'_>,
        numbers: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<Option<String>>> {
        guarded(py, || {
            let given = numbers.cast::<PyArray1<i64>>().ok();
            let numbers = given.and_then(|given| given.to_vec().ok()).ok_or_else(|| {
                let expected = "a C-contiguous int64 array of shape (N,)";
                CoreError::invalid("numbers", expected, describe(numbers))
            })?;
            py.detach(|| {
                let gallery = self.read()?;
                let name = |number: &i64| gallery.name_of(*number).map(str::to_owned);
                Ok(numbers.iter().map(name).collect())
            })
        })
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, gallery::Gallery::len)
    }

    fn __contains__(&self, identity: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = identity.py();
        guarded(py, || {
            if !identity.is_instance_of::<PyString>() {
                return Ok(false);
            }
            let name = name("identity", identity)?;
            py.detach(|| Ok(self.read()?.contains(name)))
        })
    }

    #[getter]
    fn dim(&self) -> usize {
        self.dim
    }

    #[getter]
    fn identities(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.ask(py, |gallery| {
            gallery.identities().map(str::to_owned).collect()
        })
    }

    #[getter]
    fn nbytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, gallery::Gallery::nbytes)
    }

    #[getter]
    fn code_nbytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, gallery::Gallery::code_nbytes)
    }

    #[getter]
    fn backend(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.ask(py, |gallery| gallery.backend().name())
    }
}

/// Names of the back ends that this CPU has, fastest first.
#[pyfunction]
pub fn backends(py: Python<'_>) -> PyResult<Vec<&'static str>> {
    guarded(py, || Ok(available()))
}

fn available() -> Vec<&'static str> {
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
        let name: String = name.chars().take(80).collect();
        CoreError::invalid(
            "backend",
            format!("one of {}", available().join(", ")),
            name,
        )
    })
}

/// Number of values per vector; a type of its own because it has a default.
#[derive(Clone, Copy)]
struct Dim(usize);

impl<'py> FromPyObject<'_, 'py> for Dim {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        guarded(value.py(), || Ok(Self(natural("dim", &value)?)))
    }
}
