//! Cues that tell an aligned face from a picture of one, flat or bent, by its depth.
//!
//! All are measured on the maps that the tensor is made of, within 50 mm of the middle of the face.

use std::sync::LazyLock;

use nalgebra::{SMatrix, SVector};

use super::frontal_map::Maps;
use super::grid::{CELLS, GRID_HEIGHT, GRID_LEFT_MM, GRID_STEP_MM, GRID_TOP_MM, GRID_WIDTH};
use crate::simd::{Kernel, Lanes, Loops};

/// Radius of the disc that is measured, and how far its middle lies below the eye line, millimetres.
const RADIUS_MM: f32 = 50.0;
const MIDDLE_MM: f32 = 20.0;
/// With fewer cells no cue is measured.
const MIN_CELLS: usize = 200;
/// Median of the absolute five-point Laplacian of white noise of deviation 1.
const LAPLACIAN_MEDIAN: f32 = 3.016;
/// Terms of a plane and of a quadric: 1, x, y, x^2, x y, y^2.
const PLANE: usize = 3;
const QUADRIC: usize = 6;

/// Cues that tell a face from a picture of one. All are 0 where there is too little depth, so that doubt counts
/// against the face.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cues {
    /// Root mean square distance of the depth from its best plane, millimetres: 0 for flat pictures.
    pub relief_mm: f32,
    /// The same from its best quadric (six terms): 0 for pictures bent round cylinders too.
    pub curved_relief_mm: f32,
    /// Correlation of the residuals of depth and of the mean face from their best quadrics, -1 to 1: high where nose,
    /// eye sockets and cheeks are where they should be.
    pub agreement: f32,
    /// Regression of these residuals on those of the mean face: about 1 for a face.
    pub structure: f32,
    /// Share of the cells whose depth was measured, 0 to 1.
    pub valid_share: f32,
    /// Standard deviation of noise in the depth, estimated from the difference to the mean of four neighbours,
    /// millimetres.
    pub noise_mm: f32,
    /// Root mean square of the normalised picture (the tensor's second channel).
    pub contrast: f32,
}

impl Cues {
    /// Measures all cues.
    ///
    /// `tensor` is made of the `maps`; `template` is the depth of the mean face on the grid.
    #[must_use]
    pub fn of(maps: &Maps, tensor: &[f32], template: &[f32]) -> Self {
        let disc = &*DISC;
        let cells: Vec<Cell> = disc
            .iter()
            .filter(|&&(at, ..)| maps.valid[at])
            .map(|&(at, x, y)| Cell {
                x,
                y,
                depth: maps.depth[at],
                template: template[at],
                light: tensor[CELLS + at],
            })
            .collect();
        if cells.len() < MIN_CELLS {
            return Self::default();
        }
        let Some(residuals) = Residuals::of(&cells) else {
            return Self::default();
        };
        let squares: f32 = cells.iter().map(|cell| cell.light * cell.light).sum();
        let count = cells.len() as f32;
        let filled: f32 = maps.filled_within(disc.iter().map(|&(at, ..)| at));
        Self {
            relief_mm: residuals.relief_mm,
            curved_relief_mm: residuals.curved_relief_mm,
            agreement: residuals.agreement,
            structure: residuals.structure,
            valid_share: (count - filled) / disc.len() as f32,
            noise_mm: noise(maps, disc).unwrap_or(0.0),
            contrast: (squares / count).sqrt(),
        }
    }
}

/// A cell of the disc.
struct Cell {
    /// Place in units of the disc's radius.
    x: f32,
    y: f32,
    depth: f32,
    template: f32,
    light: f32,
}

impl Cell {
    /// The terms of a quadric.
    #[inline(always)]
    fn terms(&self) -> [f32; QUADRIC] {
        let Self { x, y, .. } = *self;
        [1.0, x, y, x * x, x * y, y * y]
    }
}

