"""Fine-tune the network on captures of your own: look at them, train, join, export.

    make train-smoke                                                        # makes the environment, once
    .venv-train/bin/python -m examples.fine_tune DIR --check                # what is there? no TensorFlow yet
    .venv-train/bin/python -m examples.fine_tune DIR --out build/mine

DIR holds a folder a person in one of the layouts of training/README.md. A quarter of the people, two at
least, is held out and measured on; what measures worse than the weights it began with is not kept. The tower
of the picture stays as it ships: so few people cannot teach it anything. Nor can a threshold be measured on
them, and that of what is exported is a guess, as the limits of the keys are: choose one by
docs/guides/thresholds.md. Whoever was enrolled with another model has to be enrolled again.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

from training.data.layouts.reading import LAYOUTS, Captures, note_on_figures
from training.data.layouts.tensors import align_captures

FEWEST_PEOPLE, FEWEST_CAPTURES = 4, 5
"""Four captures of a person stand for what is enrolled, and the others for attempts."""
PICTURE = Path("training/weights/picture.npz")


def look(root: Path, layout: str) -> bool:
    """Print how many captures of each person show a face; whether there are enough."""
    captures = Captures(root, layout)
    aligned = align_captures(captures)
    counts = Counter(aligned.people)
    for name, count in sorted(counts.items()):
        print(f"{name}: {count} captures with a face")
    print(f"{captures.summary()}; aligner: {dict(aligned.outcomes)}")
    if note := note_on_figures(root, layout):
        print(note)
    usable = sum(count >= FEWEST_CAPTURES for count in counts.values())
    print(
        f"{usable} people with {FEWEST_CAPTURES} captures or more; at least {FEWEST_PEOPLE} are needed, "
        "dozens for the figures to mean something"
    )
    return usable >= FEWEST_PEOPLE


def commands(data: Path, layout: str, out: Path) -> list[list[str]]:
    """Command lines of `training`, in their order: the module first."""
    captures = ["--data", str(data), "--layout", layout]
    shape = str(out / "shape")
    tensors = str(out / "shape" / "tensors")
    return [
        ["training.network.train", *captures, "--inputs", "depth", "--out", shape],
        [
            "training.network.joined",
            *("--shape", shape, "--picture", str(PICTURE), "--data", tensors),
            *("--out", str(out)),
        ],
        ["training.ship.export", "--run", str(out), "--data", tensors],
    ]


def main() -> int:
    """Look, and train unless only asked to look."""
    parser = argparse.ArgumentParser(description="Fine-tune on captures of your own.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default="pairs")
    parser.add_argument("--out", type=Path, default=Path("build/mine"))
    parser.add_argument("--check", action="store_true", help="only look at the captures")
    given = parser.parse_args()
    try:
        enough = look(given.data, given.layout)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    if given.check or not enough:
        return 0 if enough else 1
    for module, *arguments in commands(given.data, given.layout, given.out):
        subprocess.run([sys.executable, "-m", module, *arguments], check=True)
    model = given.out / "faceid.onnx"
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    print(f"Authenticator(embedder=Embedder({str(model)!r}, sha256={digest!r}), threshold=...)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
