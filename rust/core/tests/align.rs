//! The aligner on synthetic surfaces: whatever comes in, it answers and does not panic.

use faceid_core::align::grid::{GRID_HEIGHT, GRID_WIDTH};
use faceid_core::align::head_model::{HeadArrays, HeadModel};
use faceid_core::align::pose::angles_deg;
use faceid_core::align::{AlignedFace, Refusal, align};
use faceid_core::input::views::{Camera, DepthSamples, DepthView, IntensityView};
use nalgebra::{Rotation3, Vector3};
use proptest::prelude::*;

/// A head model that is half an ellipsoid with a nose: enough to drive every line without the real file.
fn toy_model() -> HeadModel {
    let (mut mean, mut normals) = (Vec::new(), Vec::new());
    for row in 0..20_i16 {
        for column in 0..16_i16 {
            let (x, y) = (f32::from(column - 8) * 8.0, f32::from(row - 7) * 8.0);
            let point = Vector3::new(x, y, toy_depth(x, y));
            let slope =
                |dx: f32, dy: f32| (toy_depth(x + dx, y + dy) - toy_depth(x - dx, y - dy)) / 2.0;
            let normal = Vector3::new(slope(1.0, 0.0), slope(0.0, 1.0), -1.0).normalize();
            mean.extend_from_slice(point.as_slice());
            normals.extend_from_slice(normal.as_slice());
        }
    }
    mean.extend_from_slice(&[0.0; 3]);
    normals.extend_from_slice(&[0.0; 3]);
    // Two components: wider, and a longer nose.
    let wider: Vec<f32> = mean
        .iter()
        .enumerate()
        .map(|(k, v)| if k % 3 == 0 { 0.05 * v } else { 0.0 })
        .collect();
    let nosier: Vec<f32> = mean
        .chunks(3)
        .flat_map(|p| [0.0, 0.0, -0.1 * nose(p[0], p[1])])
        .collect();
    let template = (0..GRID_WIDTH * GRID_HEIGHT)
        .map(|at| {
            let (row, column) = (at / GRID_WIDTH, at % GRID_WIDTH);
            toy_depth(column as f32 * 2.0 - 63.0, row as f32 * 2.0 - 49.0)
        })
        .collect::<Vec<_>>();
    HeadModel::new(&HeadArrays {
        mean: &mean,
        normals: &normals,
        components: &[wider, nosier].concat(),
        template: &template,
        correction: &[],
        correction_offset: &[],
    })
    .expect("a valid toy model")
}

fn nose(x: f32, y: f32) -> f32 {
    25.0 * (-(x * x / 200.0) - (y - 35.0) * (y - 35.0) / 600.0).exp()
}

fn toy_depth(x: f32, y: f32) -> f32 {
    let inside = (1.0 - x * x / (90.0 * 90.0) - (y - 20.0) * (y - 20.0) / (130.0 * 130.0)).max(0.0);
    90.0 - 90.0 * inside.sqrt() - nose(x, y)
}

/// Draws toy heads, each at (x, distance) of its face frame's origin, by casting a ray per pixel.
fn toy_scene(width: usize, height: usize, focal: f32, heads: &[(f32, f32)]) -> Vec<u16> {
    let mut depth = vec![0; width * height];
    for row in 0..height {
        for column in 0..width {
            let ray = (
                (column as f32 - width as f32 / 2.0) / focal,
                (row as f32 - height as f32 / 2.0) / focal,
            );
            for &(aside, distance) in heads {
                let mut z = distance;
                for _ in 0..30 {
                    z = distance + toy_depth(ray.0 * z - aside, ray.1 * z);
                }
                let (x, y) = (ray.0 * z - aside, ray.1 * z);
                if (x / 88.0).powi(2) + ((y - 20.0) / 128.0).powi(2) < 1.0 {
                    depth[row * width + column] = z as u16;
                }
            }
        }
    }
    depth
}

fn run(depth: &[u16], width: usize, height: usize, focal: f32) -> Result<AlignedFace, Refusal> {
    let infrared = vec![100_u8; width * height];
    let view = DepthView::new(DepthSamples::U16(depth), height, width, 0.001).expect("depth");
    align(
        &toy_model(),
        &view,
        &IntensityView::InfraredU8(&infrared),
        &camera(width, height, focal),
    )
    .expect("valid input")
}

fn camera(width: usize, height: usize, focal: f32) -> Camera {
    Camera::new(focal, focal, width as f32 / 2.0, height as f32 / 2.0).expect("valid intrinsics")
}

