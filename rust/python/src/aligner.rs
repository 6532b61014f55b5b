//! `Aligner`: from a frame's arrays to an aligned face.

use faceid_core::Result;
use faceid_core::align::chip::{CHIP_CHANNELS, CHIP_PX};
use faceid_core::align::cues;
use faceid_core::align::grid::{GRID_HEIGHT, GRID_WIDTH};
use faceid_core::align::head_model::{HeadArrays, HeadModel};
use faceid_core::align::tensor::CHANNELS;
use faceid_core::align::{self, Refusal};
use faceid_core::input::views::{Camera, DepthSamples, DepthView, IntensityView};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray2, PyReadonlyArray3,
    PyReadonlyArray5, PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::arrays::{Held, c_slice, held};
use crate::boundary::{Given, guarded};

/// A head model, ready to align frames.
#[pyclass(frozen, module = "faceid_fast._core")]
pub struct Aligner {
    model: HeadModel,
}

/// The face that `Aligner.align` or `align_at` found.
#[pyclass(frozen, module = "faceid_fast._core")]
pub struct AlignedFace {
    face: align::AlignedFace,
}

/// `Cues` as a dict.
#[derive(IntoPyObject)]
pub struct CueFigures {
    relief_mm: f32,
    curved_relief_mm: f32,
    agreement: f32,
    structure: f32,
    valid_share: f32,
    noise_mm: f32,
    contrast: f32,
}