/// Cells within the disc: index, and place in units of its radius.
static DISC: LazyLock<Vec<(usize, f32, f32)>> = LazyLock::new(|| {
    let mut cells = Vec::with_capacity(CELLS);
    for row in 0..GRID_HEIGHT {
        for column in 0..GRID_WIDTH {
            let x = (GRID_LEFT_MM + (column as f32 + 0.5) * GRID_STEP_MM) / RADIUS_MM;
            let y = (GRID_TOP_MM + (row as f32 + 0.5) * GRID_STEP_MM - MIDDLE_MM) / RADIUS_MM;
            if x * x + y * y < 1.0 {
                cells.push((row * GRID_WIDTH + column, x, y));
            }
        }
    }
    cells
});

struct Residuals {
    relief_mm: f32,
    curved_relief_mm: f32,
    agreement: f32,
    structure: f32,
}

impl Residuals {
    /// Residuals of depth from a plane and a quadric, and of the template from a quadric.
    fn of(cells: &[Cell]) -> Option<Self> {
        // Relative to the mean depth: squares of hundreds of millimetres would drown those of one.
        let count = cells.len() as f32;
        let mean = cells.iter().map(|cell| cell.depth).sum::<f32>() / count;
        let Moments { products, right } = Kernel::fastest().run(Measure { cells, mean });
        let moments = SMatrix::<f64, QUADRIC, QUADRIC>::from_fn(|row, column| {
            products[row.max(column)][row.min(column)]
        });
        let right = SMatrix::<f64, QUADRIC, 2>::from_fn(|row, k| right[k][row]);
        let flat = moments
            .fixed_view::<PLANE, PLANE>(0, 0)
            .into_owned()
            .cholesky()?
            .solve(&right.fixed_view::<PLANE, 1>(0, 0).into_owned())
            .cast::<f32>();
        let bent = moments.cholesky()?.solve(&right).cast::<f32>();
        let (mut from_plane, mut own, mut both, mut face) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
        for cell in cells {
            let terms = SVector::from(cell.terms());
            let z = cell.depth - mean;
            from_plane += (z - terms.fixed_rows::<PLANE>(0).dot(&flat)).powi(2);
            let mine = z - terms.dot(&bent.column(0));
            let models = cell.template - terms.dot(&bent.column(1));
            own += mine * mine;
            both += mine * models;
            face += models * models;
        }
        let product = (own * face).sqrt();
        let found = Self {
            relief_mm: (from_plane / count).sqrt(),
            curved_relief_mm: (own / count).sqrt(),
            agreement: if product > 0.0 { both / product } else { 0.0 },
            structure: if face > 0.0 { both / face } else { 0.0 },
        };
        [
            found.relief_mm,
            found.curved_relief_mm,
            found.agreement,
            found.structure,
        ]
        .iter()
        .all(|figure| figure.is_finite())
        .then_some(found)
    }
}

/// Sums over the cells: of products of all terms, and of each term with depth and with the template.
struct Moments {
    /// The lower triangle.
    products: [[f64; QUADRIC]; QUADRIC],
    right: [[f64; QUADRIC]; 2],
}

struct Measure<'a> {
    cells: &'a [Cell],
    mean: f32,
}

impl Loops for Measure<'_> {
    type Output = Moments;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> Moments {
        let mut sums = Moments {
            products: [[0.0; QUADRIC]; QUADRIC],
            right: [[0.0; QUADRIC]; 2],
        };
        for cell in self.cells {
            let terms = cell.terms().map(f64::from);
            for (term, sums) in terms.iter().zip(&mut sums.products) {
                for (sum, other) in sums.iter_mut().zip(&terms) {
                    *sum += term * other;
                }
            }
            let sides = [cell.depth - self.mean, cell.template].map(f64::from);
            for (side, sums) in sides.iter().zip(&mut sums.right) {
                for (sum, term) in sums.iter_mut().zip(&terms) {
                    *sum += side * term;
                }
            }
        }
        sums
    }
}

