//! Float32 scores, written once over [`Lanes`].

use crate::simd::{LANES, Lanes, Loops};

/// Reference vectors side by side.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Values per row.
    pub dim: usize,
    /// `(rows, dim)`, row-major.
    pub values: &'a [f32],
}

impl Rows<'_> {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// Scores every query against every row: [`Kernel::scores`](crate::simd::Kernel::scores).
///
/// ```text
/// for 3 queries at a time (or the 1 or 2 that remain)
///     for 4 rows at a time (8 for a single query: as many independent sums as hide the latency)
///         for 8 dimensions at a time
///             sums[query][row] += queries[query] * rows[row]     lane by lane
///         scores[query][row] = add up the lanes of sums[query][row]
/// ```
pub(super) struct Scores<'a> {
    pub queries: &'a [f32],
    pub rows: Rows<'a>,
    pub to: &'a mut [f32],
}

impl Loops for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self {
            queries,
            rows,
            to: scores,
        } = self;
        let dim = rows.dim;
        assert!(
            dim > 0 && queries.len().is_multiple_of(dim) && rows.values.len().is_multiple_of(dim)
        );
        let count = rows.len();
        assert_eq!(scores.len(), queries.len() / dim * count);
        if count == 0 {
            return;
        }
        let mut tiles = queries.chunks(3 * dim).zip(scores.chunks_mut(3 * count));
        for (tile, scores) in &mut tiles {
            match tile.len() / dim {
                1 => against_all::<L, 1, 8>(lanes, tile, rows, scores),
                2 => against_all::<L, 2, 4>(lanes, tile, rows, scores),
                _ => against_all::<L, 3, 4>(lanes, tile, rows, scores),
            }
        }
    }
}

/// Scores one query against some of the rows: [`Kernel::scores_of`](crate::simd::Kernel::scores_of).
pub(super) struct ScoresOf<'a> {
    pub query: &'a [f32],
    pub all: Rows<'a>,
    pub rows: &'a [u32],
    pub to: &'a mut [f32],
}

impl Loops for ScoresOf<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self {
            query,
            all,
            rows,
            to: scores,
        } = self;
        assert!(query.len() == all.dim && rows.len() == scores.len());
        let row = |row: &u32| &all.values[*row as usize * all.dim..][..all.dim];
        for (rows, scores) in rows.chunks(8).zip(scores.chunks_mut(8)) {
            let last = rows.len() - 1;
            if last < 4 {
                let rows: [&[f32]; 4] = std::array::from_fn(|r| row(&rows[r.min(last)]));
                let [dots] = tile::<L, 1, 4>(lanes, [query], rows);
                scores.copy_from_slice(&dots[..=last]);
            } else {
                let rows: [&[f32]; 8] = std::array::from_fn(|r| row(&rows[r.min(last)]));
                let [dots] = tile::<L, 1, 8>(lanes, [query], rows);
                scores.copy_from_slice(&dots[..=last]);
            }
        }
    }
}

/// Score `Q` queries against every row, `R` rows at a time.
#[inline(always)]
fn against_all<L: Lanes, const Q: usize, const R: usize>(
    lanes: L,
    queries: &[f32],
    rows: Rows<'_>,
    scores: &mut [f32],
) {
    let count = rows.len();
    let mut first = 0;
    while first < count {
        // For the last rows a smaller tile is cheaper where it suffices.
        if R > 4 && count - first <= 4 {
            consecutive::<L, Q, 4>(lanes, queries, rows, first, scores);
        } else {
            consecutive::<L, Q, R>(lanes, queries, rows, first, scores);
        }
        first += R;
    }
}

/// Score `Q` queries against the `R` rows from `first` on. Past the end the last row stands in and its scores are
/// dropped, so that no tail needs code of its own.
#[inline(always)]
fn consecutive<L: Lanes, const Q: usize, const R: usize>(
    lanes: L,
    queries: &[f32],
    rows: Rows<'_>,
    first: usize,
    scores: &mut [f32],
) {
    let (dim, count) = (rows.dim, rows.len());
    let mut tile_queries: [&[f32]; Q] = [&[]; Q];
    for q in 0..Q {
        tile_queries[q] = &queries[q * dim..(q + 1) * dim];
    }
    let mut tile_rows: [&[f32]; R] = [&[]; R];
    for (r, tile_row) in tile_rows.iter_mut().enumerate() {
        let row = (first + r).min(count - 1);
        *tile_row = &rows.values[row * dim..(row + 1) * dim];
    }
    let dots = tile(lanes, tile_queries, tile_rows);
    for q in 0..Q {
        let count_here = R.min(count - first);
        scores[q * count + first..][..count_here].copy_from_slice(&dots[q][..count_here]);
    }
}

/// All dot products of some queries and some rows, a multiple of four, all of one width.
#[inline(always)]
fn tile<L: Lanes, const Q: usize, const R: usize>(
    lanes: L,
    queries: [&[f32]; Q],
    rows: [&[f32]; R],
) -> [[f32; R]; Q] {
    let steps = queries[0].len() / LANES;
    let mut query_eights: [&[[f32; LANES]]; Q] = [&[]; Q];
    let mut query_rest: [&[f32]; Q] = [&[]; Q];
    for q in 0..Q {
        let (eights, rest) = queries[q].as_chunks();
        query_eights[q] = &eights[..steps];
        query_rest[q] = rest;
    }
    let mut row_eights: [&[[f32; LANES]]; R] = [&[]; R];
    let mut row_rest: [&[f32]; R] = [&[]; R];
    for r in 0..R {
        let (eights, rest) = rows[r].as_chunks();
        row_eights[r] = &eights[..steps];
        row_rest[r] = rest;
    }

    let mut sums = [[lanes.zero(); R]; Q];
    for step in 0..steps {
        let mut query = [lanes.zero(); Q];
        for q in 0..Q {
            query[q] = lanes.load(&query_eights[q][step]);
        }
        for r in 0..R {
            let row = lanes.load(&row_eights[r][step]);
            for q in 0..Q {
                sums[q][r] = lanes.mul_add(query[q], row, sums[q][r]);
            }
        }
    }

    let mut dots = [[0.0; R]; Q];
    for q in 0..Q {
        for four in 0..R / 4 {
            let at = 4 * four;
            let vectors = [
                sums[q][at],
                sums[q][at + 1],
                sums[q][at + 2],
                sums[q][at + 3],
            ];
            dots[q][at..at + 4].copy_from_slice(&lanes.sums(vectors));
        }
        if !query_rest[q].is_empty() {
            for r in 0..R {
                dots[q][r] += rest_of_dot(query_rest[q], row_rest[r]);
            }
        }
    }
    dots
}

/// Dot product of the last values, up to seven, that fill no vector.
#[inline(always)]
fn rest_of_dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = 0.0;
    for i in 0..a.len().min(b.len()) {
        sum += a[i] * b[i];
    }
    sum
}
