"""How sequences are judged: live ones, and what is made of recorded frames.

``python -m training.reports.sequences --sequences 1008 --trials 10`` renders so many sequences of five frames
of heads that sway, one a person, by every camera model in turn; and makes of the frames of each one so many
fakes of every listed kind and one of every adaptive kind. It prints tables in Markdown, and measures the
real captures at hand: those of one person and a Kinect v2 (``--kinect-v2 DIR``: no sequences, but live
frames, each with noise of its own), and frames of a still sheet by a TrueDepth camera (``--truedepth DIR``).

``--choosing`` takes the people that the limits were chosen on, and the cameras without those that were left
out for the report.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from faceid_fast.calibration.binomial import upper_rate
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.crop import FaceCrop
from faceid_fast.face.sequence import Likeness, Trace, compared, not_independent, repeated
from faceid_fast.frame import Frame
from faceid_fast.sources.layouts.kinect_v2 import captures as kinect_captures
from training.attacks.played_again import ADAPTIVE, LISTED, Fake, Recording, Shot, recording
from training.camera.delivery import Delivery
from training.camera.filters import Filters
from training.camera.holes import Holes
from training.camera.models import CAMERA_MODELS, CameraModel
from training.camera.sensor import StructuredLight, TimeOfFlight
from training.data.workers import studio, worker_pool
from training.heads.ict import DEFAULT_PATH
from training.reports.cameras import SHARED, truedepth_frames
from training.reports.rooms import frame_of
from training.scenes.capture import Capture
from training.scenes.sequences import Sway, render_sequence

CHOOSING_SEED, REPORT_SEED = 991, 993
"""Of people. On those of 992 an earlier rule was measured, the larger change of both squares' sides and not
their mean; so they are not reported on again."""
FRAMES = 5
LEFT_OUT = (
    CameraModel(
        # Microsoft, "Azure Kinect DK hardware specifications": 640 x 576 pixels over 75 x 65 degrees, hence
        # 504 px; errors of less than 17 mm, random ones below 0.1 % to 0.4 % of the distance.
        "azure_kinect",
        504.0,
        (400.0, 1100.0),
        TimeOfFlight(blur_px=(0.5, 1.2), noise_mm=(0.6, 2.0), stray=(0.0, 0.03), edge_mm=(30.0, 120.0)),
        aside_px=80.0,
    ),
    CameraModel(
        # Orbbec, "Astra series": 640 x 480 over 60 degrees, 75 mm; whole millimetres.
        "astra",
        554.0,
        (600.0, 1100.0),
        StructuredLight(
            baseline_mm=75.0,
            noise_at_metre_mm=(0.8, 2.2),
            windows_px=(5.0, 9.0),
            steps_px=(1 / 8, 1 / 16),
            delivery=Delivery(
                frames=(1, 3),
                noise_power=2.0,
                holes=Holes(single_share=(1e-3, 0.05), blob_share=(1e-3, 0.05)),
                filters=Filters(smooth_chance=0.3, median_chance=0.3),
            ),
        ),
        aside_px=80.0,
    ),
)
"""Cameras that no limit was chosen on."""
MIXED_IN, MOST_MIXED_MM = 0.4, 30.0
"""Weight of the newest frame in a filter over time (RealSense SDK, "Post-processing filters"), and the step
between two frames that it does not filter."""
FILTERED = "filtered over time"
REAL_NOISE_MM = 1.0
"""Added to real captures, whose noise from frame to frame is not known: about that of a Kinect v2."""
SHEET = (120, 160, 360, 480)
"""The middle of the pictures of the sheet."""


@dataclass
class Tally:
    """Counts of one session: live sequences and refused ones by camera, fakes and accepted ones by kind."""

    live: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    fakes: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    changes: list[float] = field(default_factory=list)
    alike: list[float] = field(default_factory=list)
    pair_ms: list[float] = field(default_factory=list)
    frame_ms: list[float] = field(default_factory=list)


def models_of(seed: int) -> tuple[CameraModel, ...]:
    """Camera models of a set."""
    return CAMERA_MODELS if seed == CHOOSING_SEED else CAMERA_MODELS + LEFT_OUT


def _render(job: tuple[int, int]) -> tuple[str, list[Capture]]:
    seed, number = job
    models = models_of(seed)
    model = models[number % len(models)]
    rng = np.random.default_rng([seed, number])
    weights = rng.standard_normal(studio().head.identity_count).astype(np.float32)
    identity = studio().identity(rng, weights, hair_varies=False)
    return model.name, render_sequence(
        (seed, number),
        studio(),
        identity,
        model,
        frames=FRAMES,
        modality=model.pictures[number // len(models) % len(model.pictures)],
        sway=Sway.draw(np.random.default_rng([seed, number, 5])),
    )


def judge(frames: list[Frame], faces: dict[int, FaceCrop]) -> bool:
    """Whether the package refuses a sequence."""
    return bool(repeated(frames) or not_independent(frames, faces))


def _of(frame: Frame, shot: Shot) -> Frame:
    return Frame(
        depth=shot.depth,
        depth_unit_m=frame.depth_unit_m,
        intrinsics=frame.intrinsics,
        **{frame.modality: shot.picture},
    )


def _moved(face: FaceCrop, shot: Shot) -> FaceCrop:
    rows, columns = shot.moved
    top, left, bottom, right = face.region
    region = (max(top + rows, 0), max(left + columns, 0), bottom + rows, right + columns)
    return replace(face, region=region)


def refused(rng: np.random.Generator, fake: Fake, recorded: Recording, frame: Frame, face: FaceCrop) -> bool:
    """Make a fake of a live frame, and judge it. Its faces count as found, where the frame's is."""
    shots = fake(rng, recorded)
    faces = {at: _moved(face, shot) for at, shot in enumerate(shots)}
    return judge([_of(frame, shot) for shot in shots], faces)


