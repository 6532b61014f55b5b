//! Reading depth texts: `cargo bench -p faceid-core --bench parse`.
//!
//! Times beside a loop in Python, numpy and pandas come from `make bench-frames`.

use std::fmt::Write;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use faceid_core::input::depth_text::DepthText;

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
            let mm = match squared {
                0..=10_000 => 800 + squared / 100,
                10_001..=14_000 => -1,
                _ => 1500 + (row * 7 + column * 3) % 40,
            };
            let decimals = if mm < 0 { "" } else { decimals };
            write!(text, "{mm}{decimals}\t").expect("a String takes it");
        }
        text += "\n";
    }
    text
}

/// No number is like its neighbour.
fn noise() -> String {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut text = String::new();
    for _ in 0..480 {
        for _ in 0..640 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            write!(text, "{}\t", (state >> 33) % 1600).expect("a String takes it");
        }
        text += "\n";
    }
    text
}

/// Whole numbers, as the VAP RGB-D face database has them; numbers without any order; and decimals, which are
/// taken a byte at a time.
#[divan::bench(args = ["whole", "noise", "decimals"])]
fn depth_text(bencher: Bencher, kind: &str) {
    let text = match kind {
        "whole" => scene(""),
        "noise" => noise(),
        _ => scene(".25"),
    };
    bencher
        .counter(BytesCount::new(text.len()))
        .bench(|| FORMAT.read(black_box(text.as_bytes())));
}
