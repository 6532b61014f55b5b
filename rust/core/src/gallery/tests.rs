//! Search against brute force in float64, on every kernel, and what must be refused.

use proptest::prelude::*;

use super::{Gallery, Matches};
use crate::CoreError;
use crate::distance::{Kernel, exact};
use crate::vectors::UnitVectors;

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

fn row(matches: &Matches, query: usize, k: usize) -> Vec<(f64, i64)> {
    let range = query * k..(query + 1) * k;
    let index = matches.index[range.clone()].iter().copied();
    matches.distance[range].iter().copied().zip(index).collect()
}

fn numbered(found: &[(f64, usize)]) -> Vec<(f64, i64)> {
    found.iter().map(|&(d, i)| (d, i as i64)).collect()
}

proptest! {
    #[test]
    fn searches_equal_brute_force(
        dim in 1_usize..=40,
        cells in prop::collection::vec(-1_i8..=1, 0..3000),
        queries in prop::collection::vec(-1_i8..=1, 0..200),
        k in 1_usize..=12,
        threshold in prop_oneof![0.0..2.1, Just(0.0), Just(2_f64.sqrt())],
    ) {
        let rows = coarse(dim, &cells[..cells.len() / dim * dim]);
        let queries = coarse(dim, &queries[..queries.len() / dim * dim]);
        let names: Vec<String> = (0..rows.len()).map(|i| (i % 5).to_string()).collect();
        for kernel in Kernel::available() {
            let mut gallery = Gallery::on(kernel, dim).expect("a width in range");
            gallery.extend(rows.clone(), &names).expect("one name each");
            let nearest = gallery.nearest(&queries, k).expect("valid");
            let best = gallery.best_identity(&queries, Some(threshold)).expect("valid");
            let (within, offsets) = gallery.within(&queries, threshold).expect("valid");
            for (q, query) in queries.values().chunks_exact(dim).enumerate() {
                let expected = brute_force(query, &rows);
                let mut padded = numbered(&expected[..k.min(expected.len())]);
                padded.resize(k, (f64::INFINITY, -1));
                prop_assert_eq!(row(&nearest, q, k), padded);

                let close: Vec<_> = expected.iter().copied().filter(|e| e.0 <= threshold).collect();
                let (from, to) = (offsets[q] as usize, offsets[q + 1] as usize);
                let index = within.index[from..to].iter().copied();
                let found: Vec<_> = within.distance[from..to].iter().copied().zip(index).collect();
                prop_assert_eq!(found, numbered(&close));

                let first = close.first().map_or((f64::INFINITY, -1), |&(d, i)| (d, i as i64));
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

    #[test]
    fn removal_leaves_the_others_as_they_were(
        owners in prop::collection::vec(0_usize..6, 1..80),
        gone in 0_usize..6,
    ) {
        let dim = 5;
        let cells: Vec<i8> = (0..owners.len() * dim).map(|i| (i * i % 7) as i8 - 3).collect();
        let rows = coarse(dim, &cells);
        let names: Vec<String> = owners.iter().map(ToString::to_string).collect();
        let mut gallery = Gallery::new(dim).expect("a width in range");
        gallery.extend(rows.clone(), &names).expect("one name each");
        let count = owners.iter().filter(|&&owner| owner == gone).count();
        match gallery.remove(&gone.to_string()) {
            Ok(removed) => prop_assert_eq!(removed, count),
            Err(error) => {
                prop_assert_eq!(error, CoreError::UnknownIdentity);
                prop_assert_eq!(count, 0);
            }
        }
        prop_assert_eq!(gallery.len(), owners.len() - count);
        let query = one_hot(dim, 0);
        let k = owners.len();
        let left: Vec<_> = brute_force(query.values(), &rows)
            .into_iter()
            .filter(|found| owners[found.1] != gone)
            .collect();
        for k in [1, 3, k] {
            let matches = gallery.nearest(&query, k).expect("valid");
            let expected = numbered(&left[..k.min(left.len())]);
            prop_assert_eq!(&row(&matches, 0, k)[..expected.len()], &expected[..]);
            for (number, found) in matches.identity.iter().zip(&left) {
                prop_assert_eq!(gallery.name_of(*number), Some(names[found.1].as_str()));
            }
        }
        for (position, name) in names.iter().enumerate().filter(|(i, _)| owners[*i] != gone) {
            let nearest = left.iter().find(|l| names[l.1] == *name).expect("it is left");
            let distance = gallery.distance_to(name, &query).expect("it is left");
            prop_assert_eq!(distance.to_bits(), nearest.0.to_bits(), "row {}", position);
        }
    }
}

#[test]
fn an_empty_gallery_matches_nothing() {
    let gallery = Gallery::new(4).expect("a width in range");
    let query = one_hot(4, 0);
    let nearest = gallery.nearest(&query, 2).expect("valid");
    assert_eq!(nearest.distance, [f64::INFINITY; 2]);
    assert_eq!(
        (nearest.index, nearest.identity),
        (vec![-1, -1], vec![-1, -1])
    );
    let (within, offsets) = gallery.within(&query, 2.0).expect("valid");
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

    assert!(gallery.nearest(&one_hot(4, 0), 0).is_err());
    assert!(gallery.nearest(&one_hot(4, 0), usize::MAX).is_err());
    assert!(gallery.nearest(&one_hot(5, 0), 1).is_err());
    assert!(gallery.distance_to("ada", &coarse(4, &[1; 8])).is_err());
    for threshold in [f64::NAN, f64::INFINITY, -1e-9] {
        assert!(gallery.within(&one_hot(4, 0), threshold).is_err());
        assert!(
            gallery
                .best_identity(&one_hot(4, 0), Some(threshold))
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
    let found = gallery.nearest(&coarse(8, &[1; 8]), 10).expect("valid");
    assert_eq!(found.index, (1..=10).collect::<Vec<i64>>());
}
