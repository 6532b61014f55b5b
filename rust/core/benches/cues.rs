//! What liveness adds to an aligned face: `cargo bench -p faceid-core --bench cues`.

use divan::{Bencher, black_box};
use faceid_core::align::cues::Cues;
use faceid_core::align::frontal_map::Maps;
use faceid_core::align::grid::{CELLS, GRID_HEIGHT, GRID_WIDTH};

fn main() {
    divan::main();
}

/// All cues of a face that is seen everywhere.
#[divan::bench]
fn cues(bencher: Bencher) {
    let template: Vec<f32> = (0..CELLS)
        .map(|at| {
            let x = (at % GRID_WIDTH) as f32 - GRID_WIDTH as f32 / 2.0;
            let y = (at / GRID_WIDTH) as f32 - GRID_HEIGHT as f32 / 2.0;
            (x * x + y * y) / 75.0 - 18.0 * (-(x * x + y * y) / 50.0).exp()
        })
        .collect();
    let maps = Maps {
        filled: vec![],
        depth: template
            .iter()
            .map(|z| 1.1 * z + 0.3 * (7.0 * z).sin())
            .collect(),
        light: vec![vec![0.5; CELLS]],
        valid: vec![true; CELLS],
    };
    let tensor = maps.tensor(&template);
    bencher.bench(|| Cues::of(black_box(&maps), black_box(&tensor), black_box(&template)));
}
