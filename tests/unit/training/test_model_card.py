"""The model card says what the committed model and figures say."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from training.ship import model_card
from training.ship.model_card import CARD, FIGURES, MODEL, NOTHING, card, read_contract, read_figures, take_in

CONTRACT = read_contract(MODEL)


def of_split(split: str, model_id: str = CONTRACT.model_id, *, eer: float = 0.0123) -> dict[str, Any]:
    figures = {
        "eer": {"value": eer, "interval": [0.01, 0.015]},
        "far_at_0.4": {"value": 1.25e-5, "interval": [0.0, 4e-5]},
        "genuine_mean": {"value": 0.25, "interval": [0.24, 0.26]},
        "tar_at_far_1e_4": {"value": 0.9, "interval": None, "support": "comparisons_only"},
        "far_at_threshold": {"value": 0.0, "interval": [0.0, 0.0]},
        "hard_eer": {"value": None, "interval": None},
    }
    part = {
        "n_identities": 1000,
        "n_captures": 9990,
        "n_genuine": 45000,
        "n_impostor": 49_950_000,
        "n_hard": 0,
        "n_identity_pairs": 499_500,
    }
    return {
        "model": {"id": model_id},
        "split": split,
        "outcomes": {"aligned": 9990, "misaligned": 5, "no_face": 7, "cut_off": 3},
        "modalities": {"infrared": {**part, "figures": figures}},
        "keys": {
            key: {"infrared": {**part, "figures": {**figures, "eer": {"value": at, "interval": None}}}}
            for key, at in (("shape", 0.07), ("picture", 0.09))
        },
    }


def of_people(model_id: str = CONTRACT.model_id) -> dict[str, Any]:
    rates = {"1e-1": 1.0, "1e-2": 0.9, "1e-3": None}
    between = {"1e-1": [1.0, 1.0], "1e-2": [0.8, 0.95], "1e-3": None}
    names = ("eer", "far_at_threshold", "frr_at_threshold", "genuine_mean", "impostor_mean")
    frontal = {
        **dict.fromkeys(names, 0.05),
        "far_at_threshold": 0.0,
        "tar_at_far": rates,
        "intervals": {**{name: [0.0, 0.1] for name in names}, "tar_at_far": between},
        "support": {"1e-1": "comparisons_only", "1e-2": "comparisons_only", "1e-3": "none"},
        "failure_to_acquire": 0.0031,
        "n_genuine": 90,
        "n_impostor": 540,
        "n_person_pairs": 15,
    }
    return {
        "model": {"id": model_id},
        "people": 6,
        "captures": 324,
        "threshold": 0.5,
        **{kind: {"frontal": frontal} for kind in ("protocols", "both_left_out", "without_hair")},
        "identified": {
            "attempts": 270,
            "right": 262,
            "wrong": 0,
            "not_enrolled_attempts": 270,
            "not_enrolled_accepted": 1,
        },
        "swaps": {"attempts": 200, "no_face": 2, "not_live": 3, "refused": 190, "accepted": 5},
        "reliefs": {"mean head": {"attempts": 54, "no_face": 0, "not_live": 4, "refused": 49, "accepted": 1}},
        "refused_as_not_live": {"p01": 0, "p02": 2},
    }


def of_variants() -> dict[str, Any]:
    """Make up what training.reports.ablate writes."""
    names = ("eer", "tar_at_far_1e_2", "tar_at_far_1e_3", "hard_tar_at_far_1e_2", "genuine_mean")
    both = [dict.fromkeys(names, rate) | {"hard_tar_at_far_1e_2": None} for rate in (0.01, 0.02, 0.03)]
    return {
        "data": "/somewhere/tensors",
        "test": "/somewhere/tensors/test",
        "steps": 1800,
        "seeds": [1, 2, 3],
        "network": "small",
        "variants": {"both": both, "depth": [dict.fromkeys(names, 0.04)]},
    }


def test_the_committed_card_is_what_the_model_and_the_figures_make() -> None:
    wanted = card(CONTRACT, read_figures(FIGURES))
    assert CARD.read_text(encoding="utf-8") == wanted, "run: python -m training.ship.model_card"


def test_every_place_of_the_template_is_filled() -> None:
    for figures in (read_figures(FIGURES), {"rendered": {}, "real": None, "ablation": None}):
        assert not re.search(r"\{\{|\}\}", card(CONTRACT, figures))
    assert card(CONTRACT, {"rendered": {}, "real": None, "ablation": None}).count(NOTHING) == 2


def test_figures_stand_with_their_intervals() -> None:
    figures = {"rendered": {"test": of_split("test")}, "real": of_people(), "ablation": None}
    figures = take_in(figures, CONTRACT.model_id, [], None, of_variants())
    text = card(CONTRACT, figures)
    assert "Split `test`, infrared: 1,000 identities, 9,990 captures" in text
    assert "The aligner refused 10 of the split's 10,000 pictures, which are in no pair." in text
    assert "| EER | 1.23 % (1.00 - 1.50) |" in text
    assert "| shape alone: EER | 7.00 % |" in text
    assert "| picture alone: FMR at its limit | 0 of 49,950,000 (< 0.0006 %) |" in text
    assert "| FMR at 0.4 | 0.0013 % (0.0000 - 0.0040) |" in text
    assert "| mean genuine distance | 0.250 (0.240 - 0.260) |" in text
    assert "look-alikes only" not in text
    assert "| TMR at FMR 1e-4 | 90.00 % ~ |" in text
    assert "| FMR at the model's threshold | 0 of 49,950,000 (< 0.0006 %) |" in text
    assert "| TMR at FMR 1e-2 | 90.00 % (80.00 - 95.00) ~ |" in text
    assert "| TMR at FMR 1e-3 | - |" in text
    assert "| FMR at the model's threshold | 0 of 540 (< 20%) |" in text
    assert "262 of 270 attempts right, 0 wrong; 1 of 270 accepted as somebody else" in text
    assert "5 of 200 accepted as the victim (3 refused as not live, 2 without a face)" in text
    assert "accepted as the victim: mean head 1 of 54." in text
    assert "by person: p01 0, p02 2." in text
    assert "both were left out: 5.00 %; with all but" in text
    assert "Measured on `test`, 1,800 steps each, network `small`" in text
    assert "| both | 3 | 2.00 +- 1.00 | 2.00 +- 1.00 | 2.00 +- 1.00 | - |" in text
    assert "| depth | 1 | 4.00 | 4.00 | 4.00 | 4.00 |" in text
    assert "somewhere" not in json.dumps(figures)


def test_limits_and_teachers_stand_in_the_card() -> None:
    text = card(CONTRACT, {"rendered": {}, "real": None, "ablation": None})
    for limits in CONTRACT.key_limits.values():
        for key, at in limits.items():
            assert f"{key} up to {at:.4f}" in text
    for teacher in CONTRACT.teachers:
        assert f"- **{teacher['name']}** ({teacher['licence']}): {teacher['used_for']}." in text


def test_figures_of_another_model_are_not_shown() -> None:
    figures = {
        "rendered": {"test": of_split("test", "another")},
        "real": of_people("another"),
        "ablation": None,
    }
    assert card(CONTRACT, figures) == card(CONTRACT, {"rendered": {}, "real": None, "ablation": None})


def test_figures_of_another_model_are_not_taken_in() -> None:
    nothing: dict[str, Any] = {"rendered": {}, "real": None, "ablation": None}
    for rendered, real in (([of_split("test", "another")], None), ([], of_people("another"))):
        with pytest.raises(ValueError, match=f"expected those of {CONTRACT.model_id}, got those of another"):
            take_in(nothing, CONTRACT.model_id, rendered, real, None)


def test_figures_are_kept_until_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, made = tmp_path / "figures" / "model.json", tmp_path / "MODEL_CARD.md"
    monkeypatch.setattr(model_card, "FIGURES", kept)
    monkeypatch.setattr(model_card, "CARD", made)
    records = {
        "a": of_split("test"),
        "b": of_split("test_color"),
        "c": of_split("test", eer=0.02),
        "real": of_people(),
    }
    for name, record in records.items():
        (tmp_path / name).write_text(json.dumps(record))

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["model_card", *arguments])
        model_card.main()

    run("--rendered", str(tmp_path / "a"), str(tmp_path / "b"))
    run("--real", str(tmp_path / "real"))
    run("--rendered", str(tmp_path / "c"))
    figures = read_figures(kept)
    assert figures["rendered"] == {"test": records["c"], "test_color": records["b"]}
    assert figures["real"] == records["real"]
    text = made.read_text()
    assert "| EER | 2.00 % (1.00 - 1.50) |" in text
    run()
    assert made.read_text() == text
