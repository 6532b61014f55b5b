//! Every operation of a gallery, each answer beside that of a list.

use std::fmt::Debug;

use super::super::tests::bytes_of;
use super::super::{CODED_FROM, Gallery, Matches};
use super::model::Model;
use super::random::Random;
use crate::CoreError;
use crate::distance::exact;
use crate::gallery::unit_vectors::UnitVectors;

const NAMES: [&str; 5] = ["ada", "bob", "李", "zoë", "eve"];
const NONE: (u32, i64, i64) = (f32::INFINITY.to_bits(), -1, -1);

/// How the checks of one gallery go on, and how many operations they were.
pub struct Checks {
    random: Random,
    pub operations: u64,
}

/// What was found must be what was expected.
#[expect(
    clippy::needless_pass_by_value,
    reason = "what is compared is mostly made for it"
)]
fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:?}, expected {expected:?}"))
}

/// Nothing but an error that says what is wrong.
fn refused<T: Debug>(what: &str, found: Result<T, CoreError>) -> Result<(), String> {
    match found {
        Err(error) if !error.to_string().is_empty() => Ok(()),
        found => Err(format!("{what}: {found:?}, expected a refusal")),
    }
}

/// Matches as bits of distances, indices and numbers.
fn listed(matches: &Matches) -> Vec<(u32, i64, i64)> {
    let rest = matches.index.iter().zip(&matches.identity);
    let all = matches.distance.iter().zip(rest);
    all.map(|(distance, (index, number))| (distance.to_bits(), *index, *number))
        .collect()
}

fn rounded(all: &[(f64, i64, i64)]) -> Vec<(u32, i64, i64)> {
    all.iter()
        .map(|(distance, index, number)| ((*distance as f32).to_bits(), *index, *number))
        .collect()
}