def mixed(frames: list[Frame]) -> list[Frame]:
    """Mix each frame's depth with the last ones, as filters over time do; the head came back its own way."""
    depth = frames[-1].depth.astype(np.float32)
    shots = []
    for frame in [*frames[-2:0:-1], *frames]:
        new = frame.depth.astype(np.float32)
        both = (new > 0) & (depth > 0) & (np.abs(new - depth) < MOST_MIXED_MM)
        depth = np.where(both, MIXED_IN * new + (1.0 - MIXED_IN) * depth, new)
        shots.append(_of(frame, Shot(np.rint(depth).astype(np.uint16), frame.picture)))
    return shots[-len(frames) :]


def measure_sequence(
    tally: Tally, rng: np.random.Generator, name: str, frames: list[Frame], trials: int, aligner: FaceAligner
) -> None:
    """Judge a live sequence, and fakes made of it."""
    found = {at: aligner.align(frame) for at, frame in enumerate(frames)}
    faces = {at: face for at, face in found.items() if isinstance(face, FaceCrop)}
    if len(faces) < 2:
        return
    tally.live[name] += 1
    tally.refused[name] += judge(frames, faces)
    tally.live[FILTERED] += 1
    tally.refused[FILTERED] += judge(mixed(frames), faces)
    start = time.perf_counter()
    traces = [Trace.of(frames[at], face) for at, face in faces.items()]
    tally.frame_ms.append(1e3 * (time.perf_counter() - start) / len(traces))
    pairs = list(itertools.combinations(traces, 2))
    start = time.perf_counter()
    likeness = [compared(one, other) for one, other in pairs]
    tally.pair_ms.append(1e3 * (time.perf_counter() - start) / len(pairs))
    tally.changes.append(min(each.change for each in likeness))
    tally.alike.append(max(each.alike for each in likeness))
    at, later = list(faces)[:2]
    face = faces[at]
    shots = [Shot(frames[each].depth, frames[each].picture) for each in (at, later)]
    recorded = recording(*shots, face.region)
    for kinds, times in ((LISTED, trials), (ADAPTIVE, 1)):
        for kind, fake in kinds.items():
            for _ in range(times):
                tally.fakes[kind] += 1
                tally.accepted[kind] += not refused(rng, fake, recorded, frames[at], face)


def measure_kinect(folder: Path, aligner: FaceAligner) -> tuple[list[Likeness], Counter[str], Counter[str]]:
    """Compare all captures of each person, and fakes made of them; fakes, and accepted ones, by kind."""
    people: dict[str, list[tuple[Frame, FaceCrop]]] = {}
    for capture in kinect_captures(folder):
        frame = capture.read()
        face = aligner.align(frame)
        if isinstance(face, FaceCrop):
            people.setdefault(capture.person, []).append((frame, face))
    rng = np.random.default_rng(REPORT_SEED)
    likeness, fakes, accepted = [], Counter[str](), Counter[str]()
    for shots in people.values():
        traces = [Trace.of(*shot) for shot in shots]
        likeness += [compared(*pair) for pair in itertools.combinations(traces, 2)]
        for frame, face in shots:
            shot = Shot(frame.depth, frame.picture)
            # As the rendered infrared's.
            picture = float(np.sqrt(2.5 * frame.picture.mean() + 300.0))
            recorded = Recording(shot, shot, REAL_NOISE_MM, picture)
            for kind, fake in LISTED.items():
                fakes[kind] += 1
                accepted[kind] += not refused(rng, fake, recorded, frame, face)
    return likeness, fakes, accepted