/// Standard deviation of noise, from the difference of cells to the mean of their four neighbours.
fn noise(maps: &Maps, disc: &[(usize, f32, f32)]) -> Option<f32> {
    let mut unrest: Vec<f32> = disc
        .iter()
        .filter_map(|&(at, ..)| {
            // The disc does not reach the grid's edge.
            let around = [at - GRID_WIDTH, at + GRID_WIDTH, at - 1, at + 1];
            (maps.valid[at] && around.iter().all(|&near| maps.valid[near])).then(|| {
                let sum: f32 = around.iter().map(|&near| maps.depth[near]).sum();
                (4.0 * maps.depth[at] - sum).abs()
            })
        })
        .collect();
    if unrest.len() < MIN_CELLS {
        return None;
    }
    let middle = unrest.len() / 2;
    let median = *unrest.select_nth_unstable_by(middle, f32::total_cmp).1;
    Some(median / LAPLACIAN_MEDIAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Maps of one surface, seen everywhere; `z` is given x and y in millimetres.
    fn surface(z: impl Fn(f32, f32) -> f32) -> Maps {
        let depth = (0..CELLS)
            .map(|at| {
                let x = GRID_LEFT_MM + ((at % GRID_WIDTH) as f32 + 0.5) * GRID_STEP_MM;
                let y = GRID_TOP_MM + ((at / GRID_WIDTH) as f32 + 0.5) * GRID_STEP_MM;
                z(x, y)
            })
            .collect();
        Maps {
            depth,
            light: vec![vec![0.0; CELLS]],
            valid: vec![true; CELLS],
            filled: vec![],
        }
    }

    /// Something with a nose and two eye sockets.
    fn face(x: f32, y: f32) -> f32 {
        let bump =
            |cx: f32, cy: f32, size: f32| (-((x - cx).powi(2) + (y - cy).powi(2)) / size).exp();
        (x * x + y * y) / 300.0 - 18.0 * bump(0.0, 35.0, 200.0)
            + 6.0 * (bump(-32.0, 2.0, 150.0) + bump(32.0, 2.0, 150.0))
    }

    fn cues(maps: &Maps) -> Cues {
        Cues::of(
            maps,
            &maps.tensor(&surface(face).depth),
            &surface(face).depth,
        )
    }

    #[test]
    fn a_face_agrees_with_itself() {
        let found = cues(&surface(|x, y| face(x, y) + 400.0 + 0.2 * x));
        assert!((found.agreement - 1.0).abs() < 1e-4, "{found:?}");
        assert!((found.structure - 1.0).abs() < 1e-4, "{found:?}");
        assert!(found.curved_relief_mm > 2.0 && found.relief_mm > found.curved_relief_mm);
        assert!((found.valid_share - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_plane_has_no_relief_and_a_cylinder_no_curved_one() {
        let flat = cues(&surface(|x, y| 0.3 * x - 0.1 * y + 20.0));
        assert!(
            flat.relief_mm < 1e-3 && flat.curved_relief_mm < 1e-3,
            "{flat:?}"
        );
        for radius in [60.0_f32, 100.0, 300.0] {
            let bent = cues(&surface(|x, _| {
                radius - (radius * radius - x.clamp(-55.0, 55.0).powi(2)).sqrt()
            }));
            assert!(bent.curved_relief_mm < 1.0, "{radius} {bent:?}");
            assert!(bent.structure.abs() < 0.1, "{radius} {bent:?}");
        }
    }

    #[test]
    fn a_hollow_face_disagrees() {
        let found = cues(&surface(|x, y| -face(x, y)));
        assert!(
            found.agreement < -0.99 && found.structure < -0.99,
            "{found:?}"
        );
    }

    #[test]
    fn without_depth_there_is_nothing() {
        let mut maps = surface(face);
        maps.valid.fill(false);
        assert_eq!(cues(&maps), Cues::default());
        maps = surface(|_, _| f32::NAN);
        assert_eq!(cues(&maps), Cues::default());
    }

    #[test]
    fn noise_is_measured() {
        let mut state = 1_u32;
        let mut draw = || {
            // Sum of four uniform numbers, scaled to a deviation of 1.
            (0..4)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / 16_777_216.0 - 0.5
                })
                .sum::<f32>()
                * 3.0_f32.sqrt()
        };
        let mut maps = surface(|x, _| 0.4 * x);
        for z in &mut maps.depth {
            *z += 0.7 * draw();
        }
        let found = cues(&maps);
        assert!((found.noise_mm - 0.7).abs() < 0.07, "{found:?}");
    }
}
