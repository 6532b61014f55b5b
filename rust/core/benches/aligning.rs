//! The way from a frame to an aligned face, stage by stage.
//!
//! `python -m benchmarks.aligning --stages` hands over a frame and the head model, which are not files that plain
//! Rust reads, and has the stages listed. With a second path the cells of the cleaned-up frame are written there,
//! and stages are timed as they are asked for on standard input, `STAGE CALLS` line by line: so they take turns
//! with programs of other kinds.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;
use std::{env, fs, hint};

use faceid_core::align::chip::{Picture, chip};
use faceid_core::align::cues::Cues;
use faceid_core::align::fit::{Start, find};
use faceid_core::align::frontal_map::draw;
use faceid_core::align::grid::{GRID_HEIGHT, GRID_WIDTH};
use faceid_core::align::head_model::{HeadArrays, HeadModel};
use faceid_core::align::locate::candidates;
use faceid_core::align::patch::Patch;
use faceid_core::align::pose::Pose;
use faceid_core::align::rays::{Quads, Usable};
use faceid_core::align::surface::Surface;
use faceid_core::align::{AlignedFace, Refusal, align};
use faceid_core::input::holes::Filled;
use faceid_core::input::views::{Camera, DepthSamples, DepthView, IntensityView, Region};
use nalgebra::Vector3;

/// Medians are taken of so many calls.
const CALLS: usize = 201;
/// How far candidates are looked for, as `align` does, millimetres.
const FARTHEST_MM: f32 = 1850.0;
/// Tukey cut-offs of the last steps of a fit, without dark cells and with, as in `align`, millimetres.
const FULL_MM: [f32; 3] = [14.0, 12.0, 12.0];
const LAST_MM: [f32; 2] = [12.0, 12.0];

/// What a file holds: `height width unit_m fx fy cx cy near far points components stages` and a new line, then depth
/// (u16), colour (3 x u8), infrared (u8) and the arrays of the head model (f32), all little-endian.
struct Given {
    height: usize,
    width: usize,
    unit_m: f32,
    camera: Camera,
    /// Depths that the clean-up of the whole frame keeps, millimetres.
    kept_mm: (f32, f32),
    depth: Vec<u16>,
    color: Vec<u8>,
    infrared: Vec<u8>,
    model: HeadModel,
    template: Vec<f32>,
}

impl Given {
    fn read(content: &[u8]) -> Result<Self, Box<dyn Error>> {
        let end = content.iter().position(|&byte| byte == b'\n');
        let (header, mut rest) = content.split_at(end.ok_or("no header")? + 1);
        let mut words = std::str::from_utf8(header)?.split_whitespace();
        let mut next = || words.next().ok_or("a short header");
        let (height, width) = (next()?.parse()?, next()?.parse()?);
        let mut floats = [0.0_f32; 7];
        for float in &mut floats {
            *float = next()?.parse()?;
        }
        let [unit_m, fx, fy, cx, cy, near, far] = floats;
        let mut counts = [0_usize; 3];
        for count in &mut counts {
            *count = next()?.parse()?;
        }
        let [points, components, stages] = counts;
        let mut take = |bytes: usize| {
            let (taken, others) = rest.split_at_checked(bytes).ok_or("a short file")?;
            rest = others;
            Ok::<_, Box<dyn Error>>(taken)
        };
        let pixels: usize = height * width;
        let depth = take(2 * pixels)?.as_chunks().0;
        let depth = depth.iter().map(|&pair| u16::from_le_bytes(pair)).collect();
        let (color, infrared) = (take(3 * pixels)?.to_vec(), take(pixels)?.to_vec());
        let mut array = |count: usize| {
            let four = take(4 * count)?.as_chunks().0;
            let numbers = four.iter().map(|&four| f32::from_le_bytes(four));
            Ok::<Vec<f32>, Box<dyn Error>>(numbers.collect())
        };
        let grid = GRID_HEIGHT * GRID_WIDTH;
        let (mean, normals) = (array(3 * points)?, array(3 * points)?);
        let (components, template) = (array(3 * points * components)?, array(grid)?);
        let model = HeadModel::new(&HeadArrays {
            mean: &mean,
            normals: &normals,
            components: &components,
            template: &template,
            correction: &array(16 * grid * stages)?,
            correction_offset: &array(8 * stages)?,
        })?;
        Ok(Self {
            height,
            width,
            unit_m,
            camera: Camera::new(fx, fy, cx, cy)?,
            kept_mm: (near, far),
            depth,
            color,
            infrared,
            model,
            template,
        })
    }

    fn depth(&self) -> DepthView<'_> {
        let samples = DepthSamples::U16(&self.depth);
        DepthView::new(samples, self.height, self.width, self.unit_m).expect("as many as read")
    }

    fn light(&self) -> IntensityView<'_> {
        IntensityView::Color(&self.color)
    }

    fn infrared(&self) -> IntensityView<'_> {
        IntensityView::InfraredU8(&self.infrared)
    }

    /// The whole frame in cells, small holes filled, with the infrared picture.
    fn cleaned(&self) -> Patch {
        let filled = self.filled();
        let depth = filled.as_ref().map_or_else(|| self.depth(), Filled::view);
        let whole = Region {
            top: 0,
            left: 0,
            bottom: self.height,
            right: self.width,
        };
        let (near, far) = self.kept_mm;
        Patch::cut(&depth, &self.infrared(), &self.camera, whole, near, far)
    }

    fn filled(&self) -> Option<Filled> {
        Filled::of(&self.depth(), &self.camera)
    }

    fn align(&self) -> Result<AlignedFace, Refusal> {
        align(&self.model, &self.depth(), &self.light(), &self.camera)
            .expect("depth and picture of one size")
    }
}

