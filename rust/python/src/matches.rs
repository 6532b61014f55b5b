//! `Matches` and `RaggedMatches`: what a search found, as numpy arrays that are made when they are first read.

use std::sync::Mutex;

use faceid_core::gallery;
use numpy::{Element, PyArray1, PyArrayDyn, PyArrayMethods};
use pyo3::PyClassInitializer;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::arrays::to_numpy;
use crate::boundary::guarded;
use crate::errors::Answer;

/// Most axes that the arrays of a search have: queries, and matches of each.
const MOST_AXES: usize = 2;

/// The shape of the arrays.
#[derive(Clone, Copy)]
struct Shape {
    sides: [usize; MOST_AXES],
    axes: usize,
}

impl Shape {
    fn of(given: &[usize]) -> Self {
        let mut sides = [0; MOST_AXES];
        sides[..given.len()].copy_from_slice(given);
        Self {
            sides,
            axes: given.len(),
        }
    }

    fn sides(&self) -> &[usize] {
        &self.sides[..self.axes]
    }
}

/// Values that become an array when they are first read. Most callers read one of three, and to make an array
/// takes about as long as to search a few references.
struct Column<T: Element> {
    values: Mutex<Vec<T>>,
    array: PyOnceLock<Py<PyArrayDyn<T>>>,
}

impl<T: Element + Copy> Column<T> {
    fn of(values: Vec<T>) -> Self {
        Self {
            values: Mutex::new(values),
            array: PyOnceLock::new(),
        }
    }

    /// The array, always the same one.
    fn array(&self, py: Python<'_>, shape: Shape) -> PyResult<Py<PyArrayDyn<T>>> {
        let made = self.array.get_or_try_init(py, || {
            let values = std::mem::take(&mut *self.values.lock()?);
            Answer::Ok(to_numpy(py, values, shape.sides())?.unbind())
        });
        guarded(py, || Ok(made?.clone_ref(py)))
    }
}

#[pyclass(frozen, subclass, module = "faceid_fast._core")]
pub struct Matches {
    shape: Shape,
    distance: Column<f32>,
    index: Column<i64>,
    identity: Column<i64>,
    /// Of the class `Gallery`, or one below it.
    gallery: Py<PyAny>,
}

impl Matches {
    /// What was found in a gallery: arrays of a shape of at most two axes.
    pub fn of(gallery: &Bound<'_, PyAny>, found: gallery::Matches, shape: &[usize]) -> Self {
        Self {
            shape: Shape::of(shape),
            distance: Column::of(found.distance),
            index: Column::of(found.index),
            identity: Column::of(found.identity),
            gallery: gallery.clone().unbind(),
        }
    }
}

#[pymethods]
impl Matches {
    #[getter]
    fn distance(&self, py: Python<'_>) -> PyResult<Py<PyArrayDyn<f32>>> {
        self.distance.array(py, self.shape)
    }

    #[getter]
    fn index(&self, py: Python<'_>) -> PyResult<Py<PyArrayDyn<i64>>> {
        self.index.array(py, self.shape)
    }

    #[getter]
    fn identity(&self, py: Python<'_>) -> PyResult<Py<PyArrayDyn<i64>>> {
        self.identity.array(py, self.shape)
    }

    #[getter]
    fn gallery(&self, py: Python<'_>) -> Py<PyAny> {
        self.gallery.clone_ref(py)
    }

    #[getter]
    fn names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<Py<PyAny>>>> {
        let numbers = self.identity.array(py, self.shape)?;
        guarded(py, || {
            let numbers = numbers.bind(py).call_method0("ravel")?;
            let names = self.gallery.bind(py).call_method1("names_of", (numbers,))?;
            let names: Vec<Py<PyAny>> = names.extract()?;
            Ok(PyArray1::from_vec(py, names).reshape(self.shape.sides().to_vec())?)
        })
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let kind = slf.get_type().name()?;
        let sides: Vec<_> = slf
            .get()
            .shape
            .sides()
            .iter()
            .map(usize::to_string)
            .collect();
        let comma = if sides.len() == 1 { "," } else { "" };
        Ok(format!("<{kind} of shape ({}{comma})>", sides.join(", ")))
    }
}

#[pyclass(frozen, extends = Matches, module = "faceid_fast._core")]
pub struct RaggedMatches {
    #[pyo3(get)]
    offsets: Py<PyArray1<i64>>,
}

impl RaggedMatches {
    /// Matches of several queries, and where those of each begin.
    pub fn of(matches: Matches, offsets: Vec<i64>, py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        let offsets = PyArray1::from_vec(py, offsets).unbind();
        Bound::new(
            py,
            PyClassInitializer::from(matches).add_subclass(Self { offsets }),
        )
    }
}
