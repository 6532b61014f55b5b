//! Chips of pictures that say where they were sampled, against a plain sampling, and of whatever poses there are.

use nalgebra::Matrix3;
use proptest::prelude::*;

use super::*;
use crate::input::views::Camera;

const UPRIGHT: Similarity = Similarity {
    a: 1.0,
    b: 0.0,
    shift: [0.0; 2],
};

fn infrared(samples: &[u16], width: usize) -> Picture<'_> {
    Picture {
        light: IntensityView::InfraredU16(samples),
        height: samples.len() / width,
        width,
    }
}

fn colored(samples: &[u8], width: usize) -> Picture<'_> {
    Picture {
        light: IntensityView::Color(samples),
        height: samples.len() / 3 / width,
        width,
    }
}

/// Infrared values of the chip before they are brightened.
fn values(samples: &[u16], width: usize, map: Similarity) -> Vec<f32> {
    let sampled = sampled(&infrared(samples, width), samples, map);
    sampled.into_iter().map(|[value]| value).collect()
}

/// Whether a chip is whole, and all of it is 0.
fn is_dark(chip: &[u8]) -> bool {
    chip.len() == CHIP_CHANNELS * PIXELS && chip.iter().all(|&value| value == 0)
}

/// Numbers without a pattern.
fn noise(count: usize, seed: u64) -> impl Iterator<Item = u16> {
    let mut state = seed | 1;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u16
    })
}

/// A frontal face at half a metre, in the middle of a picture of 200 x 200 pixels.
fn frontal() -> Pose {
    Pose {
        rotation: Matrix3::identity(),
        translation: Vector3::new(0.0, -20.0, 500.0),
        camera: Camera::new(400.0, 400.0, 100.0, 100.0).expect("valid"),
    }
}

#[test]
fn a_chip_that_is_the_picture_copies_its_pixels() {
    let gray: Vec<u16> = noise(PIXELS, 5).collect();
    let copied: Vec<f32> = gray.iter().copied().map(f32::from).collect();
    assert_eq!(values(&gray, CHIP_PX, UPRIGHT), copied);

    let colors: Vec<u8> = noise(3 * PIXELS, 7).map(|value| value as u8).collect();
    let chip = rounded(&sampled(&colored(&colors, CHIP_PX), &colors, UPRIGHT));
    for (k, channel) in chip.chunks_exact(PIXELS).enumerate() {
        let of_picture: Vec<u8> = colors.iter().skip(k).step_by(3).copied().collect();
        assert_eq!(channel, of_picture, "channel {k}");
    }
}

#[test]
fn a_chip_that_is_smaller_averages_all_of_the_picture() {
    for scale in [2, 3] {
        let width = scale * CHIP_PX;
        let gray: Vec<u16> = noise(width * width, 11).collect();
        let smaller = Similarity {
            a: scale as f64,
            b: 0.0,
            shift: [(scale as f64 - 1.0) / 2.0; 2],
        };
        for (at, value) in values(&gray, width, smaller).into_iter().enumerate() {
            let first = scale * (at / CHIP_PX) * width + scale * (at % CHIP_PX);
            let block = (0..scale).flat_map(|row| &gray[first + row * width..][..scale]);
            let mean = block.copied().map(f32::from).sum::<f32>() / (scale * scale) as f32;
            assert!((value - mean).abs() < 1e-2, "{scale}: {at}");
        }
    }
}

#[test]
fn outside_of_the_picture_all_is_0() {
    let shifted = |x: f64| Similarity {
        shift: [x, 0.0],
        ..UPRIGHT
    };
    let gray = vec![100; PIXELS];
    let beside = values(&gray, CHIP_PX, shifted(-10.5));
    let beyond = values(&gray, CHIP_PX, shifted(10.5));
    for row in 0..CHIP_PX {
        for column in 0..CHIP_PX {
            let wanted = |inside: usize| match inside {
                0..10 => 0.0,
                10 => 50.0,
                _ => 100.0,
            };
            let at = row * CHIP_PX + column;
            assert_eq!(beside[at].to_bits(), f32::to_bits(wanted(column)), "{at}");
            let from_right = CHIP_PX - 1 - column;
            assert_eq!(
                beyond[at].to_bits(),
                f32::to_bits(wanted(from_right)),
                "{at}"
            );
        }
    }
}

