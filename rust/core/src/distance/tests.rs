//! Every kernel against one float64 reference written to be read.

use std::io::Write;

use proptest::prelude::*;

use super::codes4::{self, QUAD};
use super::codes8::{BLOCK, Blocks, Found, Packing, STEP, STEP_BYTES, TILES};
use super::exact::ShortRuns;
use super::{DoubleRows, PackedRows, Rows, codes5, exact, score_error, squared_distance_error};
use crate::simd::{Backend, Kernel, Portable};

/// The score in float64, as the definition reads.
fn reference(query: &[f32], row: &[f32]) -> f64 {
    let products = query
        .iter()
        .zip(row)
        .map(|(q, x)| f64::from(*q) * f64::from(*x));
    products.sum()
}

/// Vectors of norm 1 within the tolerance, from any values that are not all tiny.
fn unit(values: &mut [f32], norm: f64) {
    if exact::squared_norm(values) < 1e-12 {
        values[0] = 1.0;
    }
    let scale = norm / exact::squared_norm(values).sqrt();
    for value in values {
        *value = (f64::from(*value) * scale) as f32;
    }
}

/// A xorshift generator: fills large arrays from a seed that shrinks well.
fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // A few values dominate, many are tiny: sums that lose something.
        let uniform = (state >> 40) as f32 / 8_388_608.0 - 1.0;
        uniform * uniform * uniform
    };
    (0..count).map(|_| next()).collect()
}

/// What the CPU lacks is said, past the capture of the test harness.
fn kernels() -> Vec<Kernel> {
    for backend in Backend::ALL {
        if Kernel::of(backend).is_none() {
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: no {} on this CPU",
                backend.name()
            );
        }
    }
    Kernel::available().collect()
}

/// Largest error of any score, over the bound; the input starts `offset` values into an allocation.
fn worst_error(
    kernel: Kernel,
    (dim, queries, rows): (usize, usize, usize),
    offset: usize,
    seed: u64,
    norms: (f64, f64),
) -> f64 {
    let mut query_values = noise(seed, offset + queries * dim);
    let mut row_values = noise(seed.wrapping_mul(31) ^ 0x55AA, offset + rows * dim);
    for query in query_values[offset..].chunks_exact_mut(dim) {
        unit(query, norms.0);
    }
    for row in row_values[offset..].chunks_exact_mut(dim) {
        unit(row, norms.1);
    }
    let (query_values, row_values) = (&query_values[offset..], &row_values[offset..]);
    let view = Rows {
        dim,
        values: row_values,
    };
    let mut scores = vec![f32::NAN; queries * rows];
    kernel.scores(query_values, view, &mut scores);

    let packed = PackedRows::new(view);
    let mut packed_scores = vec![f32::NAN; queries * packed.width()];
    kernel.packed_scores(query_values, &packed, &mut packed_scores);
    let backwards: Vec<u32> = (0..rows as u32).rev().collect();
    let mut scores_of = vec![f32::NAN; rows];

    let mut worst: f64 = 0.0;
    for (q, query) in query_values.chunks_exact(dim).enumerate() {
        kernel.scores_of(query, view, &backwards, &mut scores_of);
        for (r, row) in row_values.chunks_exact(dim).enumerate() {
            for score in [
                scores[q * rows + r],
                packed_scores[q * packed.width() + r],
                scores_of[rows - 1 - r],
            ] {
                let error = (f64::from(score) - reference(query, row)).abs();
                // A score that was never written is NaN: infinitely wrong.
                worst = worst.max(if error.is_nan() { f64::INFINITY } else { error });
            }
        }
    }
    worst / score_error(dim)
}

#[test]
fn every_length_tail_and_start_is_within_the_bound() {
    for kernel in kernels() {
        for dim in 1..=300 {
            let shape = (dim, 1 + dim % 7, 1 + dim % 19);
            let ratio = worst_error(kernel, shape, dim % 9, dim as u64, (1.0009, 0.9991));
            assert!(
                ratio <= 1.0,
                "{:?} at {shape:?}: {ratio} of the bound",
                kernel.backend()
            );
        }
    }
}