def measure_sheet(frames: list[Frame], face: FaceCrop) -> list[Likeness]:
    """Compare all frames of a still sheet, as if it were the face that is given."""
    here = replace(face, region=SHEET, band_mm=(100.0, 400.0))
    return [compared(*pair) for pair in itertools.combinations([Trace.of(each, here) for each in frames], 2)]


def rate(name: str, errors: int, trials: int) -> str:
    """Write a line of a table."""
    return f"| {name} | {trials:,} | {errors} | {100 * upper_rate(errors, trials):.2f} |" if trials else ""


def tables(tally: Tally) -> Iterator[str]:
    """Write the tables of a session."""
    yield "| live sequences | sequences | refused | at most, % |\n|---|---|---|---|"
    cameras = [name for name in tally.live if name != FILTERED]
    for name in cameras:
        left_out = " (left out)" if name in {model.name for model in LEFT_OUT} else ""
        yield rate(f"`{name}`{left_out}", tally.refused[name], tally.live[name])
    yield rate("all", sum(tally.refused[name] for name in cameras), sum(tally.live[name] for name in cameras))
    yield rate(f"all, {FILTERED}", tally.refused[FILTERED], tally.live[FILTERED])
    for title, kinds in (("listed fakes", LISTED), ("adaptive fakes", ADAPTIVE)):
        yield f"\n| {title} | sequences | accepted | at most, % |\n|---|---|---|---|"
        for kind in kinds:
            yield rate(kind, tally.accepted[kind], tally.fakes[kind])
    low = np.quantile(tally.changes, [0.0, 0.005, 0.05])
    yield f"\nLeast change of a live sequence: {low[0]:.1f}; of 0.5 %: {low[1]:.1f}; of 5 %: {low[2]:.1f}."
    yield f"Largest correlation of a live sequence: {max(tally.alike):.2f}."
    yield (
        f"Time: {np.median(tally.frame_ms):.2f} ms a frame and {np.median(tally.pair_ms):.2f} ms a pair, "
        "one thread (medians)."
    )


def _summary(name: str, likeness: Iterable[Likeness]) -> str:
    found = list(likeness)
    told = [each for each in found if np.isfinite(each.change)]
    return (
        f"{name}: {len(found):,} pairs, {sum(each.repeats for each in found)} refused; "
        f"correlation {min(each.alike for each in told):.2f} to {max(each.alike for each in told):.2f}, "
        f"least change {min(each.change for each in told):.1f}"
    )


def run(
    sequences: int, trials: int, head: Path = DEFAULT_PATH, *, seed: int = REPORT_SEED, processes: int = 1
) -> Tally:
    """Render so many sequences and judge them; see the module."""
    aligner = FaceAligner.bundled()
    tally = Tally()
    with worker_pool(processes, head) as pool:
        jobs = [(seed, number) for number in range(sequences)]
        for number, (name, captures) in enumerate(pool.imap(_render, jobs)):
            rng = np.random.default_rng([seed, number, 6])
            frames = [frame_of(capture) for capture in captures]
            measure_sequence(tally, rng, name, frames, trials, aligner)
    return tally


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=1008)
    parser.add_argument("--trials", type=int, default=10, help="fakes of each listed kind for each sequence")
    parser.add_argument("--choosing", action="store_true", help="the people that the limits were chosen on")
    parser.add_argument("--head", type=Path, default=DEFAULT_PATH)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--kinect-v2", type=Path, default=SHARED / "kinect_v2")
    parser.add_argument("--truedepth", type=Path, default=SHARED / "truedepth_flat")
    given = parser.parse_args()
    seed = CHOOSING_SEED if given.choosing else REPORT_SEED
    tally = run(given.sequences, given.trials, given.head, seed=seed, processes=given.processes)
    print("\n".join(tables(tally)))
    if not given.kinect_v2.is_dir():
        print(f"no real Kinect v2: {given.kinect_v2} is missing")
        return
    aligner = FaceAligner.bundled()
    likeness, fakes, accepted = measure_kinect(given.kinect_v2, aligner)
    print(_summary("\nreal Kinect v2, captures of one person (no sequences)", likeness))
    print("\n| listed fakes of real captures | sequences | accepted | at most, % |\n|---|---|---|---|")
    for kind in LISTED:
        print(rate(kind, accepted[kind], fakes[kind]))
    if not given.truedepth.is_dir():
        print(f"no real TrueDepth: {given.truedepth} is missing")
        return
    shown = (aligner.align(capture.read()) for capture in kinect_captures(given.kinect_v2))
    face = next(each for each in shown if isinstance(each, FaceCrop))
    sheet = measure_sheet(list(truedepth_frames(given.truedepth)), face)
    print(_summary("\nreal TrueDepth, a still sheet at 0.2 m", sheet))


if __name__ == "__main__":
    main()
