//! What a [`Kernel`] computes. Each method calls the loops for the kernel's back end.

use std::ops::Range;

use super::all_pairs::{AllPairs, DoubleRows};
use super::codes4::{self, BYTES, QUAD, QueryStep};
use super::codes8::{self, BlockSearch, Blocks, Found};
#[cfg(target_arch = "x86_64")]
use super::error_bounds::distance_error;
use super::exact;
use super::packed_scores::{PackedRows, PackedScores};
use super::scores::{Rows, Scores, ScoresOf};
use crate::simd::{Backend, Chosen, Kernel};

impl Kernel {
    /// Score every query against every row: `scores[query * rows + row]`.
    ///
    /// `queries` is row-major and as wide as `rows`.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn scores(self, queries: &[f32], rows: Rows<'_>, scores: &mut [f32]) {
        self.run(Scores {
            queries,
            rows,
            to: scores,
        });
    }

    /// [`Self::scores`] of many queries against few rows: `scores[query * rows.width() + row]`.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn packed_scores(self, queries: &[f32], rows: &PackedRows, scores: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if let Chosen::Avx512Vnni(own) = self.chosen() {
            return own.packed_scores(queries, rows, scores);
        }
        self.run(PackedScores {
            queries,
            rows,
            to: scores,
        });
    }

    /// Number of queries that [`Self::packed_scores`] takes together. It takes as long for fewer.
    #[must_use]
    pub fn queries_together(self) -> usize {
        match self.backend() {
            Backend::Avx512Vnni => 16,
            Backend::Avx2Fma | Backend::Portable => 12,
        }
    }

    /// Score one query against some of the rows, given by their numbers.
    ///
    /// # Panics
    /// If the lengths do not agree, or there is no such row.
    pub fn scores_of(self, query: &[f32], all: Rows<'_>, rows: &[u32], scores: &mut [f32]) {
        self.run(ScoresOf {
            query,
            all,
            rows,
            to: scores,
        });
    }

    /// [`exact::distance`], with the same bits on every back end.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(own) => exact::squared_distance(own, a, b).sqrt(),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(own) => exact::squared_distance(own, a, b).sqrt(),
            Chosen::Portable(own) => exact::squared_distance(own, a, b).sqrt(),
        }
    }

    /// [`Kernel::distance`] rounded to float32. The sum is added up in the fastest order where any order rounds to
    /// the same number.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn rounded_distance(self, a: &[f32], b: &[f32]) -> f32 {
        #[cfg(target_arch = "x86_64")]
        if let Chosen::Avx512Vnni(own) = self.chosen() {
            let distance = own.distance_unordered(a, b);
            let error = distance * distance_error(a.len());
            let (least, most) = ((distance - error) as f32, (distance + error) as f32);
            if least.to_bits() == most.to_bits() {
                return least;
            }
        }
        self.distance(a, b) as f32
    }

    /// [`Kernel::distance`] of a vector to four others, in less than twice the time of one.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn distances(self, a: &[f32], others: [&[f32]; 4]) -> [f64; 4] {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(own) => exact::squared_distances(own, a, others).map(f64::sqrt),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(own) => exact::squared_distances(own, a, others).map(f64::sqrt),
            Chosen::Portable(own) => exact::squared_distances(own, a, others).map(f64::sqrt),
        }
    }

    /// Squared distances of all queries to all rows, `squares[query * rows.width() + row]`. They lie within
    /// [`squared_distance_error`](super::squared_distance_error) of the squares of [`Kernel::distance`], and have the same bits on every back end.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn squared_distances(self, queries: &[f32], rows: &DoubleRows, squares: &mut [f64]) {
        #[cfg(target_arch = "x86_64")]
        if let Chosen::Avx512Vnni(own) = self.chosen() {
            return own.squared_distances(queries, rows, squares);
        }
        rows.check(queries, squares);
        self.run(AllPairs {
            queries,
            rows,
            squares,
        });
    }

    /// [`exact::squared_norm`], with the same bits on every back end.
    #[must_use]
    pub fn squared_norm(self, a: &[f32]) -> f64 {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(own) => exact::squared_norm_by(own, a),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(own) => exact::squared_norm_by(own, a),
            Chosen::Portable(own) => exact::squared_norm_by(own, a),
        }
    }

    /// [`Kernel::squared_norm`] of four vectors, in less than twice the time of one.
    #[must_use]
    pub fn squared_norms(self, vectors: [&[f32]; 4]) -> [f64; 4] {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(own) => exact::squared_norms(own, vectors),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(own) => exact::squared_norms(own, vectors),
            Chosen::Portable(own) => exact::squared_norms(own, vectors),
        }
    }

    /// Quantize finite values: `codes[i]` is the whole number nearest to `values[i] / step`, from `-levels` to
    /// `levels` (at most 127). Returns an upper bound of the Euclidean distance between the values and `code * step`.
    ///
    /// # Panics
    /// If there are fewer codes than values, or the step is not a normal number above zero.
    pub fn encode(self, values: &[f32], step: f32, levels: i32, codes: &mut [i8]) -> f64 {
        assert!(step.is_normal() && step > 0.0 && levels <= codes8::LEVELS);
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(own) => own.avx2().encode(values, step, levels, codes),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(own) => own.encode(values, step, levels, codes),
            Chosen::Portable(_) => codes8::encode(values, step, levels, codes),
        }
    }

    /// Dot products of a query's four-bit codes with those of rows, four rows at a time; see [`codes4`].
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn code4_sums(self, codes: &[u8], query: &[QueryStep], sums: &mut [[i32; QUAD]]) {
        assert!(!query.is_empty() && codes.len() == sums.len() * query.len() * BYTES);
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(own) => own.avx2().code4_sums(codes, query, sums),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(own) => own.code4_sums(codes, query, sums),
            Chosen::Portable(_) => codes4::sums(codes, query, sums),
        }
    }

    /// The first block of `range` in which some sum reaches its query's limit; `found` then holds the sums and the
    /// hits of that block.
    ///
    /// A sum is the reference's allowance plus the dot product of the stored reference codes and the query codes; it
    /// is the same on every back end. There are `limits.len()` queries, one of [`codes8::TILES`]. `queries` holds
    /// their codes step by step: four codes of each query as one number, each code at most [`Backend::query_levels`].
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn next_hit(
        self,
        blocks: Blocks<'_>,
        range: Range<usize>,
        queries: &[i32],
        limits: &[i32],
        found: &mut Found,
    ) -> Option<usize> {
        blocks.check(queries, limits.len());
        assert!(range.end <= blocks.len());
        if let Ok(limits) = <&[i32; 8]>::try_from(limits) {
            self.next_hit_of(BlockSearch::new(blocks, range, queries, limits), found)
        } else if let Ok(limits) = <&[i32; 4]>::try_from(limits) {
            self.next_hit_of(BlockSearch::new(blocks, range, queries, limits), found)
        } else {
            let limits = <&[i32; 1]>::try_from(limits).expect("a size of TILES");
            self.next_hit_of(BlockSearch::new(blocks, range, queries, limits), found)
        }
    }

    fn next_hit_of<const Q: usize>(
        self,
        search: BlockSearch<'_, Q>,
        found: &mut Found,
    ) -> Option<usize> {
        match self.chosen() {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(own) => own.next_hit(search, found),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(own) => own.next_hit(search, found),
            Chosen::Portable(_) => codes8::next_hit(search, found),
        }
    }
}