/// As many starts as `align` makes, as far from the answer.
fn starts(pose: &Pose) -> Vec<Start> {
    let mut starts = Vec::new();
    for aside in [-40.0, -15.0, 10.0, 35.0] {
        for yaw in [-25.0_f32, 0.0, 25.0] {
            for pitch in [-15.0_f32, 5.0, 25.0] {
                let forward = Vector3::new(-yaw.to_radians().sin(), pitch.to_radians().sin(), 0.0);
                starts.push(Start {
                    origin: pose.translation + 90.0 * forward + Vector3::new(0.0, aside, 0.0),
                    yaw: yaw.to_radians(),
                    pitch: pitch.to_radians(),
                });
            }
        }
    }
    starts
}

/// Stages by name, in their order.
type Stages<'a> = Vec<(&'static str, Box<dyn Fn() + 'a>)>;

/// Calls `work` without letting the compiler see that nobody needs what it gives.
fn stage<'a, T>(work: impl Fn() -> T + 'a) -> Box<dyn Fn() + 'a> {
    Box::new(move || {
        hint::black_box(work());
    })
}

/// Seconds of one of several calls.
fn seconds(work: &dyn Fn(), calls: usize) -> f64 {
    let began = Instant::now();
    for _ in 0..calls {
        work();
    }
    began.elapsed().as_secs_f64() / calls as f64
}

fn list(stages: &Stages) {
    let mut times = vec![Vec::new(); stages.len()];
    for _ in 0..CALLS {
        for ((_, work), times) in stages.iter().zip(&mut times) {
            times.push(1e6 * seconds(work, 1));
        }
    }
    println!("| stage | median (quartiles), microseconds |\n|---|---|");
    for ((name, _), mut times) in stages.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let [low, middle, high] = [1, 2, 3].map(|quarter| times[quarter * CALLS / 4]);
        println!("| {name} | {middle:.0} ({low:.0} to {high:.0}) |");
    }
}

/// Cells as f32, little-endian: rows, columns, depth (NaN where nothing can be drawn), log reflectance.
fn write_cells(path: &str, given: &Given) -> Result<(), Box<dyn Error>> {
    let patch = given.cleaned();
    let surface = Surface::of(&patch);
    let size = [patch.height as f32, patch.width as f32];
    let numbers = size.iter().chain(&surface.depth).chain(&surface.light[0]);
    let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
    Ok(fs::write(path, bytes)?)
}

fn take_turns(stages: &Stages) -> Result<(), Box<dyn Error>> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (name, calls) = line.split_once(' ').ok_or("expected STAGE CALLS")?;
        let (_, work) = stages
            .iter()
            .find(|stage| stage.0 == name)
            .ok_or("no such stage")?;
        println!("{}", seconds(work, calls.parse()?));
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let [path, cells @ ..] = &arguments[..] else {
        println!("no frame: python -m benchmarks.aligning --stages");
        return Ok(());
    };
    let given = Given::read(&fs::read(path)?)?;
    let (model, camera) = (&given.model, &given.camera);
    let face = given.align().map_err(|refusal| format!("{refusal:?}"))?;
    let cut = || {
        let (near, far) = face.band_mm;
        Patch::cut(
            &given.depth(),
            &given.light(),
            camera,
            face.region,
            near,
            far,
        )
    };
    let patch = cut();
    let quads = Quads::of(&patch);
    let mut skin: Vec<f32> = patch
        .reflectance
        .iter()
        .copied()
        .filter(|&light| light > 0.0)
        .collect();
    skin.sort_by(f32::total_cmp);
    let skin = Usable {
        patch: &patch,
        quads: &quads,
        min_reflectance: 0.3 * skin[skin.len() * 6 / 10],
        dark_counts: false,
    };
    let with_brows = Usable {
        dark_counts: true,
        ..skin
    };
    let pose = Pose {
        camera: patch.camera,
        ..face.pose
    };
    let starts = starts(&pose);
    let last = [(&skin, &FULL_MM[..]), (&with_brows, &LAST_MM[..])];
    let surface = Surface::of(&patch);
    let maps = draw(&surface, &pose);
    let template = &given.template[..];
    let tensor = maps.tensor(template);
    let stages: Stages = vec![
        ("fill", stage(|| given.filled())),
        (
            "candidates",
            stage(|| candidates(&given.depth(), camera, FARTHEST_MM)),
        ),
        ("cut", stage(cut)),
        ("quads", stage(|| Quads::of(&patch))),
        ("fit", stage(|| find(model, &skin, &starts, &last))),
        ("surface", stage(|| Surface::of(&patch))),
        ("draw", stage(|| draw(&surface, &pose))),
        ("normalise", stage(|| maps.tensor(template))),
        (
            "chip",
            stage(|| chip(&Picture::beside(&given.depth(), &given.light()), &face.pose)),
        ),
        (
            "chip-infrared",
            stage(|| {
                chip(
                    &Picture::beside(&given.depth(), &given.infrared()),
                    &face.pose,
                )
            }),
        ),
        ("cues", stage(|| Cues::of(&maps, &tensor, template))),
        ("align", stage(|| given.align())),
        (
            "clean",
            stage(|| {
                let patch = given.cleaned();
                hint::black_box(Surface::of(&patch));
            }),
        ),
    ];
    let [cells] = cells else {
        list(&stages);
        return Ok(());
    };
    write_cells(cells, &given)?;
    take_turns(&stages)
}
