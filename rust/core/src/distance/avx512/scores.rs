//! Float32 scores in 512-bit registers.

use std::arch::x86_64::{
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use crate::distance::packed_scores::{PACK, PackedRows};

/// Queries that are scored together: their sums take half of the registers, and batches often have as many.
const QUERIES: usize = 16;

/// [`PackedScores`](crate::distance::packed_scores::PackedScores): a block of rows fills one register.
#[target_feature(enable = "avx512f")]
pub(super) fn packed_scores(queries: &[f32], rows: &PackedRows, scores: &mut [f32]) {
    let (dim, width) = rows.check(queries, scores);
    if width == 0 {
        return;
    }
    let tiles = queries.chunks(QUERIES * dim);
    for (tile, scores) in tiles.zip(scores.chunks_mut(QUERIES * width)) {
        if tile.len() <= QUERIES / 4 * dim {
            of_tile::<{ QUERIES / 4 }>(tile, rows, scores);
        } else {
            of_tile::<QUERIES>(tile, rows, scores);
        }
    }
}

/// The scores of up to `Q` queries. Past the end the last query stands in and is scored again.
#[target_feature(enable = "avx512f")]
fn of_tile<const Q: usize>(tile: &[f32], rows: &PackedRows, scores: &mut [f32]) {
    let (dim, width) = (rows.dim(), rows.width());
    let last = tile.len() / dim - 1;
    let mut queries: [&[f32]; Q] = [&[]; Q];
    for q in 0..Q {
        queries[q] = &tile[q.min(last) * dim..][..dim];
    }
    for (block, values) in rows.blocks().enumerate() {
        let mut sums = [_mm512_setzero_ps(); Q];
        for (d, row) in values.iter().enumerate().take(dim) {
            // SAFETY: the reference covers the 16 values read, and `loadu` takes any alignment.
            let row = unsafe { _mm512_loadu_ps(row.as_ptr()) };
            for q in 0..Q {
                sums[q] = _mm512_fmadd_ps(_mm512_set1_ps(queries[q][d]), row, sums[q]);
            }
        }
        for q in 0..=last {
            let to = &mut scores[q * width + block * PACK..][..PACK];
            // SAFETY: the slice covers the 16 values written, and `storeu` takes any alignment.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), sums[q]) }
        }
    }
}