impl Checks {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            operations: 0,
        }
    }

    /// Everything that can be done with the same gallery, loaded and mapped.
    pub fn all(
        &mut self,
        loaded: Gallery,
        mapped: Gallery,
        mut model: Model,
        bytes: &[u8],
    ) -> Result<(), String> {
        let mut gallery = loaded;
        self.operations += 4;
        same("to_bytes", gallery.to_bytes() == bytes, true)?;
        same("to_bytes of mapped", mapped.to_bytes() == bytes, true)?;
        self.reads(&gallery, &model)?;
        self.reads(&mapped, &model)?;
        self.refusals(&gallery, &model)?;
        self.refused_changes(mapped, &model, bytes)?;

        if gallery.len() >= CODED_FROM {
            self.code_otherwise(&mut gallery);
            self.reads(&gallery, &model)?;
        }
        let before = gallery.clone();
        for _ in 0..=self.random.below(4) {
            self.change(&mut gallery, &mut model)?;
        }
        self.reads(&gallery, &model)?;
        same("a clone", before.to_bytes() == bytes, true)?;
        let written = gallery.to_bytes();
        self.operations += 4;
        same(
            "the model read",
            Model::read(&written).as_ref(),
            Some(&model),
        )?;
        for read in [
            Gallery::from_bytes(gallery.kernel, &written),
            Gallery::mapped(gallery.kernel, &bytes_of(&written)),
        ] {
            let read = read.map_err(|error| format!("what was written: {error}"))?;
            same("written again", read.to_bytes() == written, true)?;
        }
        Ok(())
    }

    /// Have codes as larger galleries have them.
    fn code_otherwise(&mut self, gallery: &mut Gallery) {
        gallery.groups_from = self.random.of(&[0, usize::MAX]);
        gallery.bits5_from = self.random.of(&[0, usize::MAX]);
        gallery.worth_a_thread_us = self.random.of(&[0, 300]);
        gallery.build_table();
    }

    /// What is there, and what is near.
    fn reads(&mut self, gallery: &Gallery, model: &Model) -> Result<(), String> {
        self.operations += 6;
        same("len", gallery.len(), model.rows.len())?;
        same("is_empty", gallery.is_empty(), model.rows.is_empty())?;
        same("dim", gallery.dim(), model.dim)?;
        let names: Vec<&str> = model.people.iter().map(|(_, name)| &**name).collect();
        let found: Vec<&str> = gallery.identities().collect();
        same("identities", &found, &names)?;
        same("nbytes", gallery.nbytes() < 1 << 24, true)?;
        let coded = gallery.table.is_some() && !gallery.is_empty();
        same("code_nbytes", gallery.code_nbytes() > 0, coded)?;
        for (number, name) in &model.people {
            self.operations += 2;
            same("name_of", gallery.name_of(*number), Some(&**name))?;
            same("contains", gallery.contains(name), true)?;
        }
        for name in NAMES {
            self.operations += 1;
            let known = model.number_of(name).is_some();
            same("contains", gallery.contains(name), known)?;
        }
        for number in [-1, model.next_number, i64::MIN, i64::MAX] {
            self.operations += 1;
            same("name_of nobody", gallery.name_of(number), None)?;
        }
        self.searches(gallery, model)
    }

    /// A vector of anywhere, or one that is a reference or its opposite.
    fn query(&mut self, model: &Model) -> Vec<f32> {
        if model.rows.is_empty() || self.random.one_in(2) {
            return self.random.vector(model.dim);
        }
        let at = self.random.below(model.rows.len());
        let sign = self.random.of(&[1.0, -1.0]);
        let vector = model.rows[at].vector.iter();
        vector.map(|value| sign * value).collect()
    }

    fn searches(&mut self, gallery: &Gallery, model: &Model) -> Result<(), String> {
        // From 64 on, rows are laid out for them.
        let count = if self.random.one_in(200) {
            70
        } else {
            1 + self.random.below(2)
        };
        let values: Vec<f32> = (0..count).flat_map(|_| self.query(model)).collect();
        let queries = UnitVectors::new("queries", model.dim, values.clone());
        let queries = queries.map_err(|error| error.to_string())?;
        let sorted: Vec<_> = values
            .chunks_exact(model.dim)
            .map(|query| model.sorted(query))
            .collect();
        let threads = self.random.of(&[None, Some(1), Some(2)]);
        let k = self
            .random
            .of(&[1, 2, 5, model.rows.len().max(1), model.rows.len() + 1]);
        let mut expected = Vec::new();
        for all in &sorted {
            expected.extend(rounded(&all[..k.min(all.len())]));
            expected.resize(expected.len() + k - k.min(all.len()), NONE);
        }
        self.operations += 4;
        let nearest = gallery.nearest(&queries, k, threads);
        let nearest = nearest.map_err(|error| format!("nearest: {error}"))?;
        same("nearest", listed(&nearest), expected)?;

        let first = |all: &[(f64, i64, i64)]| rounded(all).first().copied().unwrap_or(NONE);
        let expected: Vec<_> = sorted.iter().map(|all| first(all)).collect();
        let best = gallery.best_identity(&queries, None, threads);
        let best = best.map_err(|error| format!("best_identity: {error}"))?;
        same("best_identity", listed(&best), expected)?;

        // At a distance there is, it is met exactly.
        let near = sorted[0].first().map_or(0.0, |near| near.0);
        let threshold = self
            .random
            .of(&[near, near.next_down().max(0.0), 0.0, 1.2, 2.1]);
        let close: Vec<_> = sorted
            .iter()
            .map(|all| &all[..all.partition_point(|one| one.0 <= threshold)])
            .collect();
        let best = gallery.best_identity(&queries, Some(threshold), threads);
        let best = best.map_err(|error| format!("best_identity: {error}"))?;
        let expected: Vec<_> = close.iter().map(|all| first(all)).collect();
        same("best_identity within", listed(&best), expected)?;

        let (within, offsets) = gallery
            .within(&queries, threshold, threads)
            .map_err(|error| format!("within: {error}"))?;
        let expected: Vec<_> = close.iter().flat_map(|all| rounded(all)).collect();
        same("within", listed(&within), expected)?;
        let mut end = 0;
        let ends = close.iter().map(|all| {
            end += all.len() as i64;
            end
        });
        let expected: Vec<i64> = std::iter::once(0).chain(ends).collect();
        same("offsets", offsets, expected)?;
        self.distances(gallery, model, &values[..model.dim])
    }

    /// To the people one by one.
    fn distances(&mut self, gallery: &Gallery, model: &Model, query: &[f32]) -> Result<(), String> {
        let single = UnitVectors::new("query", model.dim, query.to_vec());
        let single = single.map_err(|error| error.to_string())?;
        for (number, name) in &model.people {
            self.operations += 1;
            let theirs = model.rows.iter().filter(|row| row.number == *number);
            let nearest = theirs
                .map(|row| exact::distance(query, &row.vector))
                .fold(f64::INFINITY, f64::min);
            let found = gallery.distance_to(name, &single).map(f64::to_bits);
            same("distance_to", found, Ok(nearest.to_bits()))?;
        }
        self.operations += 1;
        let found = gallery.distance_to("nobody", &single);
        same("distance_to", found, Err(CoreError::UnknownIdentity))
    }

    /// What no gallery answers.
    fn refusals(&mut self, gallery: &Gallery, model: &Model) -> Result<(), String> {
        self.operations += 7;
        let query = |values: Vec<f32>, dim| UnitVectors::new("query", dim, values);
        let wide = query(self.random.vector(model.dim + 1), model.dim + 1);
        let right = query(self.random.vector(model.dim), model.dim);
        let (Ok(wide), Ok(right)) = (wide, right) else {
            return Ok(()); // a vector as wide as no gallery
        };
        refused("another width", gallery.nearest(&wide, 1, None))?;
        refused("another width", gallery.within(&wide, 1.0, None))?;
        refused("no k", gallery.nearest(&right, 0, None))?;
        refused("a huge k", gallery.nearest(&right, usize::MAX, None))?;
        refused("no thread", gallery.nearest(&right, 1, Some(0)))?;
        refused("NaN", gallery.within(&right, f64::NAN, None))?;
        refused("less", gallery.best_identity(&right, Some(-1.0), None))
    }

    /// Changes of a gallery whose vectors are in a file.
    fn refused_changes(
        &mut self,
        mut mapped: Gallery,
        model: &Model,
        bytes: &[u8],
    ) -> Result<(), String> {
        self.operations += 4;
        let vector = UnitVectors::new("vectors", model.dim, self.random.vector(model.dim));
        let vector = vector.map_err(|error| error.to_string())?;
        let name = model.people.first().map_or("ada", |(_, name)| name);
        refused("add", mapped.add(name, vector.clone()))?;
        refused("extend", mapped.extend(vector.clone(), &[name]))?;
        refused("replace", mapped.replace(name, vector))?;
        refused("remove", mapped.remove(name))?;
        same("a mapped one", mapped.to_bytes() == bytes, true)
    }

    /// A change, or its refusal, which changes nothing.
    fn change(&mut self, gallery: &mut Gallery, model: &mut Model) -> Result<(), String> {
        self.operations += 1;
        let names: Vec<String> = model.people.iter().map(|(_, name)| name.clone()).collect();
        let name = if names.is_empty() || self.random.one_in(3) {
            self.random.of(&NAMES)
        } else {
            &*names[self.random.below(names.len())]
        };
        let number = model.number_of(name);
        // Codes are built anew where so many are added.
        let many = !gallery.is_empty() && gallery.table.is_some() && self.random.one_in(8);
        let count = if many {
            gallery.len() + 2
        } else {
            1 + self.random.below(3)
        };
        let values: Vec<f32> = (0..count).flat_map(|_| self.query(model)).collect();
        let vectors = UnitVectors::new("vectors", model.dim, values.clone());
        let vectors = vectors.map_err(|error| error.to_string())?;
        let before = (model.next_index, model.next_number);
        let indices = model.next_index..model.next_index.saturating_add(count as i64);
        let what = self.random.below(4);
        if what == 3 {
            let expected = number.map(|number| {
                model.people.retain(|(other, _)| *other != number);
                model.remove_rows(number)
            });
            let expected = expected.ok_or(CoreError::UnknownIdentity);
            return same("remove", gallery.remove(name), expected);
        }
        let names: Vec<&str> = match what {
            0 | 2 => vec![name; count],
            _ => (0..count).map(|_| self.random.of(&NAMES)).collect(),
        };
        let new = match what {
            0 => usize::from(number.is_none()),
            1 => count,
            _ => 0,
        };
        let fits = model.has_room(count, new) && (what != 2 || number.is_some());
        let untouched = (!fits).then(|| gallery.to_bytes());
        let done = match what {
            0 => gallery.add(name, vectors),
            1 => gallery.extend(vectors, &names),
            _ => gallery.replace(name, vectors),
        };
        if let Some(untouched) = untouched {
            refused("a change", done)?;
            same("what was refused", gallery.to_bytes() == untouched, true)?;
            return same("counts", before, (model.next_index, model.next_number));
        }
        if let (2, Some(number)) = (what, number) {
            model.remove_rows(number);
        }
        model.add(&names, &values);
        same("a change", done, Ok(indices))
    }
}
