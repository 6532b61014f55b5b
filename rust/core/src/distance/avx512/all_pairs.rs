//! Squared distances of all pairs, from float64 products.

use std::arch::x86_64::{
    __m512d, _mm512_add_pd, _mm512_fmadd_pd, _mm512_fnmadd_pd, _mm512_loadu_pd, _mm512_set1_pd,
    _mm512_setzero_pd, _mm512_storeu_pd,
};

use super::exact::{doubles, total};
use crate::distance::all_pairs::{DoubleRows, Eight, PACK};
use crate::distance::exact;

/// Queries that are multiplied with two blocks of rows together: their sums take half of the registers.
const QUERIES: usize = 8;

/// [`AllPairs`](crate::distance::all_pairs::AllPairs), with the same bits.
#[target_feature(enable = "avx512f")]
pub(super) fn squared_distances(queries: &[f32], rows: &DoubleRows, squares: &mut [f64]) {
    let (dim, width) = (rows.check(queries, squares), rows.width());
    if width == 0 {
        return;
    }
    let mut doubles = vec![0.0; QUERIES * dim];
    let mut norms = [0.0; QUERIES];
    let tiles = queries.chunks(QUERIES * dim);
    for (tile, squares) in tiles.zip(squares.chunks_mut(QUERIES * width)) {
        let queries = tile.chunks_exact(dim).zip(doubles.chunks_exact_mut(dim));
        for (norm, (query, doubles)) in norms.iter_mut().zip(queries) {
            *norm = widened(query, doubles);
        }
        // Missing queries are computed with what is left of earlier ones.
        let mut queries: [&[f64]; QUERIES] = [&[]; QUERIES];
        for q in 0..QUERIES {
            queries[q] = &doubles[q * dim..][..dim];
        }
        let mut first = 0;
        let mut blocks = rows.blocks();
        while let Some(block) = blocks.next() {
            if let Some(second) = blocks.next() {
                let sums = of_blocks(queries, [block, second]);
                write(&sums, norms, rows, first, squares);
            } else {
                let sums = of_blocks(queries, [block]);
                write(&sums, norms, rows, first, squares);
            }
            first += 2 * PACK;
        }
    }
}

/// Convert a query to float64; returns its squared norm, added up as one short run.
#[target_feature(enable = "avx512f")]
fn widened(query: &[f32], to: &mut [f64]) -> f64 {
    let (eights, rest) = query.as_chunks::<8>();
    let (to_eights, to_rest) = to.as_chunks_mut::<8>();
    let mut sums = _mm512_setzero_pd();
    for (eight, to) in eights.iter().zip(to_eights) {
        let x = doubles(eight);
        // SAFETY: the reference covers the eight values written, and `storeu` takes any alignment.
        unsafe { _mm512_storeu_pd(to.as_mut_ptr(), x) }
        sums = _mm512_fmadd_pd(x, x, sums);
    }
    for (value, to) in rest.iter().zip(to_rest) {
        *to = f64::from(*value);
    }
    exact::add_squared_norm(total(sums), rest)
}

/// Dot products of some queries and the rows of some blocks.
#[target_feature(enable = "avx512f")]
fn of_blocks<const B: usize>(
    queries: [&[f64]; QUERIES],
    blocks: [&[Eight]; B],
) -> [[__m512d; B]; QUERIES] {
    let dim = queries[0].len();
    let blocks = blocks.map(|block| &block[..dim]);
    let mut sums = [[_mm512_setzero_pd(); B]; QUERIES];
    for d in 0..dim {
        let mut rows = [_mm512_setzero_pd(); B];
        for b in 0..B {
            // SAFETY: the reference covers the eight values read, and `loadu` takes any alignment.
            rows[b] = unsafe { _mm512_loadu_pd(blocks[b][d].0.as_ptr()) };
        }
        for q in 0..QUERIES {
            let query = _mm512_set1_pd(queries[q][d]);
            for b in 0..B {
                sums[q][b] = _mm512_fmadd_pd(query, rows[b], sums[q][b]);
            }
        }
    }
    sums
}

/// Turn products into squared distances, for as many queries as `squares` has room for.
#[target_feature(enable = "avx512f")]
fn write<const B: usize>(
    products: &[[__m512d; B]; QUERIES],
    norms: [f64; QUERIES],
    rows: &DoubleRows,
    first: usize,
    squares: &mut [f64],
) {
    let row_norms = rows.squared_norms()[first..][..B * PACK]
        .as_chunks::<PACK>()
        .0;
    for (q, squares) in squares.chunks_exact_mut(rows.width()).enumerate() {
        let to = squares[first..][..B * PACK].as_chunks_mut::<PACK>().0;
        for b in 0..B {
            // SAFETY: the references cover the eight values read and written, and `loadu` and `storeu` take any
            // alignment.
            unsafe {
                let norms = _mm512_add_pd(
                    _mm512_set1_pd(norms[q]),
                    _mm512_loadu_pd(row_norms[b].as_ptr()),
                );
                // Doubling is exact, so fusing it saves no rounding.
                let square = _mm512_fnmadd_pd(_mm512_set1_pd(2.0), products[q][b], norms);
                _mm512_storeu_pd(to[b].as_mut_ptr(), square);
            }
        }
    }
}
