//! The parts that a search is made of, on every back end of this CPU: `cargo bench -p faceid-core`.
//!
//! Times of whole Python calls beside peers come from `make bench`.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use faceid_core::distance::Rows;
use faceid_core::distance::codes8::{BLOCK, Blocks, Found, Packing, STEP_BYTES};
use faceid_core::gallery::Gallery;
use faceid_core::gallery::UnitVectors;
use faceid_core::simd::Kernel;

const DIM: usize = 128;

fn main() {
    divan::main();
}

/// Uniform numbers from a xorshift generator, between -1 and 1.
fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn unit(seed: u64, count: usize) -> UnitVectors {
    let mut values = noise(seed, count * DIM);
    for vector in values.chunks_exact_mut(DIM) {
        let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        for value in vector {
            *value /= norm;
        }
    }
    UnitVectors::new("vectors", DIM, values).expect("unit vectors")
}

fn kernel(backend: &str) -> Kernel {
    let mut all = Kernel::available();
    let named = all.find(|kernel| kernel.backend().name() == backend);
    named.expect("one of the names listed")
}

fn backends() -> impl Iterator<Item = &'static str> {
    Kernel::available().map(|kernel| kernel.backend().name())
}

/// Codes of 1,024 references, which stay in the second-level cache, against a tile of queries none of which
/// reaches its limit.
fn codes<const TILE: usize>(bencher: Bencher, backend: &str, packing: Packing) {
    let (steps, blocks) = (packing.steps(DIM), 32);
    let codes = vec![131; blocks * packing.rows(steps) * STEP_BYTES];
    let allowances = vec![0; blocks * BLOCK];
    let view = Blocks {
        codes: &codes,
        packing,
        allowances: &allowances,
        shift: 0,
        steps,
    };
    let queries = vec![0x0101_0101; steps * TILE];
    let (kernel, limits) = (kernel(backend), [i32::MAX; TILE]);
    let mut found = Found::default();
    bencher
        .counter(ItemsCount::new(blocks * BLOCK * TILE))
        .bench_local(|| kernel.next_hit(view, 0..blocks, black_box(&queries), &limits, &mut found));
}

#[divan::bench(args = backends(), consts = [1, 4, 8])]
fn bytes<const TILE: usize>(bencher: Bencher, backend: &str) {
    codes::<TILE>(bencher, backend, Packing::Bits8);
}

#[divan::bench(args = backends(), consts = [1, 4, 8])]
fn fives<const TILE: usize>(bencher: Bencher, backend: &str) {
    codes::<TILE>(bencher, backend, Packing::Bits5);
}

/// Float32 scores of 16 references, as of one person, for one and for three queries.
#[divan::bench(args = backends(), consts = [1, 3])]
fn scores<const QUERIES: usize>(bencher: Bencher, backend: &str) {
    let (references, queries) = (unit(1, 16), unit(2, QUERIES));
    let mut scores = vec![0.0; 16 * QUERIES];
    let kernel = kernel(backend);
    let rows = Rows {
        dim: DIM,
        values: references.values(),
    };
    bencher
        .counter(ItemsCount::new(16 * QUERIES))
        .bench_local(|| kernel.scores(black_box(queries.values()), rows, &mut scores));
}

/// The distance that decides.
#[divan::bench(args = backends())]
fn distance(bencher: Bencher, backend: &str) {
    let (a, b) = (unit(1, 1), unit(2, 1));
    let kernel = kernel(backend);
    bencher.bench_local(|| kernel.distance(black_box(a.values()), black_box(b.values())));
}

/// A whole search on the fastest back end, one thread, random references.
#[divan::bench(args = [(16, 1024, 1), (16, 1024, 10), (1000, 1024, 1), (1000, 1024, 10), (10_000, 1, 1), (100_000, 1, 1)])]
fn nearest(bencher: Bencher, (references, queries, k): (usize, usize, usize)) {
    let mut gallery = Gallery::new(DIM).expect("a width in range");
    let names: Vec<String> = (0..references).map(|i| i.to_string()).collect();
    gallery
        .extend(unit(1, references), &names)
        .expect("one name each");
    let queries = unit(2, queries);
    bencher
        .counter(ItemsCount::new(queries.len()))
        .bench_local(|| gallery.nearest(black_box(&queries), k, Some(1)));
}