const ROOM: (usize, usize, f32) = (320, 240, 290.0);

fn room(heads: &[(f32, f32)]) -> Result<AlignedFace, Refusal> {
    let (width, height, focal) = ROOM;
    run(
        &toy_scene(width, height, focal, heads),
        width,
        height,
        focal,
    )
}

#[test]
fn finds_a_head_and_its_place() {
    for distance in [500.0, 800.0] {
        let face = room(&[(0.0, distance)]).expect("a face");
        assert!(
            (face.pose.translation.z - distance).abs() < 3.0,
            "{} at {distance}",
            face.pose.translation.z
        );
        assert!(
            face.pose.translation.xy().norm() < 6.0,
            "{:?}",
            face.pose.translation
        );
        assert!(face.cues.relief_mm > 4.0);
    }
}

#[test]
fn two_faces_at_nearly_the_same_distance_are_several() {
    for (distance, gap) in [
        (800.0, 0.0),
        (800.0, 230.0),
        (1300.0, 200.0),
        (1450.0, 200.0),
    ] {
        let found = room(&[(-160.0, distance), (160.0, distance + gap)]);
        assert_eq!(
            found.err(),
            Some(Refusal::SeveralFaces),
            "{distance} + {gap}"
        );
    }
    assert!(room(&[(-160.0, 800.0), (160.0, 1200.0)]).is_ok());
}

#[test]
fn nobody_is_judged_behind_a_head_that_is_too_near() {
    let found = room(&[(0.0, 230.0), (-300.0, 900.0)]);
    assert!(
        matches!(found, Err(Refusal::TooNear(mm)) if mm < 250.0),
        "{:?}",
        found.err()
    );
    assert!(matches!(room(&[(0.0, 1750.0)]), Err(Refusal::TooFar(_))));
}

#[test]
fn a_face_that_leaves_the_frame_is_cut_off() {
    let (width, height, focal) = ROOM;
    let scene = toy_scene(width, height, focal, &[(0.0, 600.0)]);
    // The right half of the frame only: the face's middle is at its left edge.
    for first in [width / 2 - 20, width / 2 - 10, width / 2] {
        let kept = width - first;
        let half: Vec<u16> = scene
            .chunks(width)
            .flat_map(|line| line[first..].to_vec())
            .collect();
        let infrared = vec![100_u8; kept * height];
        let view = DepthView::new(DepthSamples::U16(&half), height, kept, 0.001).expect("depth");
        let middle = width as f32 / 2.0 - first as f32;
        let camera = Camera::new(focal, focal, middle, height as f32 / 2.0).expect("camera");
        let found = align(
            &toy_model(),
            &view,
            &IntensityView::InfraredU8(&infrared),
            &camera,
        );
        let refusal = found.expect("valid input").err();
        assert_eq!(refusal, Some(Refusal::CutOff), "from column {first}");
    }
}

#[test]
fn an_uncertain_principal_point_is_looked_for() {
    let (width, height, focal) = ROOM;
    let scene = toy_scene(width, height, focal, &[(0.0, 800.0)]);
    let infrared = vec![100_u8; width * height];
    let view = DepthView::new(DepthSamples::U16(&scene), height, width, 0.001).expect("depth");
    let true_column = width as f32 / 2.0;
    let found = |error: f32, deviation: f32| {
        let camera = Camera::new(focal, focal, true_column + error, height as f32 / 2.0)
            .and_then(|camera| camera.with_principal_deviation(deviation))
            .expect("camera");
        align(
            &toy_model(),
            &view,
            &IntensityView::InfraredU8(&infrared),
            &camera,
        )
        .expect("valid input")
        .expect("a face")
    };
    for error in [-30.0, 30.0] {
        let believed = found(error, 0.0).pose;
        assert!((believed.camera.cx - true_column - error).abs() < 1e-3);
        let sought = found(error, 40.0).pose;
        assert!(
            (sought.camera.cx - true_column).abs() < 10.0,
            "{} for {true_column}",
            sought.camera.cx
        );
        // The head is symmetric: seen from the side that it is seen from, it stands straight.
        assert!(
            sought.angles_deg()[0].abs() < 1.5,
            "{:?}",
            sought.angles_deg()
        );
        assert!(believed.angles_deg()[0].abs() > sought.angles_deg()[0].abs());
    }
    let known = found(0.0, 0.0).pose.translation;
    assert!((found(0.0, 40.0).pose.translation - known).norm() < 3.0);
}

