//! References of many identities: add, remove, replace, and exact search.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use crate::distance::{Backend, Kernel, Rows, exact};
use crate::error::{CoreError, Result};
use crate::scan::{self, Hit, Wanted};
use crate::vectors::{UnitVectors, check_dim};

/// Most results that one search may return: beyond, the memory for them is likely a mistake in `k`.
const MAX_RESULTS: usize = 1 << 27;

/// Reference vectors, each of one identity.
///
/// A reference has an *index*: a number that counts insertions and is never used again. An identity
/// has a *number* likewise; a name that was removed and added again gets a new one.
#[derive(Debug)]
pub struct Gallery {
    kernel: Kernel,
    dim: usize,
    /// `(rows, dim)`, row-major, in order of insertion; so are the columns below.
    values: Vec<f32>,
    half_squares: Vec<f32>,
    indices: Vec<i64>,
    owners: Vec<i64>,
    people: HashMap<Arc<str>, Person>,
    /// Names by number, hence in order of insertion.
    names: BTreeMap<i64, Arc<str>>,
    next_index: i64,
    next_number: i64,
}

#[derive(Debug)]
struct Person {
    number: i64,
    /// Rows of this identity, ascending.
    rows: Vec<usize>,
}

/// Columns of results, one entry per match.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matches {
    /// Euclidean distance; infinity where nothing matches. Never rounded to float32: a distance just
    /// beyond a threshold would fall within it.
    pub distance: Vec<f64>,
    /// Index of the reference; -1 where nothing matches.
    pub index: Vec<i64>,
    /// Number of its identity; -1 where nothing matches.
    pub identity: Vec<i64>,
}

impl Gallery {
    /// An empty gallery of vectors of `dim` values, on the fastest kernel of this CPU.
    ///
    /// # Errors
    /// If `dim` is out of range.
    pub fn new(dim: usize) -> Result<Self> {
        Self::on(Kernel::fastest(), dim)
    }

    /// An empty gallery on a given kernel.
    ///
    /// # Errors
    /// If `dim` is out of range.
    pub fn on(kernel: Kernel, dim: usize) -> Result<Self> {
        check_dim(dim)?;
        Ok(Self {
            kernel,
            dim,
            values: Vec::new(),
            half_squares: Vec::new(),
            indices: Vec::new(),
            owners: Vec::new(),
            people: HashMap::new(),
            names: BTreeMap::new(),
            next_index: 0,
            next_number: 0,
        })
    }

    /// Values per vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of references.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no reference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Whether an identity has references.
    #[must_use]
    pub fn contains(&self, identity: &str) -> bool {
        self.people.contains_key(identity)
    }

