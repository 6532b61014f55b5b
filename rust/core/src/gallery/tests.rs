//! Search against brute force in float64, on every kernel, and what must be refused.

use std::sync::Arc;

use proptest::prelude::*;

use super::codes::residuals::FineQuery;
use super::codes::table::{CodeTable, Member};
use super::rows::References;
use super::search::code_scan::CodeScan;
use super::search::exact_distances::{COUNTED, kth_highest};
use super::search::hits::Wanted;
use super::{Bytes, Gallery, MAX_COUNT, Matches, check_name_length};
use crate::CoreError;
use crate::distance::codes8::{BLOCK, Found, Packing};
use crate::distance::exact;
use crate::gallery::unit_vectors::UnitVectors;
use crate::simd::Kernel;

/// Vectors on a coarse grid, so that copies and ties are common, with norms as far from 1 as is
/// allowed; equal cells give equal vectors.
fn coarse(dim: usize, cells: &[i8]) -> UnitVectors {
    let mut values: Vec<f32> = cells.iter().map(|&cell| f32::from(cell)).collect();
    for vector in values.chunks_exact_mut(dim) {
        if vector.iter().all(|&v| v == 0.0) {
            vector[0] = 1.0;
        }
        let checksum: f32 = vector
            .iter()
            .zip(1_u8..)
            .map(|(v, i)| v * f32::from(i))
            .sum();
        let norm = exact::squared_norm(vector).sqrt() * (1.0 + 9e-4 * f64::from(checksum).sin());
        for value in vector {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
    UnitVectors::new("vectors", dim, values).expect("they are unit vectors")
}

fn one_hot(dim: usize, at: usize) -> UnitVectors {
    let mut values = vec![0.0; dim];
    values[at] = 1.0;
    UnitVectors::new("vectors", dim, values).expect("a unit vector")
}

/// Sorted (distance, row) of one query against all rows.
fn brute_force(query: &[f32], rows: &UnitVectors) -> Vec<(f64, usize)> {
    let vectors = rows.values().chunks_exact(rows.dim());
    let mut all: Vec<(f64, usize)> = vectors
        .map(|row| exact::distance(query, row))
        .zip(0..)
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

fn row(matches: &Matches, query: usize, k: usize) -> Vec<(f32, i64)> {
    let range = query * k..(query + 1) * k;
    let index = matches.index[range.clone()].iter().copied();
    matches.distance[range].iter().copied().zip(index).collect()
}

fn numbered(found: &[(f64, usize)]) -> Vec<(f32, i64)> {
    found.iter().map(|&(d, i)| (d as f32, i as i64)).collect()
}

proptest! {
    #[test]
    fn searches_equal_brute_force(
        dim in 1_usize..=40,
        cells in prop::collection::vec(-1_i8..=1, 0..3000),
        queries in prop::collection::vec(-1_i8..=1, 0..200),
        k in 1_usize..=40,
        threshold in prop_oneof![0.0..2.1, Just(0.0), Just(2_f64.sqrt())],
    ) {
        let rows = coarse(dim, &cells[..cells.len() / dim * dim]);
        let queries = coarse(dim, &queries[..queries.len() / dim * dim]);
        let names: Vec<String> = (0..rows.len()).map(|i| (i % 5).to_string()).collect();
        for kernel in Kernel::available() {
            let mut gallery = Gallery::on(kernel, dim).expect("a width in range");
            gallery.extend(rows.clone(), &names).expect("one name each");
            let nearest = gallery.nearest(&queries, k, None).expect("valid");
            let best = gallery.best_identity(&queries, Some(threshold), None).expect("valid");
            let (within, offsets) = gallery.within(&queries, threshold, None).expect("valid");
            for (q, query) in queries.values().chunks_exact(dim).enumerate() {
                let expected = brute_force(query, &rows);
                let mut padded = numbered(&expected[..k.min(expected.len())]);
                padded.resize(k, (f32::INFINITY, -1));
                prop_assert_eq!(row(&nearest, q, k), padded);

                let close: Vec<_> = expected.iter().copied().filter(|e| e.0 <= threshold).collect();
                let (from, to) = (offsets[q] as usize, offsets[q + 1] as usize);
                let index = within.index[from..to].iter().copied();
                let found: Vec<_> = within.distance[from..to].iter().copied().zip(index).collect();
                prop_assert_eq!(found, numbered(&close));

                let first = close.first().map_or((f32::INFINITY, -1), |&(d, i)| (d as f32, i as i64));
                prop_assert_eq!((best.distance[q], best.index[q]), first);
                prop_assert_eq!(best.identity[q], if first.1 < 0 { -1 } else { first.1 % 5 });

                let single = UnitVectors::new("query", dim, query.to_vec()).expect("checked before");
                for name in 0..5.min(rows.len()) {
                    let nearest = expected.iter().find(|e| e.1 % 5 == name).expect("it has rows");
                    let distance = gallery.distance_to(&name.to_string(), &single).expect("known");
                    prop_assert_eq!(distance.to_bits(), nearest.0.to_bits());
                }
            }
        }
    }

    /// Whatever a table's codes come to, they never put an entry below what one of its rows scores, and
    /// never promise more than its best row keeps.
    #[test]
    fn bounds_hold(
        dim in prop::sample::select(vec![4_usize, 7, 128, 300]),
        seed in any::<u64>(),
        noise in prop::sample::select(vec![0.0_f32, 0.02, 0.2, 0.6, 5.0]),
        outliers in any::<bool>(),
        members in 1_usize..=16,
        packing in prop::sample::select(vec![Packing::Bits8, Packing::Bits5]),
    ) {
        let people = 200 / members;
        let mut values = Vec::new();
        for person in 0..people as u64 {
            let centre = gaussian(person + 1, dim);
            for value in gaussian(seed ^ person, dim * members).chunks_exact(dim) {
                values.extend(value.iter().zip(&centre).map(|(v, c)| c + noise * v));
            }
        }
        if outliers {
            // Values that the codes do not reach.
            for row in values.chunks_exact_mut(dim).step_by(7) {
                row.fill(0.0);
                row[0] = 1.0;
            }
        }
        let rows = scaled(dim, values);
        let mut queries = scaled(dim, gaussian(!seed, 6 * dim)).into_values();
        queries.extend(&rows.values()[..2 * dim]);
        queries.extend(one_hot(dim, 0).values());
        for kernel in Kernel::available() {
            let mut references = References::new(dim);
            let owners: Vec<u32> = (0..rows.len()).map(|i| (i / members) as u32).collect();
            let squares = rows.squared_norms().iter();
            let spread = squares.fold(0.0_f64, |spread, s| spread.max((s - 1.0).abs()));
            references.append(rows.values().to_vec(), 0..rows.len() as i64, &owners, spread);
            let mut table = CodeTable::new(kernel, &references, packing, true);
            for person in 0..people {
                let theirs: Vec<u32> = (person * members..(person + 1) * members).map(|r| r as u32).collect();
                table.insert(&mut references, &theirs, 0);
            }
            let view = table.blocks();
            let mut found = Found::default();
            let mut fine = FineQuery::new(kernel);
            for query in queries.chunks_exact(dim) {
                fine.clear();
                let mut codes = vec![0; view.steps];
                let coded = table.code(query, spread, &mut codes, 1, &mut Vec::new());
                for block in 0..view.len() {
                    let hit = kernel.next_hit(view, block..block + 1, &codes, &[i32::MIN], &mut found);
                    prop_assert_eq!(hit, Some(block));
                    for entry in (block * BLOCK..table.len()).take(BLOCK) {
                        let sum = found.sums[0][entry % BLOCK];
                        let scores = table.rows_of(entry as u32).iter().map(|row| {
                            let pairs = query.iter().zip(references.vector(*row));
                            pairs.map(|(q, x)| f64::from(*q) * f64::from(*x)).sum::<f64>()
                        });
                        let scores: Vec<f64> = scores.collect();
                        if let Member::Group(group) = table.member(entry as u32) {
                            let of_code = coded.upper_bound(table.sum_of_code(entry as u32, sum));
                            let upper_bounds = fine.upper_bounds(query, &group.residuals, of_code);
                            for (score, upper_bound) in scores.iter().zip(upper_bounds) {
                                prop_assert!(*score <= upper_bound, "{:?}", kernel.backend());
                            }
                        }
                        let best = scores.into_iter().fold(f64::NEG_INFINITY, f64::max);
                        prop_assert!(coded.limit(best) <= sum, "{:?}", kernel.backend());
                        let promised = coded.limit_from(table.lower_bound(entry, sum));
                        prop_assert!(promised <= coded.limit(best - spread), "{:?}", kernel.backend());
                    }
                }
            }
        }
    }

    #[test]
    fn any_sequence_of_changes_leaves_searches_exact(
        dim in prop::sample::select(vec![3_usize, 8, 33, 64, 128, 130]),
        changes in prop::collection::vec(change(), 1..40),
        seed in any::<u64>(),
        k in 1_usize..=40,
        threads in 1_usize..=3,
        threshold in 0.0..1.6,
        groups_from in prop::sample::select(vec![0_usize, 300, usize::MAX]),
        bits5_from in prop::sample::select(vec![0_usize, usize::MAX]),
    ) {
        for kernel in Kernel::available() {
            let mut pair = Pair::new(kernel, dim);
            pair.gallery.groups_from = groups_from;
            pair.gallery.bits5_from = bits5_from;
            pair.gallery.worth_a_thread_us = 0;
            for (i, change) in changes.iter().enumerate() {
                pair.apply(*change, seed.wrapping_add(i as u64));
            }
            pair.check(&pair.queries(seed), k, threshold, threads)?;

            let bytes = pair.gallery.to_bytes();
            let queries = pair.queries(seed);
            pair.gallery = Gallery::mapped(kernel, &bytes_of(&bytes)).expect("as written");
            pair.check(&queries, k, threshold, threads)?;
            pair.gallery = Gallery::from_bytes(kernel, &bytes).expect("as written");
            prop_assert!(pair.gallery.to_bytes() == bytes);
            pair.gallery.groups_from = groups_from;
            pair.gallery.bits5_from = bits5_from;
            pair.gallery.worth_a_thread_us = 0;
            pair.apply(changes[0], seed);
            pair.check(&queries, k, threshold, threads)?;
        }
    }

    #[test]
    fn damaged_bytes_are_refused(at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let mut gallery = Gallery::new(4).expect("a width in range");
        gallery.add("ada", coarse(4, &[1, 0, 1, 1, 0, 1, 1, 1])).expect("valid");
        gallery.add("Łukasz", one_hot(4, 2)).expect("valid");
        let bytes = gallery.to_bytes();
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1_u8 << bit;
        prop_assert!(Gallery::from_bytes(Kernel::fastest(), &flipped).is_err());
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(Gallery::from_bytes(Kernel::fastest(), cut).is_err());
        prop_assert!(Gallery::mapped(Kernel::fastest(), &bytes_of(cut)).is_err());
    }
}

/// Bytes that begin where a float32 may, as a mapped file does.
struct Aligned(Vec<u64>, usize);

pub(super) fn bytes_of(bytes: &[u8]) -> Bytes {
    let mut words = vec![0_u64; bytes.len().div_ceil(8)];
    bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
    Arc::new(Aligned(words, bytes.len()))
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.0)[..self.1]
    }
}

#[test]
fn a_mapped_gallery_cannot_be_changed() {
    let mut gallery = Gallery::new(4).expect("a width in range");
    gallery.add("ada", one_hot(4, 0)).expect("valid");
    let bytes = bytes_of(&gallery.to_bytes());
    let mut mapped = Gallery::mapped(Kernel::fastest(), &bytes).expect("as written");
    assert!(mapped.add("bob", one_hot(4, 1)).is_err());
    assert!(mapped.replace("ada", one_hot(4, 1)).is_err());
    assert!(mapped.remove("ada").is_err());
    assert_eq!(mapped.len(), 1);
    let found = mapped.nearest(&one_hot(4, 0), 1, None).expect("valid");
    assert_eq!((found.index[0], found.distance[0].to_bits()), (0, 0));
    assert!(mapped.nbytes() < gallery.nbytes());
}

/// What may happen to one of some people.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// So many new references, so far apart.
    Add {
        name: u64,
        count: usize,
        noise: f32,
    },
    /// References of many people at once, in turns.
    Load {
        people: u64,
        count: usize,
    },
    Replace {
        name: u64,
        count: usize,
    },
    Remove {
        name: u64,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let (name, count) = (0_u64..24, 1_usize..40);
    // Copies; a group; people who look alike; no likeness at all.
    let noise = prop::sample::select(vec![0.0_f32, 0.05, 0.2, 5.0]);
    prop_oneof![
        4 => (name.clone(), count.clone(), noise)
            .prop_map(|(name, count, noise)| Change::Add { name, count, noise }),
        2 => (1_u64..40, 1_usize..400).prop_map(|(people, count)| Change::Load { people, count }),
        1 => (name.clone(), count).prop_map(|(name, count)| Change::Replace { name, count }),
        1 => name.prop_map(|name| Change::Remove { name }),
    ]
}

#[test]
fn many_queries_against_few_rows_are_exact_on_any_threads() {
    for kernel in Kernel::available() {
        for (dim, rows) in [(8, 1), (128, 16), (130, 100)] {
            let mut pair = Pair::new(kernel, dim);
            pair.gallery.worth_a_thread_us = 0;
            let (people, count) = (6, rows);
            pair.apply(Change::Load { people, count }, 3);
            let mut values = pair.queries(4).into_values();
            values.extend(scaled(dim, gaussian(5, 130 * dim)).into_values());
            let queries = UnitVectors::new("queries", dim, values).expect("unit vectors");
            for threads in 1..=3 {
                for k in [1, 10, 40] {
                    pair.check(&queries, k, 1.2, threads).expect("exact");
                }
            }
        }
    }
}

#[test]
fn of_few_rows_equally_near_ones_come_by_age_wherever_they_lie() {
    for kernel in Kernel::available() {
        let mut pair = Pair::new(kernel, 20);
        let (name, noise) = (3, 0.0); // copies
        for (name, count) in [(1, 9), (name, 7), (2, 11), (name, 5)] {
            pair.apply(Change::Add { name, count, noise }, 4);
        }
        // The last rows move to where the first were.
        pair.apply(Change::Remove { name: 1 }, 4);
        let queries = scaled(20, gaussian(8, 20 * 20));
        for k in [1, 7, 22, 23, 24] {
            pair.check(&queries, k, 1.2, 1).expect("exact");
        }
    }
}

/// Rows that products in float64 cannot tell apart: copies, neighbours by one bit of one value, a query's own
/// vector and its opposite; distances at the borders of float32 among them, by their number.
#[test]
fn of_few_rows_those_nearly_as_near_are_told_apart() {
    for dim in [3, 16, 128, 512] {
        let first = scaled(dim, gaussian(77, 5 * dim)).into_values();
        let mut near = Vec::new();
        for (i, vector) in first.chunks_exact(dim).cycle().take(30).enumerate() {
            near.extend_from_slice(vector);
            let value = &mut near[i * dim + i % dim];
            let bits = value.to_bits();
            *value = f32::from_bits(if i % 3 == 0 {
                bits ^ (1 + i as u32 / 9)
            } else {
                bits
            });
        }
        let opposite: Vec<f32> = near[..dim].iter().map(|value| -value).collect();
        let mut queries = scaled(dim, gaussian(6, 300 * dim)).into_values();
        queries.extend(near.iter().chain(&opposite));
        let queries = UnitVectors::new("queries", dim, queries).expect("unit vectors");
        for kernel in Kernel::available() {
            for count in [1, 6, 16, 30] {
                let mut pair = Pair::new(kernel, dim);
                let rows = UnitVectors::new("vectors", dim, near[..count * dim].to_vec());
                let rows = rows.expect("unit vectors");
                let names: Vec<String> = (0..count).map(|i| (i % 3).to_string()).collect();
                let added = pair.gallery.extend(rows.clone(), &names).expect("valid");
                pair.note(added, &names, &rows);
                for k in [3, 10, 29, 40] {
                    pair.check(&queries, k, 1.2, 1).expect("exact");
                }
            }
        }
    }
}

/// Nearer to each other than the products tell, but no copies: in an order that is not that of insertion.
#[test]
fn of_few_rows_those_that_differ_in_a_tiny_value_are_told_apart() {
    for dim in [16, 128, 512] {
        let mut first = gaussian(78, dim);
        first[1] = 0.0;
        let mut values = scaled(dim, first).into_values().repeat(20);
        for (i, row) in (0_u8..).zip(values.chunks_exact_mut(dim)) {
            row[1] = 1e-14 * f32::from(i * 7 % 20);
        }
        let rows = UnitVectors::new("vectors", dim, values).expect("unit vectors");
        let names: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        let queries = scaled(dim, gaussian(7, 100 * dim));
        for kernel in Kernel::available() {
            let mut pair = Pair::new(kernel, dim);
            let added = pair.gallery.extend(rows.clone(), &names).expect("valid");
            pair.note(added, &names, &rows);
            for k in [10, 19, 20] {
                pair.check(&queries, k, 1.2, 1).expect("exact");
            }
        }
    }
}

#[test]
fn a_threshold_beside_the_only_distance_is_kept_to_the_last_bit() {
    for kernel in Kernel::available() {
        let (row, queries) = (
            scaled(128, gaussian(3, 128)),
            scaled(128, gaussian(4, 128 * 70)),
        );
        let mut gallery = Gallery::on(kernel, 128).expect("a width in range");
        gallery.add("ada", row.clone()).expect("valid");
        for (q, query) in queries.values().chunks_exact(128).enumerate() {
            let distance = exact::distance(query, row.values());
            for (threshold, reached) in [(distance, true), (distance.next_down(), false)] {
                // By itself, and among so many that rows are laid out for them.
                let single = UnitVectors::new("query", 128, query.to_vec()).expect("a unit vector");
                for (queries, q) in [(&single, 0), (&queries, q)] {
                    let found = gallery.best_identity(queries, Some(threshold), None);
                    assert_eq!(found.expect("valid").index[q] == 0, reached);
                }
            }
        }
    }
}

#[test]
fn searches_of_many_stretches_of_five_bit_codes_are_exact() {
    for kernel in Kernel::available() {
        let mut pair = Pair::new(kernel, 32);
        pair.gallery.bits5_from = 0;
        pair.gallery.worth_a_thread_us = 0;
        pair.gallery.groups_from = usize::MAX;
        // 13,000 to a stretch.
        for name in 0..5 {
            let (count, noise) = (9000, 5.0);
            pair.apply(Change::Add { name, count, noise }, name + 3);
        }
        for name in [7, 7, 8] {
            let (count, noise) = (40, 0.0); // copies
            pair.apply(Change::Add { name, count, noise }, 4);
        }
        let mut values = scaled(32, gaussian(8, 10 * 32)).into_values();
        for row in [6, 44_000, 45_000, 45_100] {
            values.extend(&pair.model[row].2);
        }
        let queries = UnitVectors::new("queries", 32, values).expect("unit vectors");
        for (k, threads) in [(1, 1), (10, 1), (70, 1), (1, 3), (10, 3)] {
            pair.check(&queries, k, 0.4, threads).expect("exact");
        }
        for most in [1, 10, 70] {
            limits_leave_what_counts(&pair.gallery, &queries, most);
        }
        let one = scaled(32, gaussian(9, 32));
        for threads in [1, 2] {
            pair.check(&one, 10, 0.4, threads).expect("exact");
        }
    }
}

#[test]
fn searches_of_many_stretches_of_groups_are_exact() {
    const DIM: usize = 32;
    const PEOPLE: usize = 36_000; // 13,000 to a stretch
    const EACH: usize = 4;
    let mut values = gaussian(3, PEOPLE * EACH * DIM);
    for (person, vectors) in values.chunks_exact_mut(EACH * DIM).enumerate() {
        // Some are not alike: no group.
        let noise = if person % 9 == 0 { 5.0 } else { 0.05 };
        let centre = gaussian(person as u64 + 9, DIM);
        for (value, middle) in vectors.iter_mut().zip(centre.iter().cycle()) {
            *value = middle + noise * *value;
        }
    }
    let rows = scaled(DIM, values);
    let names: Vec<String> = (0..PEOPLE * EACH)
        .map(|row| (row / EACH).to_string())
        .collect();
    let mut queries = scaled(DIM, gaussian(8, 8 * DIM)).into_values();
    queries.extend(&rows.values()[40_000 * DIM..40_001 * DIM]);
    let queries = UnitVectors::new("queries", DIM, queries).expect("unit vectors");
    let gone = [0, 1, 20_000, PEOPLE - 1];
    let sorted = |query: &[f32]| {
        let mut all = brute_force(query, &rows);
        all.retain(|(_, row)| !gone.contains(&(row / EACH)));
        all
    };
    let all: Vec<_> = queries.values().chunks_exact(DIM).map(sorted).collect();
    for kernel in Kernel::available() {
        for bits5_from in [0, usize::MAX] {
            let mut gallery = Gallery::on(kernel, DIM).expect("a width in range");
            gallery.bits5_from = bits5_from;
            gallery.groups_from = 0;
            gallery.worth_a_thread_us = 0;
            gallery.extend(rows.clone(), &names).expect("one name each");
            for person in gone {
                gallery.remove(&person.to_string()).expect("there");
            }
            for (k, threads) in [(1, 1), (10, 1), (10, 3)] {
                let found = gallery.nearest(&queries, k, Some(threads)).expect("valid");
                for (q, all) in all.iter().enumerate() {
                    assert_eq!(row(&found, q, k), numbered(&all[..k]));
                }
            }
            for most in [1, 10, 70] {
                limits_leave_what_counts(&gallery, &queries, most);
            }
        }
    }
}

/// What a scan rules out never reaches the score that as many rows as are wanted have.
fn limits_leave_what_counts(gallery: &Gallery, queries: &UnitVectors, most: usize) {
    let Gallery {
        kernel, references, ..
    } = gallery;
    let Some(table) = &gallery.table else {
        return; // a kernel that is as fast without codes
    };
    let threshold = None;
    let coarse = CodeScan::new(
        *kernel,
        references,
        table,
        Wanted { most, threshold },
        queries,
    );
    let mut candidates = Vec::new();
    coarse.scan(0..coarse.tiles(), 0..table.blocks().len(), &mut candidates);
    for (query, candidates) in queries
        .values()
        .chunks_exact(references.dim())
        .zip(candidates)
    {
        let score = |row| {
            let pairs = query.iter().zip(references.vector(row));
            pairs
                .map(|(q, x)| f64::from(*q) * f64::from(*x))
                .sum::<f64>()
        };
        let mut scores: Vec<f64> = (0..references.len() as u32).map(score).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let allowed = candidates
            .query
            .limit(scores[most - 1] - references.spread());
        assert!(candidates.limit <= allowed, "{:?}", kernel.backend());
    }
}

#[test]
fn searches_at_the_borders_of_ways_are_exact() {
    for kernel in Kernel::available() {
        for rows in [1, 2, 3, 19, 20, 21, 64, 65] {
            let mut pair = Pair::new(kernel, 133);
            pair.gallery.worth_a_thread_us = 0;
            let (people, count) = (4, rows);
            pair.apply(Change::Load { people, count }, 6);
            for queries in [7, 8, 33] {
                let queries = scaled(133, gaussian(9, queries * 133));
                for k in [1, 10, 26, 27, 33] {
                    pair.check(&queries, k, 1.3, 2).expect("exact");
                }
                let all = pair.gallery.best_identity(&queries, None, Some(1));
                let nearest = pair.gallery.nearest(&queries, 1, Some(1));
                assert_eq!(all.expect("valid"), nearest.expect("valid"));
            }
        }
    }
}

#[test]
fn the_kth_highest_score_is_found_by_counting() {
    let scores = [0.5_f32, -1.0, 0.5, 0.25, 2.0, 0.5, -1.0];
    let mut sorted = scores;
    sorted.sort_by(|a, b| b.total_cmp(a));
    for k in 1..scores.len() {
        let found = kth_highest(k, scores.into_iter());
        assert_eq!(found.to_bits(), f32::to_bits(sorted[k - 1]));
    }
    assert_eq!(
        kth_highest(31, [0.125; COUNTED].into_iter()).to_bits(),
        0.125_f32.to_bits()
    );
}

/// A gallery beside a list that is searched by brute force.
struct Pair {
    gallery: Gallery,
    /// (index, name, vector)
    model: Vec<(i64, String, Vec<f32>)>,
}

impl Pair {
    fn new(kernel: Kernel, dim: usize) -> Self {
        Self {
            gallery: Gallery::on(kernel, dim).expect("a width in range"),
            model: Vec::new(),
        }
    }

    /// References near the centre of a name.
    fn vectors(&self, name: u64, count: usize, noise: f32, seed: u64) -> UnitVectors {
        let dim = self.gallery.dim();
        let centre = gaussian(name.wrapping_mul(77) + 5, dim);
        let mut values = gaussian(seed, dim * count);
        for vector in values.chunks_exact_mut(dim) {
            for (value, middle) in vector.iter_mut().zip(&centre) {
                *value = middle + noise * *value;
            }
        }
        scaled(dim, values)
    }

    fn note(&mut self, indices: std::ops::Range<i64>, names: &[String], vectors: &UnitVectors) {
        let rows = vectors.values().chunks_exact(vectors.dim());
        for ((index, name), row) in indices.zip(names).zip(rows) {
            self.model.push((index, name.clone(), row.to_vec()));
        }
    }

    fn apply(&mut self, change: Change, seed: u64) {
        match change {
            Change::Add { name, count, noise } => {
                let vectors = self.vectors(name, count, noise, seed);
                let name = name.to_string();
                let added = self.gallery.add(&name, vectors.clone()).expect("valid");
                self.note(added, &vec![name; count], &vectors);
            }
            Change::Load { people, count } => {
                let names: Vec<u64> = (0..count as u64).map(|i| i % people).collect();
                let values = names
                    .iter()
                    .zip(seed..)
                    .flat_map(|(name, seed)| self.vectors(*name, 1, 0.05, seed).into_values());
                let vectors = UnitVectors::new("vectors", self.gallery.dim(), values.collect());
                let vectors = vectors.expect("unit vectors");
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                let added = self.gallery.extend(vectors.clone(), &names).expect("valid");
                self.note(added, &names, &vectors);
            }
            Change::Replace { name, count } => {
                let vectors = self.vectors(name, count, 0.05, seed);
                let name = name.to_string();
                if let Ok(added) = self.gallery.replace(&name, vectors.clone()) {
                    self.model.retain(|row| row.1 != name);
                    self.note(added, &vec![name; count], &vectors);
                } else {
                    assert!(self.model.iter().all(|row| row.1 != name));
                }
            }
            Change::Remove { name } => {
                let name = name.to_string();
                let before = self.model.len();
                self.model.retain(|row| row.1 != name);
                let gone = before - self.model.len();
                let removed = self.gallery.remove(&name);
                assert_eq!(removed.unwrap_or(0), gone);
            }
        }
    }

    /// Strangers, people like those enrolled, and references themselves.
    fn queries(&self, seed: u64) -> UnitVectors {
        let dim = self.gallery.dim();
        let mut values = scaled(dim, gaussian(seed ^ 0xABCD, 4 * dim)).into_values();
        for name in 0..6 {
            values.extend(self.vectors(name, 1, 0.1, seed ^ name).into_values());
        }
        for row in self.model.iter().step_by(1 + self.model.len() / 7) {
            values.extend(&row.2);
        }
        UnitVectors::new("queries", dim, values).expect("unit vectors")
    }

    fn check(
        &self,
        queries: &UnitVectors,
        k: usize,
        threshold: f64,
        threads: usize,
    ) -> Result<(), TestCaseError> {
        let gallery = &self.gallery;
        prop_assert_eq!(gallery.len(), self.model.len());
        let nearest = gallery.nearest(queries, k, Some(threads)).expect("valid");
        let first = gallery.nearest(queries, 1, None).expect("valid");
        let best = gallery
            .best_identity(queries, Some(threshold), Some(threads))
            .expect("valid");
        let (within, offsets) = gallery
            .within(queries, threshold, Some(threads))
            .expect("valid");
        for (q, query) in queries.values().chunks_exact(gallery.dim()).enumerate() {
            let mut all: Vec<(f64, i64)> = self
                .model
                .iter()
                .map(|(index, _, row)| (exact::distance(query, row), *index))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let rounded = |all: &[(f64, i64)]| -> Vec<(f32, i64)> {
                all.iter().map(|(d, index)| (*d as f32, *index)).collect()
            };
            let none = (f32::INFINITY, -1);
            let mut expected = rounded(&all[..k.min(all.len())]);
            expected.resize(k, none);
            prop_assert_eq!(row(&nearest, q, k), expected.clone());
            prop_assert_eq!(row(&first, q, 1), expected[..1].to_vec());
            let close = rounded(&all[..all.partition_point(|e| e.0 <= threshold)]);
            prop_assert_eq!(row(&best, q, 1)[0], *close.first().unwrap_or(&none));
            let (from, to) = (offsets[q] as usize, offsets[q + 1] as usize);
            let index = within.index[from..to].iter().copied();
            let found: Vec<_> = within.distance[from..to]
                .iter()
                .copied()
                .zip(index)
                .collect();
            prop_assert_eq!(found, close);
            for (index, number) in nearest.index.iter().zip(&nearest.identity) {
                let name = self
                    .model
                    .iter()
                    .find(|row| row.0 == *index)
                    .map(|row| &*row.1);
                prop_assert_eq!(gallery.name_of(*number), name);
            }
        }
        let query = &queries.values()[..gallery.dim()];
        let single = UnitVectors::new("query", gallery.dim(), query.to_vec()).expect("unit");
        for name in gallery.identities() {
            let theirs = self.model.iter().filter(|row| row.1 == name);
            let nearest = theirs
                .map(|row| exact::distance(query, &row.2))
                .fold(f64::INFINITY, f64::min);
            let distance = gallery.distance_to(name, &single).expect("known");
            prop_assert_eq!(distance.to_bits(), nearest.to_bits());
        }
        Ok(())
    }
}

/// Sums of uniform numbers from a xorshift generator: close enough to a bell.
fn gaussian(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next() + next() + next()).collect()
}

