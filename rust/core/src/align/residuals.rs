//! Residuals: distances of the model's points to the surface that their rays meet, without hair and fringes.

use super::rays::{Intersections, Usable};
use crate::simd::{Kernel, LANES, Lanes, Loops};

/// Dark cells count as face up to this residual, millimetres; further in front of it they are hair.
const DARK_CUTOFF_MM: f32 = 5.0;
/// Above this line (face frame, y down) whatever stands in front of the model is a fringe, however bright.
const FOREHEAD_MM: f32 = -18.0;
/// At most this share of the points may be excused as covered by hair.
const MAX_COVERED: f32 = 0.5;

/// Residuals of all points.
#[derive(Debug, Default)]
pub(crate) struct Residuals {
    found: Vec<Residual>,
    /// Points with a residual.
    pub count: u32,
    /// Points that face the camera and are not covered by hair, with or without depth.
    pub facing: f32,
}

/// Residuals of eight points.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Residual {
    /// Millimetres along the normal, negative where the surface lies in front.
    pub mm: [f32; LANES],
    /// Upper limit of the cut-off of Tukey's weight. It is lower for dark cells, which must agree better with the
    /// model than bright ones, and 0 where there is no residual.
    limit: [f32; LANES],
}

impl Residuals {
    /// Measures the residuals of points at `heights` (y in the face frame), of which `facing` face the camera.
    pub fn measure(
        &mut self,
        met: &[Intersections],
        heights: &[[f32; LANES]],
        usable: &Usable,
        facing: u32,
    ) {
        self.found.resize(met.len(), Residual::default());
        let (count, covered) = Kernel::fastest().run(Measure {
            found: &mut self.found,
            met,
            heights,
            usable,
        });
        self.count = count;
        let facing = facing as f32;
        self.facing = facing - (covered as f32).min(MAX_COVERED * facing);
    }

    /// The residuals, eight by eight.
    pub fn eights(&self) -> &[Residual] {
        &self.found
    }

    /// The sum of Tukey's weights.
    pub fn weight(&self, cutoff: f32) -> f32 {
        let roots = self.found.iter().flat_map(|found| found.roots(cutoff));
        roots.map(|root| root * root).sum()
    }

    /// Residuals below a cut-off, in millimetres, of dark and bright cells.
    pub fn below(&self, cutoff: f32) -> impl Iterator<Item = f32> + '_ {
        self.found.iter().flat_map(move |found| {
            let measured = found.mm.iter().zip(&found.limit);
            measured
                .filter(move |&(mm, &limit)| limit > 0.0 && mm.abs() < cutoff)
                .map(|(mm, _)| *mm)
        })
    }
}

impl Residual {
    /// Roots of Tukey's weights.
    #[inline(always)]
    pub fn roots(&self, cutoff: f32) -> [f32; LANES] {
        std::array::from_fn(|k| {
            let limit = self.limit[k];
            let x = self.mm[k] / if limit < cutoff { limit } else { cutoff };
            if x.abs() < 1.0 { 1.0 - x * x } else { 0.0 }
        })
    }
}

struct Measure<'a> {
    found: &'a mut [Residual],
    met: &'a [Intersections],
    heights: &'a [[f32; LANES]],
    usable: &'a Usable<'a>,
}

impl Loops for Measure<'_> {
    type Output = (u32, u32);

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> (u32, u32) {
        let Usable {
            min_reflectance,
            dark_counts,
            ..
        } = *self.usable;
        let (mut used, mut covered) = ([0_u32; LANES], [0_u32; LANES]);
        for ((found, met), heights) in self.found.iter_mut().zip(self.met).zip(self.heights) {
            let mut residual = Residual::default();
            for k in 0..LANES {
                // n . (p - q) with q = p d / p.z on the same ray, and n . p = -along.
                let mm = met.along[k] * (met.surface[k] / met.z[k] - 1.0);
                let meets = met.light[k] >= 0.0;
                let dark = meets & (met.light[k] < min_reflectance);
                let fringe = (heights[k] < FOREHEAD_MM) & (mm < -DARK_CUTOFF_MM);
                let hidden = fringe | (dark & (!dark_counts | (mm.abs() > DARK_CUTOFF_MM)));
                covered[k] += u32::from(meets & hidden & (mm < DARK_CUTOFF_MM));
                let counts = meets & !hidden;
                used[k] += u32::from(counts);
                residual.mm[k] = mm;
                let reach = if dark { DARK_CUTOFF_MM } else { f32::INFINITY };
                residual.limit[k] = if counts { reach } else { 0.0 };
            }
            *found = residual;
        }
        (used.iter().sum(), covered.iter().sum())
    }
}