#[test]
fn every_number_of_queries_and_rows_is_scored() {
    for kernel in kernels() {
        for queries in [0, 1, 3, 4, 5, 6, 7, 15, 16, 17, 20, 21] {
            for rows in 0..=18 {
                let ratio = worst_error(kernel, (20, queries, rows), 1, 7, (1.0, 1.0));
                assert!(ratio <= 1.0, "{:?} at {queries} x {rows}", kernel.backend());
            }
        }
    }
}

#[test]
fn lengths_that_disagree_panic_instead_of_reading_beyond() {
    for kernel in kernels() {
        let view = Rows {
            dim: 8,
            values: &[0.0; 16],
        };
        for (queries, scores) in [(8, 1), (8, 3), (7, 2), (16, 2)] {
            let outcome = std::panic::catch_unwind(|| {
                kernel.scores(&vec![0.0; queries], view, &mut vec![0.0; scores]);
            });
            assert!(outcome.is_err(), "{queries} query values, {scores} scores");
        }
    }
}

#[test]
fn width_zero_panics() {
    for kernel in kernels() {
        let view = Rows {
            dim: 0,
            values: &[],
        };
        assert!(std::panic::catch_unwind(|| kernel.scores(&[], view, &mut [])).is_err());
    }
}

#[test]
fn values_too_small_for_normal_numbers_stay_within_the_bound() {
    // Products of 1e-30 vanish; the vectors are unit by their first value.
    for kernel in kernels() {
        let mut row = vec![1e-30_f32; 128];
        row[0] = 1.0;
        let view = Rows {
            dim: 128,
            values: &row,
        };
        let mut scores = [f32::NAN];
        kernel.scores(&row, view, &mut scores);
        let error = (f64::from(scores[0]) - reference(&row, &row)).abs();
        assert!(error <= score_error(128));
    }
}

#[test]
fn the_exact_distance_adds_in_the_documented_order() {
    // 1 + 127 tiny squares: eight running sums keep what a sequential sum would lose.
    let a = [1.0_f32].into_iter().chain([1e-8; 127]).collect::<Vec<_>>();
    let zero = vec![0.0; 128];
    let tiny = f64::from(1e-8_f32).powi(2);
    let lane = (1..16).fold(tiny, |sum, _| sum + tiny);
    let first = (0..15).fold(1.0, |sum, _| sum + tiny);
    let pairs = ((first + lane) + (lane + lane)) + ((lane + lane) + (lane + lane));
    assert_eq!(
        exact::distance(&a, &zero).to_bits(),
        f64::sqrt(pairs).to_bits()
    );
    assert!((exact::distance(&a[..1], &zero[..1]) - 1.0).abs() < f64::EPSILON);
}

/// Bytes of a xorshift generator.
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let values = noise(seed, count).into_iter();
    values.map(|value| (value * 1e6) as i64 as u8).collect()
}

