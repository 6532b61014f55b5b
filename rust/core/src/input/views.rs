//! Borrowed, checked views of what a camera delivers.

use super::bits::Bits;
use crate::{CoreError, Result};

/// Pinhole intrinsics, in pixels of the image they belong to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// Focal length along the columns.
    pub fx: f32,
    /// Focal length along the rows.
    pub fy: f32,
    /// Principal point, column.
    pub cx: f32,
    /// Principal point, row.
    pub cy: f32,
    /// Standard deviation of the principal point along each axis; 0 where it is known. A crop whose place in
    /// the frame was not recorded has one of a good share of the frame.
    pub principal_deviation: f32,
}

impl Camera {
    /// Checks that the focal lengths are positive and everything is finite.
    ///
    /// # Errors
    /// [`CoreError::Invalid`] naming the intrinsics.
    pub fn new(fx: f32, fy: f32, cx: f32, cy: f32) -> Result<Self> {
        if [fx, fy, cx, cy].iter().all(|x| x.is_finite()) && fx > 0.0 && fy > 0.0 {
            Ok(Self {
                fx,
                fy,
                cx,
                cy,
                principal_deviation: 0.0,
            })
        } else {
            Err(CoreError::invalid(
                "intrinsics",
                "finite fx, fy, cx, cy with fx > 0 and fy > 0 (pixels)",
                format!("fx={fx}, fy={fy}, cx={cx}, cy={cy}"),
            ))
        }
    }

    /// The same camera, but with a principal point that is known to within `deviation` pixels only.
    ///
    /// # Errors
    /// [`CoreError::Invalid`] if the deviation is negative or not finite.
    pub fn with_principal_deviation(self, deviation: f32) -> Result<Self> {
        if deviation.is_finite() && deviation >= 0.0 {
            Ok(Self {
                principal_deviation: deviation,
                ..self
            })
        } else {
            Err(CoreError::invalid(
                "intrinsics.principal_deviation_px",
                "a finite number of pixels, 0 or more",
                deviation.to_string(),
            ))
        }
    }

    /// Pixel (column, row) at which a point in front of the camera is seen.
    #[inline]
    #[must_use]
    pub fn project(&self, point: &nalgebra::Vector3<f32>) -> (f32, f32) {
        let inverse = 1.0 / point.z;
        (
            self.fx * point.x * inverse + self.cx,
            self.fy * point.y * inverse + self.cy,
        )
    }

    /// Point at depth `z_mm` that pixel (column, row) sees, millimetres.
    #[inline]
    #[must_use]
    pub fn unproject(&self, column: f32, row: f32, z_mm: f32) -> nalgebra::Vector3<f32> {
        nalgebra::Vector3::new(
            (column - self.cx) / self.fx * z_mm,
            (row - self.cy) / self.fy * z_mm,
            z_mm,
        )
    }

    /// Millimetres covered by one pixel at depth `z_mm`.
    #[must_use]
    pub fn pixel_mm(&self, z_mm: f32) -> f32 {
        z_mm / self.fx
    }
}

/// A rectangle of a frame's pixels, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// One past the last row.
    pub bottom: usize,
    /// One past the last column.
    pub right: usize,
}

/// Depth samples as the camera stores them, row by row.
#[derive(Debug, Clone, Copy)]
pub enum DepthSamples<'a> {
    /// Integer units; 0 means missing.
    U16(&'a [u16]),
    /// Float units; 0, negative, NaN and infinite mean missing.
    F32(&'a [f32]),
}

impl DepthSamples<'_> {
    fn len(&self) -> usize {
        match self {
            Self::U16(samples) => samples.len(),
            Self::F32(samples) => samples.len(),
        }
    }
}

/// A depth map with its unit.
#[derive(Debug, Clone, Copy)]
pub struct DepthView<'a> {
    samples: DepthSamples<'a>,
    width: usize,
    height: usize,
    mm_per_unit: f32,
    /// Pixels that were filled, not measured; `None` if all were measured.
    filled: Option<&'a Bits>,
}

impl<'a> DepthView<'a> {
    /// Checks length and unit.
    ///
    /// # Errors
    /// [`CoreError::Invalid`] if the samples do not fill `height` x `width` or the unit is not positive.
    pub fn new(
        samples: DepthSamples<'a>,
        height: usize,
        width: usize,
        unit_m: f32,
    ) -> Result<Self> {
        // Sides whose product overflows are those of no array.
        if height.checked_mul(width) != Some(samples.len()) {
            return Err(CoreError::invalid(
                "depth",
                format!("{height} x {width} samples"),
                format!("{} samples", samples.len()),
            ));
        }
        // Wider than any camera's, and such that a depth in units is finite.
        if !(1e-12..=1e30).contains(&unit_m) {
            return Err(CoreError::invalid(
                "depth_unit_m",
                "1e-12 to 1e30 metres per unit",
                unit_m.to_string(),
            ));
        }
        Ok(Self {
            samples,
            width,
            height,
            mm_per_unit: unit_m * 1000.0,
            filled: None,
        })
    }

    /// The samples of a map of (`height`, `width`) some of whose pixels were filled.
    pub(super) fn of_filled(
        samples: DepthSamples<'a>,
        (height, width): (usize, usize),
        mm_per_unit: f32,
        filled: &'a Bits,
    ) -> Self {
        Self {
            samples,
            width,
            height,
            mm_per_unit,
            filled: Some(filled),
        }
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The samples as the camera stores them, row by row.
    #[must_use]
    pub fn samples(&self) -> DepthSamples<'a> {
        self.samples
    }

    /// Pixels that were filled, not measured; `None` if all were measured.
    #[must_use]
    pub fn filled(&self) -> Option<&'a Bits> {
        self.filled
    }

    /// Millimetres per unit of the samples.
    #[must_use]
    pub fn mm_per_unit(&self) -> f32 {
        self.mm_per_unit
    }
}

/// The picture registered to a depth map.
#[derive(Debug, Clone, Copy)]
pub enum IntensityView<'a> {
    /// Active infrared, 8 bit: the light falls off with the square of the distance.
    InfraredU8(&'a [u8]),
    /// Active infrared, 16 bit.
    InfraredU16(&'a [u16]),
    /// Red, green, blue under ambient light, sRGB encoded.
    Color(&'a [u8]),
}

impl IntensityView<'_> {
    /// Checks that the picture covers `height` x `width` pixels.
    ///
    /// # Errors
    /// [`CoreError::Invalid`] naming the picture.
    pub fn check(&self, height: usize, width: usize) -> Result<()> {
        let (argument, per_pixel, len) = match self {
            Self::InfraredU8(samples) => ("infrared", 1, samples.len()),
            Self::InfraredU16(samples) => ("infrared", 1, samples.len()),
            Self::Color(samples) => ("color", 3, samples.len()),
        };
        let pixels = height.checked_mul(width);
        if pixels.and_then(|pixels| pixels.checked_mul(per_pixel)) == Some(len) {
            Ok(())
        } else {
            Err(CoreError::invalid(
                argument,
                format!("{height} x {width} pixels, registered to depth"),
                format!("{len} samples"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_whose_product_overflows_are_refused() {
        for (height, width) in [(usize::MAX, 2), (1 << 32, 1 << 32), (1 << 63, 2)] {
            assert!(DepthView::new(DepthSamples::U16(&[]), height, width, 0.001).is_err());
            assert!(IntensityView::Color(&[]).check(height, width).is_err());
        }
        assert!(IntensityView::Color(&[0; 2]).check(1 << 63, 3).is_err());
    }
}