    /// The back end that scores.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.kernel.backend()
    }

    /// Names of the identities in order of their first reference.
    pub fn identities(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.values().map(AsRef::as_ref)
    }

    /// The name of an identity number, unless the identity has been removed.
    #[must_use]
    pub fn name_of(&self, number: i64) -> Option<&str> {
        self.names.get(&number).map(AsRef::as_ref)
    }

    /// Bytes allocated for references (names not counted).
    #[must_use]
    pub fn nbytes(&self) -> usize {
        let positions: usize = self
            .people
            .values()
            .map(|person| person.rows.capacity())
            .sum();
        self.values.capacity() * size_of::<f32>()
            + self.half_squares.capacity() * size_of::<f32>()
            + self.indices.capacity() * size_of::<i64>()
            + self.owners.capacity() * size_of::<i64>()
            + positions * size_of::<usize>()
    }

    /// Add references to one identity, which need not exist yet; returns their indices.
    ///
    /// # Errors
    /// If the name is empty, there is no vector, or the width differs. Nothing is added then.
    pub fn add(&mut self, identity: &str, vectors: UnitVectors) -> Result<Range<i64>> {
        self.check_new(identity, &vectors)?;
        let owner = self.number_of(identity);
        Ok(self.append(vectors, |_| owner))
    }

    /// Add one reference per identity given, in that order; returns their indices.
    ///
    /// # Errors
    /// If a name is empty, or widths or lengths differ. Nothing is added then.
    pub fn extend<S: AsRef<str>>(
        &mut self,
        vectors: UnitVectors,
        identities: &[S],
    ) -> Result<Range<i64>> {
        self.check_width("vectors", &vectors)?;
        if identities.len() != vectors.len() {
            return Err(CoreError::invalid(
                "identities",
                format!("one per vector ({})", vectors.len()),
                identities.len().to_string(),
            ));
        }
        for identity in identities {
            check_name(identity.as_ref())?;
        }
        let owners: Vec<i64> = identities
            .iter()
            .map(|identity| self.number_of(identity.as_ref()))
            .collect();
        Ok(self.append(vectors, |i| owners[i]))
    }

    /// Remove an identity with all its references; returns how many these were.
    ///
    /// # Errors
    /// If there is no such identity.
    pub fn remove(&mut self, identity: &str) -> Result<usize> {
        let person = self
            .people
            .remove(identity)
            .ok_or(CoreError::UnknownIdentity)?;
        self.names.remove(&person.number);
        self.drop_rows(&person.rows);
        Ok(person.rows.len())
    }

    /// Put new references in the place of all those of an identity, which keeps its number; returns
    /// the new indices.
    ///
    /// # Errors
    /// If there is no such identity, no vector, or the width differs. Nothing changes then.
    pub fn replace(&mut self, identity: &str, vectors: UnitVectors) -> Result<Range<i64>> {
        self.check_new(identity, &vectors)?;
        let person = self
            .people
            .get_mut(identity)
            .ok_or(CoreError::UnknownIdentity)?;
        let (owner, rows) = (person.number, std::mem::take(&mut person.rows));
        self.drop_rows(&rows);
        Ok(self.append(vectors, |_| owner))
    }

    /// The `k` nearest references of each query, `(queries, k)` row-major, nearest first and of
    /// equally near ones the earlier first; padded where the gallery has fewer.
    ///
    /// # Errors
    /// If `k` is 0 or absurd, or the width differs.
    pub fn nearest(&self, queries: &UnitVectors, k: usize) -> Result<Matches> {
        if k == 0 || k.saturating_mul(queries.len().max(1)) > MAX_RESULTS {
            return Err(CoreError::invalid(
                "k",
                format!("at least 1, and k times queries at most {MAX_RESULTS}"),
                k.to_string(),
            ));
        }
        let wanted = Wanted {
            most: k,
            threshold: None,
        };
        Ok(self.padded(&self.search(queries, wanted)?, k))
    }

    /// Every reference within `threshold` (Euclidean) of each query, nearest first, one query after
    /// the other; those of query i stand at `offsets[i]..offsets[i + 1]`.
    ///
    /// # Errors
    /// If the threshold is negative or not finite, or the width differs.
    pub fn within(&self, queries: &UnitVectors, threshold: f64) -> Result<(Matches, Vec<i64>)> {
        check_threshold(threshold)?;
        let wanted = Wanted {
            most: usize::MAX,
            threshold: Some(threshold),
        };
        let found = self.search(queries, wanted)?;
        let mut matches = Matches::default();
        let mut offsets = vec![0];
        for hits in &found {
            self.write(hits, hits.len(), &mut matches);
            offsets.push(matches.index.len() as i64);
        }
        Ok((matches, offsets))
    }

    /// The identity with the nearest reference of each query, if within `threshold`; one entry each.
    ///
    /// # Errors
    /// If the threshold is negative or not finite, or the width differs.
    pub fn best_identity(&self, queries: &UnitVectors, threshold: Option<f64>) -> Result<Matches> {
        threshold.map_or(Ok(()), check_threshold)?;
        let wanted = Wanted { most: 1, threshold };
        Ok(self.padded(&self.search(queries, wanted)?, 1))
    }

    /// Distance of one query to the nearest reference of one identity.
    ///
    /// # Errors
    /// If there is no such identity, not one query, or the width differs.
    pub fn distance_to(&self, identity: &str, query: &UnitVectors) -> Result<f64> {
        self.check_width("query", query)?;
        if query.len() != 1 {
            return Err(CoreError::invalid(
                "query",
                "one vector",
                query.len().to_string(),
            ));
        }
        let person = self
            .people
            .get(identity)
            .ok_or(CoreError::UnknownIdentity)?;
        let runs = person
            .rows
            .chunk_by(|a, b| a + 1 == *b)
            .map(|run| run[0]..run[0] + run.len());
        let wanted = Wanted {
            most: 1,
            threshold: None,
        };
        let found = scan::search(self.kernel, self.rows(), runs, query, wanted);
        let nearest = found.first().and_then(|hits| hits.first());
        Ok(nearest.map_or(f64::INFINITY, |hit| hit.distance))
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            dim: self.dim,
            values: &self.values,
            half_squares: &self.half_squares,
        }
    }

    fn search(&self, queries: &UnitVectors, wanted: Wanted) -> Result<Vec<Vec<Hit>>> {
        self.check_width("queries", queries)?;
        let everything = std::iter::once(0..self.len());
        Ok(scan::search(
            self.kernel,
            self.rows(),
            everything,
            queries,
            wanted,
        ))
    }

    /// The hits of all queries as columns of `width` entries each.
    fn padded(&self, found: &[Vec<Hit>], width: usize) -> Matches {
        let mut matches = Matches::default();
        matches.distance.reserve_exact(found.len() * width);
        matches.index.reserve_exact(found.len() * width);
        matches.identity.reserve_exact(found.len() * width);
        for hits in found {
            self.write(hits, width, &mut matches);
        }
        matches
    }

    /// Append the hits of one query, padded to `width` entries.
    fn write(&self, hits: &[Hit], width: usize, matches: &mut Matches) {
        matches.distance.extend(hits.iter().map(|hit| hit.distance));
        matches
            .index
            .extend(hits.iter().map(|hit| self.indices[hit.row]));
        matches
            .identity
            .extend(hits.iter().map(|hit| self.owners[hit.row]));
        let missing = width - hits.len();
        matches
            .distance
            .extend(std::iter::repeat_n(f64::INFINITY, missing));
        matches.index.extend(std::iter::repeat_n(-1, missing));
        matches.identity.extend(std::iter::repeat_n(-1, missing));
    }

    /// The number of a name, given out on first sight.
    fn number_of(&mut self, identity: &str) -> i64 {
        if let Some(person) = self.people.get(identity) {
            return person.number;
        }
        let (name, number) = (Arc::<str>::from(identity), self.next_number);
        self.next_number += 1;
        self.names.insert(number, Arc::clone(&name));
        self.people.insert(
            name,
            Person {
                number,
                rows: Vec::new(),
            },
        );
        number
    }

    /// Add checked vectors; `owner` gives the identity number of each.
    fn append(&mut self, vectors: UnitVectors, owner: impl Fn(usize) -> i64) -> Range<i64> {
        let (first, count) = (self.len(), vectors.len());
        let indices = self.next_index..self.next_index + count as i64;
        self.next_index = indices.end;
        self.half_squares.extend(
            vectors
                .values()
                .chunks_exact(self.dim)
                .map(|vector| (exact::squared_norm(vector) / 2.0) as f32),
        );
        if self.values.is_empty() {
            self.values = vectors.into_values(); // a bulk load is not copied
        } else {
            self.values.extend_from_slice(vectors.values());
        }
        self.indices.extend(indices.clone());
        self.owners.extend((0..count).map(owner));
        for row in first..first + count {
            let name = &self.names[&self.owners[row]];
            if let Some(person) = self.people.get_mut(name) {
                person.rows.push(row);
            }
        }
        indices
    }

    /// Close the gaps that `rows` (ascending) leave. What remains keeps its order, which is the order
    /// of the indices, so that of equally near references the earlier row is the earlier reference.
    fn drop_rows(&mut self, rows: &[usize]) {
        let mut dropped = rows.iter().copied().peekable();
        let mut to = 0;
        for from in 0..self.len() {
            if dropped.next_if_eq(&from).is_some() {
                continue;
            }
            if to < from {
                let values = from * self.dim..(from + 1) * self.dim;
                self.values.copy_within(values, to * self.dim);
                self.half_squares[to] = self.half_squares[from];
                self.indices[to] = self.indices[from];
                self.owners[to] = self.owners[from];
            }
            to += 1;
        }
        self.values.truncate(to * self.dim);
        self.half_squares.truncate(to);
        self.indices.truncate(to);
        self.owners.truncate(to);
        for person in self.people.values_mut() {
            for row in &mut person.rows {
                *row -= rows.partition_point(|gone| gone < row);
            }
        }
    }

    fn check_new(&self, identity: &str, vectors: &UnitVectors) -> Result<()> {
        check_name(identity)?;
        if vectors.is_empty() {
            return Err(CoreError::invalid("vectors", "at least one row", "none"));
        }
        self.check_width("vectors", vectors)
    }

    fn check_width(&self, argument: &'static str, vectors: &UnitVectors) -> Result<()> {
        if vectors.dim() == self.dim {
            return Ok(());
        }
        Err(CoreError::invalid(
            argument,
            format!("rows of {} values", self.dim),
            format!("rows of {}", vectors.dim()),
        ))
    }
}

fn check_name(identity: &str) -> Result<()> {
    if identity.is_empty() {
        return Err(CoreError::invalid("identity", "a name", "an empty string"));
    }
    Ok(())
}

fn check_threshold(threshold: f64) -> Result<()> {
    if threshold.is_finite() && threshold >= 0.0 {
        return Ok(());
    }
    Err(CoreError::invalid(
        "threshold",
        "a finite distance of at least 0",
        threshold.to_string(),
    ))
}

#[cfg(test)]
mod tests;