#[test]
fn a_similarity_is_found_where_there_is_one() {
    let map = Similarity {
        a: 0.7,
        b: -0.4,
        shift: [31.0, 65.0],
    };
    let found = into_frame(&PLACES_PX.map(|[x, y]| map.of(x, y))).expect("a similarity");
    assert!((found.a - map.a).abs() < 1e-12 && (found.b - map.b).abs() < 1e-12);
    for (found, wanted) in found.shift.iter().zip(map.shift) {
        assert!((found - wanted).abs() < 1e-9);
    }
}

#[test]
fn a_face_s_points_come_to_their_places() {
    // A bright spot where the camera sees each point.
    let points = seen(&frontal()).expect("in front of the camera");
    for (point, place) in points.into_iter().zip(PLACES_PX) {
        let mut samples = vec![0_u16; 200 * 200];
        let [column, row] = point.map(|pixels| pixels.round() as usize);
        samples[row * 200 + column] = 1000;
        let map = into_frame(&points).expect("a similarity");
        let chip = values(&samples, 200, map);
        let brightest = (0..PIXELS).max_by(|&a, &b| chip[a].total_cmp(&chip[b]));
        let at = brightest.expect("not empty");
        let [x, y] = [at % CHIP_PX, at / CHIP_PX].map(|pixels| pixels as f64);
        assert!((x - place[0]).hypot(y - place[1]) < 4.0, "{x}, {y}");
    }
}

#[test]
fn infrared_is_brightened_up_to_its_brightest_two_percent() {
    let ramp: Vec<[f32; 1]> = (0..PIXELS).rev().map(|value| [value as f32]).collect();
    let chip = brightened(&ramp);
    assert_eq!(BRIGHT, 22_049);
    for (byte, [value]) in chip.iter().zip(ramp.repeat(CHIP_CHANNELS)) {
        let wanted = (255.0 * (f64::from(value) / 22_049.0).min(1.0).sqrt()).round();
        assert_eq!(*byte, wanted as u8, "{value}");
    }
}

#[test]
fn infrared_of_8_bits_is_that_of_16() {
    let bytes: Vec<u8> = noise(200 * 200, 3).map(|value| value as u8).collect();
    let words: Vec<u16> = bytes.iter().copied().map(u16::from).collect();
    let picture = Picture {
        light: IntensityView::InfraredU8(&bytes),
        ..infrared(&words, 200)
    };
    let found = chip(&picture, &frontal());
    assert_eq!(found, chip(&infrared(&words, 200), &frontal()));
    assert!(found.contains(&255));
}

#[test]
fn a_picture_that_is_0_gives_a_chip_that_is_0() {
    let black = vec![0_u8; 3 * 40_000];
    assert!(is_dark(&chip(&colored(&black, 200), &frontal())));
    let mut lamp = vec![0; 40_000];
    assert!(is_dark(&chip(&infrared(&lamp, 200), &frontal())));
    // Fewer than two in a hundred shine.
    lamp[200 * 100 + 100] = u16::MAX;
    assert!(is_dark(&chip(&infrared(&lamp, 200), &frontal())));
}

#[test]
fn colours_are_as_they_are_and_in_their_order() {
    let colors = [10, 200, 30].repeat(200 * 200);
    let chip = chip(&colored(&colors, 200), &frontal());
    for (channel, color) in chip.chunks_exact(PIXELS).zip([10, 200, 30]) {
        assert!(channel.iter().all(|&value| value == color));
    }
}

#[test]
fn a_pose_that_shows_no_face_gives_a_chip_that_is_0() {
    let gray = vec![100; 40_000];
    let pose = frontal();
    let with = |focal: f32, rotation: Matrix3<f32>, z: f32| Pose {
        rotation,
        translation: Vector3::new(0.1, 0.2, z),
        camera: Camera {
            fx: focal,
            fy: focal,
            cx: 50.1,
            ..pose.camera
        },
    };
    let upright = pose.rotation;
    for pose in [
        with(400.0, upright, -500.0),
        with(400.0, upright, 0.0),
        with(400.0, 1e9 * upright, 500.0),
        with(400.0, 0.0 * upright, 500.0),
        with(1e-30, upright, 500.0),
        with(1.0, upright, 500.0),
        with(f32::MAX, upright, 500.0),
        with(f32::MAX, f32::MAX * upright, 500.0),
        with(f32::NAN, upright, 500.0),
        with(400.0, f32::NAN * upright, 500.0),
        with(400.0, upright, f32::NAN),
        with(400.0, upright, f32::INFINITY),
    ] {
        assert!(is_dark(&chip(&infrared(&gray, 200), &pose)), "{pose:?}");
    }
    assert!(!is_dark(&chip(&infrared(&gray, 200), &pose)));
}