proptest! {
    /// Extreme codes included: 16-bit sums of two products must not overflow.
    #[test]
    fn every_kernel_finds_the_first_block_that_reaches_a_limit(
        steps in 1_usize..=70,
        blocks in 1_usize..=4,
        seed in any::<u64>(),
        shift in 0_u32..=11,
        extreme in any::<bool>(),
        quantile in 0.0..1.0,
        packing in prop::sample::select(vec![Packing::Bits8, Packing::Bits5]),
    ) {
        let steps = packing.steps(steps * STEP);
        let mut codes = bytes(seed, blocks * packing.rows(steps) * STEP_BYTES);
        let allowances: Vec<u16> = bytes(!seed, blocks * BLOCK * 2)
            .chunks_exact(2)
            .map(|two| u16::from_ne_bytes([two[0], two[1]]))
            .collect();
        if extreme {
            codes.fill(255);
        }
        let view = Blocks { codes: &codes, packing, allowances: &allowances, shift, steps };
        // The code of a dimension of a reference, as the layout reads.
        let code = |block: usize, lane: usize, d: usize| {
            let (step, part) = (d / STEP, d % STEP);
            let byte = |row: usize| {
                let row = block * packing.rows(steps) + row;
                codes[row * STEP_BYTES + lane * STEP + part]
            };
            match packing {
                Packing::Bits8 => byte(step),
                Packing::Bits5 => {
                    let first = step / codes5::GROUP * codes5::PACKED;
                    let group = codes5::unpack(Portable, std::array::from_fn(|row| byte(first + row)));
                    group[step % codes5::GROUP]
                }
            }
        };
        for kernel in kernels() {
            let levels = kernel.backend().query_levels() as i8;
            for tile in TILES {
                let queries: Vec<i8> = bytes(seed ^ 1, tile * steps * STEP)
                    .into_iter()
                    .map(|b| if extreme { levels } else { b.cast_signed().clamp(-levels, levels) })
                    .collect();
                let packed: Vec<i32> = queries
                    .as_chunks::<STEP>()
                    .0
                    .iter()
                    .map(|step| i32::from_ne_bytes(step.map(i8::cast_unsigned)))
                    .collect();
                let sum = |block: usize, q: usize, lane: usize| {
                    let dot = (0..steps * STEP).map(|d| {
                        let query = queries[(d / STEP * tile + q) * STEP + d % STEP];
                        i32::from(code(block, lane, d)) * i32::from(query)
                    });
                    dot.sum::<i32>() + (i32::from(allowances[block * BLOCK + lane]) << shift)
                };
                let mut all: Vec<i32> = (0..blocks)
                    .flat_map(|b| (0..tile).flat_map(move |q| (0..BLOCK).map(move |l| (b, q, l))))
                    .map(|(b, q, l)| sum(b, q, l))
                    .collect();
                all.sort_unstable();
                let limit = all[(quantile * all.len() as f64) as usize];
                let limits = vec![limit; tile];
                let mut found = Found::default();
                let mut next = 0;
                for block in 0..blocks {
                    let expected: Vec<u32> = (0..tile)
                        .map(|q| (0..BLOCK).map(|l| u32::from(sum(block, q, l) >= limit) << l).sum())
                        .collect();
                    if expected.iter().all(|hits| *hits == 0) {
                        continue;
                    }
                    let hit = kernel.next_hit(view, next..blocks, &packed, &limits, &mut found);
                    prop_assert_eq!(hit, Some(block), "{:?}", kernel.backend());
                    prop_assert_eq!(&found.hits[..tile], &expected[..]);
                    for q in (0..tile).filter(|q| expected[*q] != 0) {
                        for lane in 0..BLOCK {
                            prop_assert_eq!(found.sums[q][lane], sum(block, q, lane));
                        }
                    }
                    next = block + 1;
                }
                let hit = kernel.next_hit(view, next..blocks, &packed, &limits, &mut found);
                prop_assert_eq!(hit, None);
            }
        }
    }

    /// Extreme codes included: 16-bit sums of four steps must not overflow.
    #[test]
    fn every_kernel_adds_up_nibbles(
        dim in 1_usize..=300,
        rows in 1_usize..=16,
        seed in any::<u64>(),
        extreme in any::<bool>(),
    ) {
        let row_codes: Vec<u8> = bytes(seed, rows * dim)
            .into_iter()
            .map(|b| if extreme { codes4::LEVELS } else { b & codes4::LEVELS })
            .collect();
        let query: Vec<i8> = bytes(!seed, dim)
            .into_iter()
            .map(|b| if extreme { 127 } else { b.cast_signed().max(-127) })
            .collect();
        let steps = codes4::steps(dim);
        let quads = rows.div_ceil(QUAD);
        let mut codes = vec![0; quads * steps * codes4::BYTES];
        for (row, row_codes) in row_codes.chunks_exact(dim).enumerate() {
            for (d, code) in row_codes.iter().enumerate() {
                codes4::write(&mut codes, steps, row, d, *code);
            }
        }
        let mut laid_out = Vec::new();
        codes4::lay_out(&query, &mut laid_out);
        for kernel in kernels() {
            let mut sums = vec![[-1; QUAD]; quads];
            kernel.code4_sums(&codes, &laid_out, &mut sums);
            for (row, row_codes) in row_codes.chunks_exact(dim).enumerate() {
                let pairs = row_codes.iter().zip(&query);
                let dot: i32 = pairs.map(|(c, q)| i32::from(*c) * i32::from(*q)).sum();
                prop_assert_eq!(sums[row / QUAD][row % QUAD], dot, "{:?}", kernel.backend());
            }
        }
    }

    #[test]
    fn any_shape_start_and_norm_is_within_the_bound(
        dim in 1_usize..=300,
        queries in 0_usize..=8,
        rows in 0_usize..=40,
        offset in 0_usize..16,
        seed in any::<u64>(),
        norms in (0.9991..1.0009, 0.9991..1.0009),
    ) {
        for kernel in kernels() {
            let ratio = worst_error(kernel, (dim, queries, rows), offset, seed, norms);
            prop_assert!(ratio <= 1.0, "{:?}: {ratio} of the bound", kernel.backend());
        }
    }

    #[test]
    fn the_exact_distance_agrees_with_a_plain_sum(dim in 1_usize..=700, seed in any::<u64>()) {
        let (a, b) = (noise(seed, dim), noise(!seed, dim));
        for kernel in kernels() {
            prop_assert_eq!(kernel.distance(&a, &b).to_bits(), exact::distance(&a, &b).to_bits());
        }
        for kernel in kernels() {
            for apart in [1.0, 1e-4, 0.0] {
                // Near each other, distances have as few bits as their terms.
                let b: Vec<f32> = a.iter().zip(&b).map(|(x, y)| x + apart * y).collect();
                let rounded = exact::distance(&a, &b) as f32;
                prop_assert_eq!(kernel.rounded_distance(&a, &b).to_bits(), rounded.to_bits());
            }
        }
        let others = [3, 5, 7, 9].map(|other| noise(seed ^ other, dim));
        for kernel in kernels() {
            let distances = kernel.distances(&a, others.each_ref().map(|b| &b[..]));
            let squares = kernel.squared_norms(others.each_ref().map(|b| &b[..]));
            for (i, other) in others.iter().enumerate() {
                prop_assert_eq!(distances[i].to_bits(), exact::distance(&a, other).to_bits());
                prop_assert_eq!(squares[i].to_bits(), exact::squared_norm(other).to_bits());
            }
        }
        let plain: f64 = a.iter().zip(&b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
        let error = (exact::distance(&a, &b) - plain.sqrt()).abs();
        prop_assert!(error <= 1e-12 * plain.sqrt());
    }
}

/// Half-way between two float32 numbers, the last bits of float64 decide: a distance that is summed in another
/// order, and rounded without a look at how near that is, is another number for some of these.
#[test]
fn distances_between_two_float32_numbers_are_rounded_as_those_that_decide() {
    let mut differ = 0;
    for (seed, dim) in (0..4000).zip([24, 130, 512].into_iter().cycle()) {
        // All of the distance but 2⁻²⁴ of it, give or take what only float64 sees, is in one term.
        let (mut a, b) = (noise(seed, dim), vec![0.0; dim]);
        for value in &mut a[1..] {
            *value *= 1e-8;
        }
        a[0] = 1.0;
        let rest = exact::squared_norm(&a[1..]);
        let half = 2.0_f64.powi(-24);
        a[1] = f64::sqrt((1.0 + half).powi(2) - 1.0 - rest) as f32;
        let missing = (1.0 + half).powi(2) - exact::squared_norm(&a);
        a[2] += (missing / 2.0 / f64::from(a[2])) as f32;
        let distance = exact::distance(&a, &b);
        for kernel in kernels() {
            let rounded = kernel.rounded_distance(&a, &b);
            assert_eq!(rounded.to_bits(), (distance as f32).to_bits(), "{dim}");
        }
        let forwards: f64 = a.iter().map(|x| f64::from(*x).powi(2)).sum();
        let rounded = forwards.sqrt() as f32;
        differ += u32::from(rounded.to_bits() != (distance as f32).to_bits());
    }
    assert!(differ > 0, "the order of addition makes a difference");
}

#[test]
fn squared_distances_row_are_the_same_bits_everywhere() {
    for dim in [1, 4, 7, 8, 20, 128, 132, 135, 512, 2047, 2048] {
        for count in [0, 1, 7, 8, 9, 16, 17, 33] {
            for queries in [0, 1, 4, 7, 8, 9, 19] {
                let values = noise(dim as u64 + 9, count * dim);
                let rows = Rows {
                    dim,
                    values: &values,
                };
                // Backwards: any order.
                let order: Vec<u32> = (0..count as u32).rev().collect();
                let queries = noise(71, queries * dim);
                for kernel in kernels() {
                    let rows = DoubleRows::new(kernel, rows, &order);
                    let width = rows.width();
                    let mut squares = vec![f64::NAN; queries.len() / dim * width];
                    kernel.squared_distances(&queries, &rows, &mut squares);
                    // Of no rows, none.
                    let found = squares.chunks_exact(width.max(1));
                    for (query, found) in queries.chunks_exact(dim).zip(found) {
                        for (row, found) in order.iter().zip(found) {
                            let row = &values[*row as usize * dim..][..dim];
                            let norms = Portable.squared_norm(query) + exact::squared_norm(row);
                            let wanted = norms - 2.0 * reference(query, row);
                            assert_eq!(found.to_bits(), wanted.to_bits(), "{dim} {count}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn lengths_of_queries_and_laid_out_rows_that_disagree_panic() {
    for kernel in kernels() {
        let values = [0.0; 8 * 9];
        let view = Rows {
            dim: 8,
            values: &values,
        };
        let order: Vec<u32> = (0..9).collect();
        let (packed, doubles) = (PackedRows::new(view), DoubleRows::new(kernel, view, &order));
        for (queries, scores) in [(8, 15), (8, 17), (7, 16), (16, 16)] {
            let queries = vec![0.0; queries];
            let outcome = std::panic::catch_unwind(|| {
                kernel.squared_distances(&queries, &doubles, &mut vec![0.0; scores]);
            });
            assert!(outcome.is_err(), "{} and {scores}", queries.len());
            let outcome = std::panic::catch_unwind(|| {
                kernel.packed_scores(&queries, &packed, &mut vec![0.0; scores]);
            });
            assert!(outcome.is_err(), "{} and {scores}", queries.len());
        }
    }
}

/// The sum of squares whose root decides, and what products say of it.
fn squared_distances(query: &[f32], row: &[f32]) -> (f64, f64) {
    let values = Rows {
        dim: row.len(),
        values: row,
    };
    let kernel = Kernel::fastest();
    let rows = DoubleRows::new(kernel, values, &[0]);
    let mut squares = vec![0.0; rows.width()];
    kernel.squared_distances(query, &rows, &mut squares);
    (exact::squared_distance(Portable, query, row), squares[0])
}

#[test]
fn squared_distances_from_products_are_within_the_bound() {
    let mut worst: f64 = 0.0;
    for dim in 1..=300 {
        for (seed, norms, apart) in [
            (1, (1.0009, 0.9991), 1.0),
            (2, (1.0009, 1.0009), -1.0),
            (3, (1.0, 1.0), 1e-3),
            (4, (1.0009, 1.0009), 1e-6),
            (5, (0.9991, 1.0), 0.0),
        ] {
            let mut query = noise(seed * 1000 + dim as u64, dim);
            let mut row = noise(seed * 7777 + dim as u64, dim);
            for (x, q) in row.iter_mut().zip(&query) {
                *x = if apart < 0.0 { -q } else { q + apart * *x };
            }
            unit(&mut query, norms.0);
            unit(&mut row, norms.1);
            let (exact, found) = squared_distances(&query, &row);
            worst = worst.max((exact - found).abs() / squared_distance_error(dim));
        }
    }
    // Far within, since errors cancel each other; but no number of another kind.
    assert!(worst <= 0.5 && worst > 1e-4, "{worst}");
}
