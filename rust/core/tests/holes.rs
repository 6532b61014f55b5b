//! Small holes in depth: filled as a plain loop over every pixel fills them, and never more than that.

use faceid_core::input::holes::Filled;
use faceid_core::input::views::{Camera, DepthSamples, DepthView};
use proptest::prelude::*;

const FOCAL_PX: f32 = 365.0;

fn camera() -> Camera {
    Camera::new(FOCAL_PX, FOCAL_PX * 1.1, 0.0, 0.0).expect("valid intrinsics")
}

fn view(samples: &[u16], width: usize, unit_m: f32) -> DepthView<'_> {
    let height = samples.len() / width;
    DepthView::new(DepthSamples::U16(samples), height, width, unit_m).expect("whole rows")
}

/// Samples with small holes filled, and which were.
fn filled(samples: &[u16], width: usize, unit_m: f32) -> (Vec<u16>, Vec<bool>) {
    let Some(found) = Filled::of(&view(samples, width, unit_m), &camera()) else {
        return (samples.to_vec(), vec![false; samples.len()]);
    };
    let depth = found.view();
    let DepthSamples::U16(after) = depth.samples() else {
        panic!("samples of another type");
    };
    let mut known = vec![false; samples.len()];
    let bits = depth.filled().expect("of a filled map");
    for row in 0..samples.len() / width {
        for column in bits.columns(row, 0, width) {
            known[row * width + column] = true;
        }
    }
    (after.to_vec(), known)
}

/// The same, pixel by pixel.
fn reference(samples: &[u16], width: usize, unit_m: f32) -> (Vec<u16>, Vec<bool>) {
    let height = samples.len() / width;
    let (mut after, mut known) = (samples.to_vec(), vec![false; samples.len()]);
    let mm = 1000.0 * unit_m;
    for row in 0..height {
        for column in 0..width {
            if samples[row * width + column] != 0 {
                continue;
            }
            let across = gap(
                &line(samples, row * width, 1, width),
                column,
                camera().fx,
                mm,
            );
            let down = gap(&line(samples, column, width, height), row, camera().fy, mm);
            let (Some(across), Some(down)) = (across, down) else {
                continue;
            };
            if across.length_mm.min(down.length_mm) > 25.0 {
                continue;
            }
            let surfaces: Vec<&Gap> = [&down, &across]
                .into_iter()
                .filter(|gap| gap.step_mm <= 25.5)
                .collect();
            let apart = (across.value - down.value).abs() * mm;
            if surfaces.is_empty() || (surfaces.len() == 2 && apart > 25.5) {
                continue;
            }
            let weights: f32 = surfaces.iter().map(|gap| 1.0 / gap.pixels).sum();
            let mean = surfaces
                .iter()
                .map(|gap| gap.value / gap.pixels)
                .sum::<f32>()
                / weights;
            after[row * width + column] = (mean.round() as u16).max(1);
            known[row * width + column] = true;
        }
    }
    (after, known)
}

struct Gap {
    value: f32,
    pixels: f32,
    length_mm: f32,
    step_mm: f32,
}

fn line(samples: &[u16], first: usize, step: usize, count: usize) -> Vec<u16> {
    (0..count).map(|at| samples[first + at * step]).collect()
}

/// The gap around a missing sample of a line, unless it is open, long, or at a silhouette.
fn gap(line: &[u16], at: usize, focal_px: f32, mm: f32) -> Option<Gap> {
    let first = (0..at).rev().find(|&k| line[k] != 0)?;
    let last = (at..line.len()).find(|&k| line[k] != 0)?;
    let ends = [f32::from(line[first]), f32::from(line[last])];
    let pixels = (last - first - 1) as f32;
    let share = (at - first) as f32 / (last - first) as f32;
    let found = Gap {
        value: ends[0] + (ends[1] - ends[0]) * share,
        pixels,
        length_mm: pixels * ends[0].min(ends[1]) * mm / focal_px,
        step_mm: (ends[0] - ends[1]).abs() * mm,
    };
    (found.length_mm <= 30.0 && found.step_mm <= 60.5).then_some(found)
}

