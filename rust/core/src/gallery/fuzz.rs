//! Mutated bytes of galleries: what loads is used, and every answer is compared with a brute force.

mod checks;
mod model;
mod mutations;
mod random;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::tests::bytes_of;
use super::{CODED_FROM, Gallery};
use crate::simd::Kernel;
use checks::Checks;
use model::Model;
use mutations::{Parts, mutated};
use random::Random;

/// One gallery in so many is large enough for codes.
const LARGE_ONE_IN: usize = 100;

/// What came of some mutations.
#[derive(Default)]
struct Report {
    mutations: u64,
    loaded: u64,
    large: u64,
    refused: u64,
    operations: u64,
    panics: Vec<String>,
    wrong: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} mutations: {} loaded ({} of them coded), {} refused; {} operations; {} panics, {} wrong answers",
            self.mutations,
            self.loaded,
            self.large,
            self.refused,
            self.operations,
            self.panics.len(),
            self.wrong.len()
        )
    }
}

/// Load so many mutations, on one kernel after the other, and use what loads.
fn campaign(count: u64, seed: u64) -> Report {
    let random = &mut Random::new(seed);
    let small: Vec<Parts> = (0..200)
        .map(|_| {
            let (dim, rows) = (1 + random.below(9), random.below(13));
            Parts::random(random, dim, rows)
        })
        .collect();
    let large: Vec<Parts> = (0..30)
        .map(|_| {
            let (dim, rows) = (
                random.of(&[3, 8, 20, 33]),
                2 * CODED_FROM + random.below(100),
            );
            Parts::random(random, dim, rows)
        })
        .collect();
    let mut report = Report::default();
    let kernels: Vec<Kernel> = Kernel::available().collect();
    for kernel in kernels.into_iter().cycle() {
        if report.mutations == count {
            break;
        }
        let galleries = if random.one_in(LARGE_ONE_IN) {
            &large
        } else {
            &small
        };
        let bytes = mutated(random, galleries);
        let seed = random.next();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            examine(kernel, &bytes, seed, &mut report)
        }));
        report.mutations += 1;
        let named = |what: &str| format!("{:?}, {what}: {bytes:?}", kernel.backend());
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(wrong)) => report.wrong.push(named(&wrong)),
            Err(_) => report.panics.push(named("a panic")),
        }
    }
    report
}

/// Load bytes both ways; what loads is used.
fn examine(kernel: Kernel, bytes: &[u8], seed: u64, report: &mut Report) -> Result<(), String> {
    let model = Model::read(bytes);
    let loaded = Gallery::from_bytes(kernel, bytes);
    let mapped = Gallery::mapped(kernel, &bytes_of(bytes));
    let (model, loaded, mapped) = match (model, loaded, mapped) {
        (None, Err(_), Err(_)) => {
            report.refused += 1;
            return Ok(());
        }
        (Some(model), Ok(loaded), Ok(mapped)) => (model, loaded, mapped),
        (model, loaded, mapped) => {
            let (loaded, mapped) = (loaded.map(|_| ()), mapped.map(|_| ()));
            let valid = model.is_some();
            return Err(format!(
                "valid: {valid}, from_bytes: {loaded:?}, mapped: {mapped:?}"
            ));
        }
    };
    report.loaded += 1;
    report.large += u64::from(loaded.len() >= CODED_FROM);
    let mut checks = Checks::new(seed);
    let done = checks.all(loaded, mapped, model, bytes);
    report.operations += checks.operations;
    done
}

fn expect_none(report: &Report) {
    let first = |found: &[String]| found.iter().take(3).cloned().collect::<Vec<_>>();
    assert!(report.panics.is_empty(), "{:?}", first(&report.panics));
    assert!(report.wrong.is_empty(), "{:?}", first(&report.wrong));
    // Else the mutations are too tame, or too wild, to show anything.
    let quarter = report.mutations / 4;
    assert!(
        report.loaded > quarter && report.refused > quarter,
        "{report}"
    );
}

#[test]
fn mutated_galleries_are_refused_or_answer_exactly() {
    let report = campaign(20_000, 1);
    println!("{report}");
    expect_none(&report);
}

/// `make fuzz`: the same for minutes.
#[test]
#[ignore = "minutes; `make fuzz` runs it"]
fn five_million_mutated_galleries() {
    let began = Instant::now();
    let report = campaign(5_000_000, 2);
    println!("{report}; {} s", began.elapsed().as_secs());
    expect_none(&report);
}