#[test]
fn a_flat_head_is_flat_and_an_empty_frame_is_no_face() {
    let (width, height) = (160, 160);
    let mut depth = vec![0_u16; width * height];
    assert_eq!(
        run(&depth, width, height, 200.0).err(),
        Some(Refusal::NoFace)
    );
    for row in 40..120 {
        depth[row * width + 50..row * width + 110].fill(600);
    }
    let flat = run(&depth, width, height, 200.0);
    assert!(
        matches!(flat, Err(Refusal::Flat(mm)) if mm < 1.0),
        "{:?}",
        flat.err()
    );
}

#[test]
fn angles_are_those_of_the_rotation() {
    let rotation = Rotation3::from_axis_angle(&Vector3::z_axis(), 0.1)
        * Rotation3::from_axis_angle(&Vector3::x_axis(), -0.2)
        * Rotation3::from_axis_angle(&Vector3::y_axis(), 0.3);
    let angles = angles_deg(rotation.matrix());
    for (angle, expected) in angles.iter().zip([0.3_f32, -0.2, 0.1]) {
        assert!((angle - expected.to_degrees()).abs() < 1e-3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_depth_gets_an_answer(
        width in 16_usize..90,
        height in 16_usize..90,
        unit in prop::sample::select(vec![1e-4_f32, 1e-3, 1.0, 1e30]),
        focal in 20.0_f32..800.0,
        seed in any::<u64>(),
    ) {
        let model = toy_model();
        let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 0.0, f32::MAX, 1e-30];
        let mut state = seed | 1;
        let depth: Vec<f32> = (0..width * height).map(|_| {
            state ^= state << 13; state ^= state >> 7; state ^= state << 17;
            if state % 5 == 0 { special[(state >> 8) as usize % special.len()] }
            else { (300 + (state >> 20) % 900) as f32 / 1000.0 / unit * 0.001 }
        }).collect();
        let infrared = vec![0_u16; width * height];
        let view = DepthView::new(DepthSamples::F32(&depth), height, width, unit).expect("depth");
        let answer = align(&model, &view, &IntensityView::InfraredU16(&infrared), &camera(width, height, focal));
        if let Ok(Ok(face)) = &answer {
            prop_assert!(face.tensor.iter().all(|value| value.is_finite()));
        }
        prop_assert!(answer.is_ok());
    }
}

/// A toy head in a room, with pixels lost where `lost` says so of row and column.
fn holed(lost: impl Fn(usize, usize) -> bool) -> Result<AlignedFace, Refusal> {
    let (width, height, focal) = ROOM;
    let mut depth = toy_scene(width, height, focal, &[(0.0, 600.0)]);
    for (at, sample) in depth.iter_mut().enumerate() {
        if lost(at / width, at % width) {
            *sample = 0;
        }
    }
    run(&depth, width, height, focal)
}

#[test]
fn small_holes_cost_little_and_are_known_as_such() {
    let whole = holed(|_, _| false).expect("a face");
    assert!(whole.filled_share.abs() < f32::EPSILON);
    // One pixel in nine is missing.
    let face = holed(|row, column| row % 3 == 0 && column % 3 == 0).expect("a face");
    assert!(
        (face.filled_share - 1.0 / 9.0).abs() < 0.02,
        "{}",
        face.filled_share
    );
    let shown = face.valid.iter().filter(|&&valid| valid).count() as f32;
    let before = whole.valid.iter().filter(|&&valid| valid).count() as f32;
    assert!(shown > 0.98 * before);
    // What was filled is no evidence.
    assert!((face.valid_share / whole.valid_share - 8.0 / 9.0).abs() < 0.03);
    assert!((face.pose.translation - whole.pose.translation).norm() < 1.0);
}

#[test]
fn a_face_that_was_mostly_filled_is_refused() {
    let found = holed(|row, column| (row + column) % 2 == 1);
    assert!(matches!(found, Err(Refusal::PoorDepth(_))), "{found:?}");
}

#[test]
fn a_face_beyond_the_farthest_is_said_to_be_too_far() {
    let (width, height, focal) = (640, 480, 580.0);
    for distance in [1700.0, 2300.0, 2600.0] {
        let found = run(
            &toy_scene(width, height, focal, &[(0.0, distance)]),
            width,
            height,
            focal,
        );
        assert!(
            matches!(found, Err(Refusal::TooFar(mm)) if (mm - distance).abs() < 120.0),
            "{found:?}"
        );
    }
}