/// Pictures in which limits are met and missed: depth in few steps, holes of every size.
fn pictures() -> impl Strategy<Value = (usize, Vec<u16>)> {
    (2_usize..150, 2_usize..24).prop_flat_map(|(width, height)| {
        let sample = prop_oneof![
            3 => 780_u16..820,
            1 => prop_oneof![Just(840_u16), Just(880), Just(2000), Just(60_000)],
            4 => Just(0_u16),
        ];
        (Just(width), prop::collection::vec(sample, width * height))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 1000 }))]

    #[test]
    fn holes_are_filled_as_a_plain_loop_fills_them((width, samples) in pictures()) {
        let (wanted, which) = reference(&samples, width, 0.001);
        let (found, known) = filled(&samples, width, 0.001);
        prop_assert_eq!(known, which);
        for (found, wanted) in found.iter().zip(wanted) {
            // Sums in another order may round a half the other way.
            prop_assert!(found.abs_diff(wanted) <= 1);
        }
    }

    #[test]
    fn what_was_measured_stays((width, samples) in pictures()) {
        let (found, known) = filled(&samples, width, 0.001);
        for ((&before, &after), &known) in samples.iter().zip(&found).zip(&known) {
            let as_it_should = if known { before == 0 && after > 0 } else { before == after };
            prop_assert!(as_it_should);
        }
    }

    #[test]
    fn floats_are_filled_like_whole_numbers((width, samples) in pictures(), seed in 0_usize..4) {
        let missing = [0.0, -1.0, f32::NAN, f32::INFINITY][seed];
        let metres: Vec<f32> = samples
            .iter()
            .map(|&mm| if mm == 0 { missing } else { f32::from(mm) })
            .collect();
        let height = samples.len() / width;
        let view = DepthView::new(DepthSamples::F32(&metres), height, width, 0.001).expect("rows");
        let (whole, known) = filled(&samples, width, 0.001);
        match Filled::of(&view, &camera()) {
            None => prop_assert!(!known.contains(&true)),
            Some(found) => {
                let view = found.view();
                let DepthSamples::F32(after) = view.samples() else { panic!("another type") };
                for ((after, whole), known) in after.iter().zip(whole).zip(known) {
                    prop_assert!(!known || (after - f32::from(whole)).abs() <= 0.51);
                }
            }
        }
    }
}

#[test]
fn a_map_without_holes_is_not_touched() {
    let samples = vec![800_u16; 70 * 9];
    assert!(Filled::of(&view(&samples, 70, 0.001), &camera()).is_none());
}

#[test]
fn a_slope_goes_on_through_its_holes() {
    let width = 130;
    let slope: Vec<u16> = (0..width * 20)
        .map(|at| (700 + 2 * (at % width) + 3 * (at / width)) as u16)
        .collect();
    let mut holed = slope.clone();
    for (row, column) in [
        (3, 5),
        (3, 6),
        (4, 5),
        (9, 63),
        (9, 64),
        (10, 64),
        (15, 127),
    ] {
        holed[row * width + column] = 0;
    }
    assert_eq!(filled(&holed, width, 0.001).0, slope);
}

#[test]
fn a_hole_beside_a_silhouette_stays() {
    // A head before a wall: the pixel between both is nobody's.
    let width = 40;
    let mut samples: Vec<u16> = (0..width * 20)
        .map(|at| if at % width < 20 { 800 } else { 2500 })
        .collect();
    for row in 5..10 {
        samples[row * width + 20] = 0;
    }
    assert_eq!(filled(&samples, width, 0.001).0, samples);
}

#[test]
fn what_is_open_or_large_stays() {
    let width = 60;
    let mut samples = vec![800_u16; width * 60];
    // A disc of 44 mm, and a notch in the picture's edge.
    for row in 20..40 {
        samples[row * width + 20..row * width + 40].fill(0);
    }
    for row in 0..3 {
        samples[row * width + 8..row * width + 11].fill(0);
    }
    assert_eq!(filled(&samples, width, 0.001).0, samples);
    // The same pixels are a small hole, where they are fine.
    let fine: Vec<u16> = samples.iter().map(|&mm| mm * 2).collect();
    assert_ne!(filled(&fine, width, 0.00025).0, fine);
}
