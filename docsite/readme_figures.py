"""Draw the figures of README from captures: how far apart people are, and what that costs.

``python -m docsite.readme_figures DIR`` writes them below docs/figures, as ``faceid evaluate DIR --html``
draws them. They show rates and distances, nobody's face.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from faceid_fast.evaluate.acquisition import acquire
from faceid_fast.evaluate.protocols import compare
from faceid_fast.evaluate.report import figures
from faceid_fast.face.aligner import FaceAligner
from faceid_fast.face.embedder import Embedder
from faceid_fast.face.liveness import LivenessCheck
from faceid_fast.sources.datasets import captures

FIGURES: Final = Path(__file__).resolve().parents[1] / "docs" / "figures"


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    embedder = Embedder.bundled()
    acquired = acquire(captures(directory), FaceAligner.bundled(), embedder, LivenessCheck.bundled())
    compared = compare(acquired)
    threshold = embedder.contract.thresholds[acquired.modality]
    (FIGURES / "distances.png").write_bytes(figures.histograms(compared.protocols, threshold))


if __name__ == "__main__":
    main()