#[test]
fn a_picture_wider_than_numbers_tell_apart_is_sampled_all_the_same() {
    let width = 5_000_000;
    let stripes = [0, 1000].repeat(width);
    let sampling = Sampling::<u16, 1> {
        samples: &stripes,
        height: 2,
        width,
        map: Similarity {
            a: 33_333.5,
            ..UPRIGHT
        },
        along: 1,
    };
    let found = Kernel::fastest().run(sampling);
    let between = |[value]: &[f32; 1]| (0.0..=1000.0).contains(value);
    assert!(found.iter().all(between));
}

/// The frame's value at a point: 0 outside.
fn plainly(samples: &[u16], width: usize, [x, y]: [f64; 2]) -> f64 {
    let mut sum = 0.0;
    for (at, &sample) in samples.iter().enumerate() {
        let [right, below] = [x - (at % width) as f64, y - (at / width) as f64].map(f64::abs);
        if right < 1.0 && below < 1.0 {
            sum += f64::from(sample) * (1.0 - right) * (1.0 - below);
        }
    }
    sum
}

fn any_finite() -> impl Strategy<Value = f32> {
    prop_oneof![
        -2.0_f32..2.0,
        -2000.0_f32..2000.0,
        proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_back_end_samples_as_a_plain_one_does(
        size in (1_usize..12, 1_usize..12),
        step in (-0.3_f64..0.3, -0.3_f64..0.3),
        place in (-1.0_f64..12.0, -1.0_f64..12.0),
        seed in any::<u64>(),
        pixels in proptest::collection::vec(0..PIXELS, 20),
        along in 1_usize..4,
    ) {
        let (height, width) = size;
        let samples: Vec<u16> = noise(width * height, seed).collect();
        let mut map = Similarity { a: step.0, b: step.1, shift: [0.0; 2] };
        let [x, y] = map.of(75.0, 75.0);
        map.shift = [place.0 - x, place.1 - y];
        for kernel in Kernel::available() {
            let sampling = Sampling::<u16, 1> { samples: &samples, height, width, map, along };
            let found = kernel.run(sampling);
            for &pixel in &pixels {
                let mut mean = 0.0;
                for sample in 0..along * along {
                    let within = |k: usize| (k as f64 + 0.5) / along as f64 - 0.5;
                    let x = (pixel % CHIP_PX) as f64 + within(sample % along);
                    let y = (pixel / CHIP_PX) as f64 + within(sample / along);
                    mean += plainly(&samples, width, map.of(x, y)) / (along * along) as f64;
                }
                prop_assert!((f64::from(found[pixel][0]) - mean).abs() < 1.0, "{pixel}");
            }
        }
    }

    #[test]
    fn any_pose_gets_a_chip(
        rotation in proptest::array::uniform9(any_finite()),
        translation in proptest::array::uniform3(any_finite()),
        focal in proptest::array::uniform2(prop_oneof![1.0_f32..2000.0, 1e-38_f32..1e38]),
        center in proptest::array::uniform2(any_finite()),
        (height, width) in (0_usize..24, 0_usize..24),
        kind in 0..3,
        seed in any::<u64>(),
    ) {
        let words: Vec<u16> = noise(3 * height * width, seed).collect();
        let bytes: Vec<u8> = words.iter().map(|&word| word as u8).collect();
        let light = match kind {
            0 => IntensityView::InfraredU8(&bytes[..height * width]),
            1 => IntensityView::InfraredU16(&words[..height * width]),
            _ => IntensityView::Color(&bytes),
        };
        let pose = Pose {
            rotation: Matrix3::from_row_slice(&rotation),
            translation: Vector3::from(translation),
            camera: Camera::new(focal[0], focal[1], center[0], center[1]).expect("finite"),
        };
        let found = chip(&Picture { light, height, width }, &pose);
        prop_assert_eq!(found.len(), CHIP_CHANNELS * PIXELS);
    }
}