/// Rows of norm 1.
fn scaled(dim: usize, mut values: Vec<f32>) -> UnitVectors {
    for vector in values.chunks_exact_mut(dim) {
        let norm = exact::squared_norm(vector).sqrt();
        for value in vector {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
    UnitVectors::new("vectors", dim, values).expect("unit vectors")
}

#[test]
fn an_empty_gallery_matches_nothing() {
    let gallery = Gallery::new(4).expect("a width in range");
    let query = one_hot(4, 0);
    let nearest = gallery.nearest(&query, 2, None).expect("valid");
    assert_eq!(nearest.distance, [f32::INFINITY; 2]);
    assert_eq!(
        (nearest.index, nearest.identity),
        (vec![-1, -1], vec![-1, -1])
    );
    let (within, offsets) = gallery.within(&query, 2.0, None).expect("valid");
    assert_eq!((within, offsets), (Matches::default(), vec![0, 0]));
    assert_eq!(
        gallery.distance_to("ada", &query),
        Err(CoreError::UnknownIdentity)
    );
}

#[test]
fn numbers_are_never_used_again() {
    let mut gallery = Gallery::new(4).expect("a width in range");
    assert_eq!(gallery.add("ada", one_hot(4, 0)), Ok(0..1));
    assert_eq!(gallery.add("bob", one_hot(4, 1)), Ok(1..2));
    assert_eq!(gallery.replace("ada", one_hot(4, 2)), Ok(2..3));
    assert_eq!(gallery.remove("bob"), Ok(1));
    assert_eq!(gallery.add("bob", one_hot(4, 1)), Ok(3..4));
    assert_eq!(gallery.identities().collect::<Vec<_>>(), ["ada", "bob"]);
    assert_eq!(gallery.name_of(0), Some("ada"));
    assert_eq!(
        (gallery.name_of(1), gallery.name_of(2)),
        (None, Some("bob"))
    );
}

/// At the limit a gallery is still written, read and searched; what would go beyond it changes nothing.
#[test]
fn counts_of_insertions_have_an_end() {
    let mut gallery = Gallery::new(4).expect("a width in range");
    gallery.add("ada", one_hot(4, 0)).expect("valid");
    gallery.next_index = MAX_COUNT - 2;
    gallery.identities.set_next_number(MAX_COUNT - 1);
    let mut gallery = Gallery::from_bytes(Kernel::fastest(), &gallery.to_bytes()).expect("whole");
    let three = coarse(4, &[1; 12]);
    let two = coarse(4, &[1; 8]);
    let before = gallery.to_bytes();
    let refusal = gallery.add("bob", three.clone()).expect_err("too many");
    let message = refusal.to_string();
    assert!(
        message.contains("4611686018427387904 references"),
        "{message}"
    );
    assert!(
        message.contains("4611686018427387902 and 3 more"),
        "{message}"
    );
    assert!(message.contains("make a new gallery"), "{message}");
    assert!(gallery.replace("ada", three.clone()).is_err());
    assert!(gallery.extend(three, &["ada", "ada", "ada"]).is_err());
    let refusal = gallery.extend(two, &["bob", "eve"]).expect_err("too many");
    assert!(refusal.to_string().contains("identities"), "{refusal}");
    assert_eq!(gallery.to_bytes(), before);

    let added = gallery.add("bob", one_hot(4, 1));
    assert_eq!(added, Ok(MAX_COUNT - 2..MAX_COUNT - 1));
    assert!(gallery.add("eve", one_hot(4, 2)).is_err());
    let added = gallery.replace("ada", one_hot(4, 3));
    assert_eq!(added, Ok(MAX_COUNT - 1..MAX_COUNT));
    assert!(gallery.add("ada", one_hot(4, 0)).is_err());
    assert_eq!(gallery.remove("bob"), Ok(1));
    let bytes = gallery.to_bytes();
    let gallery = Gallery::from_bytes(Kernel::fastest(), &bytes).expect("whole");
    assert_eq!(gallery.identities().collect::<Vec<_>>(), ["ada"]);
    let found = gallery.nearest(&one_hot(4, 3), 1, None).expect("valid");
    assert_eq!((found.index[0], found.identity[0]), (MAX_COUNT - 1, 0));
}

/// Only its length is looked at: no test should take four gigabytes.
#[test]
fn a_name_whose_length_four_bytes_do_not_hold_is_refused() {
    assert!(check_name_length(u32::MAX as usize).is_ok());
    assert!(check_name_length(u32::MAX as usize + 1).is_err());
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut gallery = Gallery::new(4).expect("a width in range");
    gallery.add("ada", one_hot(4, 0)).expect("valid");
    let none = UnitVectors::new("vectors", 4, Vec::new()).expect("nothing is wrong with none");
    assert!(gallery.add("", one_hot(4, 0)).is_err());
    assert!(gallery.add("bob", none.clone()).is_err());
    assert!(gallery.add("bob", one_hot(5, 0)).is_err());
    assert!(gallery.replace("ada", none).is_err());
    assert!(gallery.replace("ada", one_hot(5, 0)).is_err());
    assert_eq!(
        gallery.replace("bob", one_hot(4, 0)),
        Err(CoreError::UnknownIdentity)
    );
    assert!(gallery.extend(one_hot(4, 0), &["bob", "eve"]).is_err());
    assert!(gallery.extend(coarse(4, &[1; 8]), &["bob", ""]).is_err());
    assert_eq!(gallery.identities().collect::<Vec<_>>(), ["ada"]);
    assert_eq!(gallery.len(), 1);

    assert!(gallery.nearest(&one_hot(4, 0), 0, None).is_err());
    assert!(gallery.nearest(&one_hot(4, 0), usize::MAX, None).is_err());
    assert!(gallery.nearest(&one_hot(5, 0), 1, None).is_err());
    assert!(gallery.nearest(&one_hot(4, 0), 1, Some(0)).is_err());
    assert!(gallery.distance_to("ada", &coarse(4, &[1; 8])).is_err());
    for threshold in [f64::NAN, f64::INFINITY, -1e-9] {
        assert!(gallery.within(&one_hot(4, 0), threshold, None).is_err());
        assert!(
            gallery
                .best_identity(&one_hot(4, 0), Some(threshold), None)
                .is_err()
        );
    }
}

#[test]
fn a_thousand_copies_tie_in_order() {
    let mut gallery = Gallery::new(8).expect("a width in range");
    gallery.add("far", one_hot(8, 1)).expect("valid");
    gallery
        .add("ada", coarse(8, &[1; 8 * 1000]))
        .expect("valid");
    let found = gallery
        .nearest(&coarse(8, &[1; 8]), 10, None)
        .expect("valid");
    assert_eq!(found.index, (1..=10).collect::<Vec<i64>>());
}
