//! From float32 scores to the float64 distances that decide.

use super::hits::Hit;
use crate::distance::score_error;
use crate::gallery::rows::References;
use crate::simd::Kernel;

/// Rows that are scored together: few people have more.
const TOGETHER: usize = 32;
/// Up to so many scores, the k-th highest is found by counting.
pub(in crate::gallery) const COUNTED: usize = 32;

/// Distance of a query to the nearest of some rows, of which there must be one.
pub(in crate::gallery) fn distance_to_nearest(
    kernel: Kernel,
    references: &References,
    rows: &[u32],
    query: &[f32],
) -> f64 {
    let margin = 2.0 * score_error(references.dim()) + references.spread();
    let mut least = f32::NEG_INFINITY;
    let mut nearest = f64::INFINITY;
    for chunk in rows.chunks(TOGETHER) {
        let mut scores = [0.0; TOGETHER];
        let scores = &mut scores[..chunk.len()];
        kernel.scores_of(query, references.rows(), chunk, scores);
        least = least.max(rounded_down(f64::from(highest(scores)) - margin));
        for (row, score) in chunk.iter().zip(scores) {
            if *score >= least {
                nearest = nearest.min(kernel.distance(query, references.vector(*row)));
            }
        }
    }
    nearest
}

/// Compute the float64 distances of rows and hand each over as a hit.
pub(in crate::gallery) fn exact_hits(
    kernel: Kernel,
    query: &[f32],
    references: &References,
    rows: impl Iterator<Item = u32>,
    mut offer: impl FnMut(Hit),
) {
    let mut offer = |row, distance| {
        let index = references.index(row);
        offer(Hit {
            distance,
            index,
            row,
        });
    };
    let mut four = [0; 4];
    let mut waiting = 0;
    for row in rows {
        four[waiting] = row;
        waiting += 1;
        if waiting == four.len() {
            let distances = kernel.distances(query, four.map(|row| references.vector(row)));
            for (row, distance) in four.into_iter().zip(distances) {
                offer(row, distance);
            }
            waiting = 0;
        }
    }
    if waiting < 2 {
        for row in &four[..waiting] {
            offer(*row, kernel.distance(query, references.vector(*row)));
        }
        return;
    }
    // Four together take less time than two by themselves; one stands in for those that are missing.
    let first = four[0];
    four[waiting..].fill(first);
    let distances = kernel.distances(query, four.map(|row| references.vector(row)));
    for (row, distance) in four.into_iter().zip(distances).take(waiting) {
        offer(row, distance);
    }
}

/// The highest score; written for eight at a time, so that it compiles to vector instructions.
#[inline(always)]
pub(in crate::gallery) fn highest(scores: &[f32]) -> f32 {
    let (eights, rest) = scores.as_chunks::<8>();
    let mut best = [f32::NEG_INFINITY; 8];
    for eight in eights {
        for i in 0..8 {
            best[i] = if eight[i] > best[i] {
                eight[i]
            } else {
                best[i]
            };
        }
    }
    best.iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

/// The k-th highest of more than k scores, of at most [`COUNTED`].
///
/// Compiles to vector instructions without branches that the CPU would guess wrong.
pub(in crate::gallery) fn kth_highest(k: usize, scores: impl Iterator<Item = f32> + Clone) -> f32 {
    let mut all = [f32::NEG_INFINITY; COUNTED];
    for (one, score) in all.iter_mut().zip(scores.clone()) {
        *one = score;
    }
    let mut kth = f32::INFINITY;
    for score in scores {
        let better: u32 = all.iter().map(|other| u32::from(*other > score)).sum();
        if (better as usize) < k && score < kth {
            kth = score;
        }
    }
    kth
}

/// The largest float32 number that is not above a float64 number.
pub(in crate::gallery) fn rounded_down(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) > value {
        nearest.next_down()
    } else {
        nearest
    }
}