/// A face, or the kind and the figures of a refusal.
#[derive(IntoPyObject)]
pub enum Alignment {
    Face(AlignedFace),
    Refused((&'static str, Vec<f32>)),
}

/// Depth as numpy holds it.
#[derive(FromPyObject)]
pub enum DepthArray<'py> {
    U16(PyReadonlyArray2<'py, u16>),
    F32(PyReadonlyArray2<'py, f32>),
}

/// The registered picture as numpy holds it.
#[derive(FromPyObject)]
pub enum IntensityArray<'py> {
    InfraredU8(PyReadonlyArray2<'py, u8>),
    InfraredU16(PyReadonlyArray2<'py, u16>),
    Color(PyReadonlyArray3<'py, u8>),
}

/// Depth that no other thread can change.
pub enum HeldDepth<'py> {
    U16(Held<'py, u16>),
    F32(Held<'py, f32>),
}

impl<'py> HeldDepth<'py> {
    /// Samples, rows and columns.
    pub fn of(array: &DepthArray<'py>) -> Result<(Self, usize, usize)> {
        let (samples, shape) = match array {
            DepthArray::U16(array) => (Self::U16(held("depth", array)?), array.shape()),
            DepthArray::F32(array) => (Self::F32(held("depth", array)?), array.shape()),
        };
        Ok((samples, shape[0], shape[1]))
    }

    pub fn samples(&self) -> DepthSamples<'_> {
        match self {
            Self::U16(samples) => DepthSamples::U16(samples.values()),
            Self::F32(samples) => DepthSamples::F32(samples.values()),
        }
    }
}

/// A picture that no other thread can change.
enum HeldIntensity<'py> {
    InfraredU8(Held<'py, u8>),
    InfraredU16(Held<'py, u16>),
    Color(Held<'py, u8>),
}

impl<'py> HeldIntensity<'py> {
    fn of(array: &IntensityArray<'py>) -> Result<Self> {
        Ok(match array {
            IntensityArray::InfraredU8(array) => Self::InfraredU8(held("infrared", array)?),
            IntensityArray::InfraredU16(array) => Self::InfraredU16(held("infrared", array)?),
            IntensityArray::Color(array) => Self::Color(held("color", array)?),
        })
    }

    fn view(&self) -> IntensityView<'_> {
        match self {
            Self::InfraredU8(samples) => IntensityView::InfraredU8(samples.values()),
            Self::InfraredU16(samples) => IntensityView::InfraredU16(samples.values()),
            Self::Color(samples) => IntensityView::Color(samples.values()),
        }
    }
}

#[pymethods]
impl Aligner {
    #[new]
    fn new(
        py: Python<'_>,
        mean: Given<PyReadonlyArray2<'_, f32>>,
        normals: Given<PyReadonlyArray2<'_, f32>>,
        components: Given<PyReadonlyArray3<'_, f32>>,
        template: Given<PyReadonlyArray2<'_, f32>>,
        correction: Given<PyReadonlyArray5<'_, f32>>,
        correction_offset: Given<PyReadonlyArray2<'_, f32>>,
    ) -> PyResult<Self> {
        guarded(py, || {
            let model = HeadModel::new(&HeadArrays {
                mean: c_slice("mean", &mean.0)?,
                normals: c_slice("normals", &normals.0)?,
                components: c_slice("components", &components.0)?,
                template: c_slice("template", &template.0)?,
                correction: c_slice("correction", &correction.0)?,
                correction_offset: c_slice("correction_offset", &correction_offset.0)?,
            })?;
            Ok(Self { model })
        })
    }

    fn align(
        &self,
        py: Python<'_>,
        depth: Given<DepthArray<'_>>,
        depth_unit_m: f32,
        intensity: Given<IntensityArray<'_>>,
        intrinsics: (f32, f32, f32, f32),
        principal_deviation_px: f32,
    ) -> PyResult<Alignment> {
        let found = on_frame(
            py,
            &depth.0,
            depth_unit_m,
            &intensity.0,
            intrinsics,
            principal_deviation_px,
            |depth, intensity, camera| align::align(&self.model, depth, intensity, camera),
        )?;
        Ok(match found {
            Ok(face) => Alignment::Face(AlignedFace { face }),
            Err(refusal) => Alignment::Refused(name(refusal)),
        })
    }

    /// Cut out what is at a given pose: `rotation` row by row, `translation_mm` in the camera's frame.
    #[expect(
        clippy::too_many_arguments,
        reason = "a frame and a pose, as numpy holds them"
    )]
    fn align_at(
        &self,
        py: Python<'_>,
        depth: Given<DepthArray<'_>>,
        depth_unit_m: f32,
        intensity: Given<IntensityArray<'_>>,
        intrinsics: (f32, f32, f32, f32),
        rotation: [[f32; 3]; 3],
        translation_mm: [f32; 3],
    ) -> PyResult<AlignedFace> {
        let face = on_frame(
            py,
            &depth.0,
            depth_unit_m,
            &intensity.0,
            intrinsics,
            0.0,
            |depth, intensity, camera| {
                align::align_at(
                    &self.model,
                    depth,
                    intensity,
                    camera,
                    rotation,
                    translation_mm,
                )
            },
        )?;
        Ok(AlignedFace { face })
    }
}

/// Checks a frame, keeps it from changing, and runs `work` on it without the GIL.
fn on_frame<T: Send>(
    py: Python<'_>,
    depth: &DepthArray<'_>,
    depth_unit_m: f32,
    intensity: &IntensityArray<'_>,
    (fx, fy, cx, cy): (f32, f32, f32, f32),
    principal_deviation_px: f32,
    work: impl Send + FnOnce(&DepthView, &IntensityView, &Camera) -> Result<T>,
) -> PyResult<T> {
    guarded(py, || {
        let (samples, height, width) = HeldDepth::of(depth)?;
        let picture = HeldIntensity::of(intensity)?;
        let depth = DepthView::new(samples.samples(), height, width, depth_unit_m)?;
        let intensity = picture.view();
        let camera =
            Camera::new(fx, fy, cx, cy)?.with_principal_deviation(principal_deviation_px)?;
        Ok(py.detach(|| work(&depth, &intensity, &camera))?)
    })
}

/// Kind and figures of a refusal.
fn name(refusal: Refusal) -> (&'static str, Vec<f32>) {
    match refusal {
        Refusal::NoFace => ("no_face", vec![]),
        Refusal::SeveralFaces => ("several_faces", vec![]),
        Refusal::TooNear(mm) => ("too_near", vec![mm]),
        Refusal::TooFar(mm) => ("too_far", vec![mm]),
        Refusal::CutOff => ("cut_off", vec![]),
        Refusal::PoorPose(yaw, pitch, roll) => ("poor_pose", vec![yaw, pitch, roll]),
        Refusal::PoorDepth(share) => ("poor_depth", vec![share]),
        Refusal::Flat(mm) => ("flat", vec![mm]),
    }
}

#[pymethods]
impl AlignedFace {
    #[getter]
    fn tensor<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<f32>>> {
        guarded(py, || {
            let values = self.face.tensor.clone().into_pyarray(py);
            Ok(values.reshape([CHANNELS, GRID_HEIGHT, GRID_WIDTH])?)
        })
    }

    #[getter]
    fn chip<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        guarded(py, || {
            let values = PyArray1::from_slice(py, &self.face.chip);
            Ok(values.reshape([CHIP_CHANNELS, CHIP_PX, CHIP_PX])?)
        })
    }

    #[getter]
    fn valid<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<bool>>> {
        guarded(py, || {
            let values = PyArray1::from_slice(py, &self.face.valid);
            Ok(values.reshape([GRID_HEIGHT, GRID_WIDTH])?)
        })
    }

    /// Row by row.
    #[getter]
    fn rotation(&self) -> [[f32; 3]; 3] {
        std::array::from_fn(|row| {
            std::array::from_fn(|column| self.face.pose.rotation[(row, column)])
        })
    }

    #[getter]
    fn translation_mm(&self) -> [f32; 3] {
        self.face.pose.translation.into()
    }

    #[getter]
    fn eye_midpoint_mm(&self) -> [f32; 3] {
        self.face.eyes.into()
    }

    #[getter]
    fn yaw_pitch_roll_deg(&self, py: Python<'_>) -> PyResult<[f32; 3]> {
        guarded(py, || Ok(self.face.pose.angles_deg()))
    }

    /// (cx, cy) in pixels of the frame.
    #[getter]
    fn principal_point(&self) -> (f32, f32) {
        (self.face.pose.camera.cx, self.face.pose.camera.cy)
    }

    #[getter]
    fn score(&self) -> f32 {
        self.face.score
    }

    #[getter]
    fn residual_mm(&self) -> f32 {
        self.face.residual_mm
    }

    #[getter]
    fn cues(&self) -> CueFigures {
        let cues::Cues {
            relief_mm,
            curved_relief_mm,
            agreement,
            structure,
            valid_share,
            noise_mm,
            contrast,
        } = self.face.cues;
        CueFigures {
            relief_mm,
            curved_relief_mm,
            agreement,
            structure,
            valid_share,
            noise_mm,
            contrast,
        }
    }

    #[getter]
    fn valid_share(&self) -> f32 {
        self.face.valid_share
    }

    #[getter]
    fn filled_share(&self) -> f32 {
        self.face.filled_share
    }

    #[getter]
    fn band_mm(&self) -> (f32, f32) {
        self.face.band_mm
    }

    /// (top, left, bottom, right) in pixels of the frame.
    #[getter]
    fn region(&self) -> (usize, usize, usize, usize) {
        let region = self.face.region;
        (region.top, region.left, region.bottom, region.right)
    }
}
