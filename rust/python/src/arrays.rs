//! From numpy arrays to checked values, and back.

use bytemuck::Pod;
use faceid_core::gallery::UnitVectors;
use faceid_core::{CoreError, Result};
use numpy::ndarray::{ArrayViewD, Dimension};
use numpy::{
    Element, PyArray1, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArray,
    PyUntypedArray, PyUntypedArrayMethods, ToPyArray,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Up to so many values stay in the first-level cache from the copy to the check. Registering an array as being read
/// would take as long as either.
const FEW_VALUES: usize = 4096;

/// Float32 vectors copied out of an array, and the result of checking them meanwhile.
///
/// They are copied because another thread may write to the array once the GIL is released: what was checked must be
/// what is used.
pub struct Float32Rows {
    dim: usize,
    count: usize,
    vectors: Result<UnitVectors>,
    /// Whether the array was one vector, `(D,)`, rather than `(M, D)`.
    pub single: bool,
}

impl Float32Rows {
    /// Values per vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of vectors.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The vectors, if their values are valid.
    pub fn check(self) -> Result<UnitVectors> {
        self.vectors
    }
}

/// The shapes that an argument may have.
#[derive(Clone, Copy)]
pub enum Shape {
    /// `(dim,)`
    One { dim: usize },
    /// `(dim,)` or `(M, dim)`
    OneOrMany { dim: usize },
    /// `(M, D)` of any width
    Many,
}

impl Shape {
    /// The width, if the shape fits.
    fn width(self, shape: &[usize]) -> Option<usize> {
        match (self, shape) {
            (Self::One { dim } | Self::OneOrMany { dim }, &[width])
            | (Self::OneOrMany { dim }, &[_, width])
                if width == dim =>
            {
                Some(width)
            }
            (Self::Many, &[_, width]) => Some(width),
            _ => None,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::One { dim } => format!("({dim},)"),
            Self::OneOrMany { dim } => format!("({dim},) or (M, {dim})"),
            Self::Many => "(M, D)".to_owned(),
        }
    }
}

/// Copy float32 vectors out of a numpy array, or return an error that says what was expected and what came.
///
/// Other dtypes are refused, not converted. A search is exact in the numbers it is given, so rounding float64 must be
/// the caller's step. C order is required because a slice of a Fortran-ordered array holds the right values in the
/// wrong places.
pub fn float32_rows(
    argument: &'static str,
    value: &Bound<'_, PyAny>,
    shape: Shape,
) -> Result<Float32Rows> {
    if let Ok(array) = value.cast::<PyArrayDyn<f32>>()
        && let Some(dim) = shape.width(array.shape())
        && array.is_c_contiguous()
        && let Some(vectors) = copied(argument, dim, array)
    {
        return Ok(Float32Rows {
            dim,
            count: array.len().checked_div(dim).unwrap_or(0),
            vectors,
            single: array.ndim() == 1,
        });
    }
    let expected = format!("a C-contiguous float32 array of shape {}", shape.describe());
    Err(CoreError::invalid(argument, expected, describe(value)))
}

/// A checked copy of an array; none if it cannot be read as it lies.
///
/// The GIL is held for the copy. The check takes next to no time where it reads what was just copied.
fn copied(
    argument: &'static str,
    dim: usize,
    array: &Bound<'_, PyArrayDyn<f32>>,
) -> Option<Result<UnitVectors>> {
    if array.len() > FEW_VALUES
        && let Ok(array) = array.try_readonly()
    {
        let values = array.as_slice().ok()?;
        return Some(UnitVectors::copied(argument, dim, values));
    }
    let values = array.to_vec().ok()?;
    Some(UnitVectors::new(argument, dim, values))
}

/// Shape and dtype of a value, and its layout where these two are not to blame.
pub fn describe(value: &Bound<'_, PyAny>) -> String {
    let Ok(array) = value.cast::<PyUntypedArray>() else {
        return type_name(value);
    };
    let shape = array
        .shape()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let comma = if array.ndim() == 1 { "," } else { "" };
    let layout = if array.is_c_contiguous() && array.is_aligned() {
        ""
    } else {
        ", not C-contiguous (numpy.ascontiguousarray makes it so)"
    };
    let dtype = array.dtype();
    let order = if dtype.is_native_byteorder() == Some(false) {
        "byte-swapped "
    } else {
        ""
    };
    format!("{order}{dtype} of shape ({shape}{comma}){layout}")
}

/// The type of a value, which is all that a message may say of it.
pub fn type_name(value: &Bound<'_, PyAny>) -> String {
    let name = value.get_type().name();
    name.map_or_else(|_| "another type".to_owned(), |name| name.to_string())
}

/// The values of an array in C order.
///
/// C order is checked separately: `as_slice` also succeeds on Fortran-ordered arrays.
pub fn c_slice<'a, T: Element, D: Dimension>(
    argument: &'static str,
    array: &'a PyReadonlyArray<'_, T, D>,
) -> Result<&'a [T]> {
    match array.as_slice() {
        Ok(slice) if array.is_c_contiguous() => Ok(slice),
        _ => Err(CoreError::invalid(
            argument,
            "a C-contiguous array",
            "another memory layout",
        )),
    }
}

/// Values that cannot change while the GIL is released and other threads run.
pub enum Held<'py, T> {
    /// In a `bytes` object below a read-only array, as those of a `Frame` are: nobody can change it.
    Shared(Bound<'py, PyBytes>),
    /// A copy of any other array, to which somebody might write.
    Copied(Vec<T>),
}

impl<T: Pod> Held<'_, T> {
    pub fn values(&self) -> &[T] {
        match self {
            Self::Shared(bytes) => bytemuck::cast_slice(bytes.as_bytes()),
            Self::Copied(values) => values,
        }
    }
}

/// Keep all values of an array in C order from changing.
pub fn held<'py, T: Element + Pod, D: Dimension>(
    argument: &'static str,
    array: &PyReadonlyArray<'py, T, D>,
) -> Result<Held<'py, T>> {
    let values = c_slice(argument, array)?;
    // An array that was unpickled lies in `bytes` too, but can be written to.
    let read_only = || array.getattr("flags")?.getattr("writeable")?.is_truthy();
    if let Ok(false) = read_only()
        && let Ok(base) = array.getattr("base")
        && let Ok(bytes) = base.cast_into::<PyBytes>()
        && let Ok(same) = bytemuck::try_cast_slice::<u8, T>(bytes.as_bytes())
        && std::ptr::eq(same, values)
    {
        return Ok(Held::Shared(bytes));
    }
    Ok(Held::Copied(values.to_vec()))
}

/// Values as a numpy array of a shape that they fill.
///
/// Many are not copied again. A few are, into memory of numpy's own: that takes one object rather than three.
pub fn to_numpy<'py, T: Element + Copy>(
    py: Python<'py>,
    values: Vec<T>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    if values.len() <= FEW_VALUES
        && let Ok(view) = ArrayViewD::from_shape(shape, &values)
    {
        return Ok(view.to_pyarray(py));
    }
    PyArray1::from_vec(py, values).reshape(shape.to_vec())
}
