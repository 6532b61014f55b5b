"""docs/LIVENESS.md says what was measured, of the limits that ship."""

from __future__ import annotations

import json

import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("OpenCV 4 has no triangleRasterize: renders need OpenCV 5", allow_module_level=True)

from faceid_fast.face.liveness import LivenessCheck  # noqa: E402
from training.attacks.species import SPECIES  # noqa: E402
from training.reports.attacks import FIGURES, FLAT_SHEETS, LIVE_SETS, PAGE, page  # noqa: E402

RECORD = json.loads(FIGURES.read_text(encoding="utf-8"))


def test_the_page_holds_the_figures() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, RECORD) == text, "run: python -m training.reports.attacks --page-only"


def test_the_figures_are_of_what_ships_and_of_everything() -> None:
    assert RECORD["limits"]["id"] == LivenessCheck.bundled().limits.limits_id
    assert list(RECORD["species"]) == [*SPECIES, FLAT_SHEETS]
    assert list(RECORD["bona_fide"])[: len(LIVE_SETS)] == list(LIVE_SETS)
    for each in RECORD["species"].values():
        assert each["presentations"] >= 1000
        assert each["presentations"] == each["where_it_is"]["presentations"]
