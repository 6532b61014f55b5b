//! Reading depth texts: `cargo bench -p faceid-core --bench parse`.
//!
//! Times beside a loop in Python, numpy and pandas come from `make bench-frames`.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use faceid_core::parse::DepthText;

const FORMAT: DepthText = DepthText {
    height: 480,
    width: 640,
    missing: -1,
    cap_mm: 1200,
};

fn main() {
    divan::main();
}

/// A head before a wall, with a shadow of missing numbers beside it.
fn scene(decimals: &str) -> String {
    let mut text = String::new();
    for row in 0..480_i32 {
        for column in 0..640_i32 {
            let squared = (column - 320).pow(2) + (row - 240).pow(2);
            match squared {
                0..=10_000 => text += &format!("{}{decimals}\t", 800 + squared / 100),
                10_001..=14_000 => text += "-1\t",
                _ => text += &format!("{}{decimals}\t", 1500 + (row * 7 + column * 3) % 40),
            }
        }
        text += "\n";
    }
    text
}

/// Whole numbers, as the VAP RGB-D face database has them; and decimals, one byte at a time.
#[divan::bench(args = ["", ".25"])]
fn depth_text(bencher: Bencher, decimals: &str) {
    let text = scene(decimals);
    bencher
        .counter(BytesCount::new(text.len()))
        .bench(|| FORMAT.read(black_box(text.as_bytes())));
}
