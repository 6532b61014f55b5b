"""Write MODEL_CARD.md from the shipped model's contract and the figures measured on it.

``python -m training.ship.model_card`` writes it anew from ``models/faceid.onnx`` and
``docs/figures/model.json``. Figures come in with ``--rendered`` (JSON of `training.reports.evaluate`, once
for each split), ``--real`` (JSON of `training.reports.people`) and ``--ablation`` (``results.json`` of
`training.reports.ablate`); they are kept in that file. Figures of another model than the shipped one are
refused when they come in, and left out of the card once another model ships.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime

from faceid_fast.face.embedder import BUNDLED_MODEL
from faceid_fast.face.model_contract import CONTRACT_KEY, KEYS, ModelContract
from training.provenance.revision import ROOT
from training.reports.ablation_table import ABLATION_COLUMNS, ablation_rows

MODEL = ROOT / "python" / "faceid_fast" / "models" / BUNDLED_MODEL
FIGURES = ROOT / "docs" / "figures" / "model.json"
TEMPLATE = Path(__file__).with_name("model_card.template.md")
CARD = ROOT / "MODEL_CARD.md"
NOTHING = "Not measured on this model yet."

RENDERED_ROWS = {
    "eer": "EER",
    "tar_at_far_1e_2": "TMR at FMR 1e-2",
    "tar_at_far_1e_3": "TMR at FMR 1e-3",
    "tar_at_far_1e_4": "TMR at FMR 1e-4",
    "far_at_threshold": "FMR at the model's threshold",
    "frr_at_threshold": "FNMR at the model's threshold",
    "far_at_0.4": "FMR at 0.4",
    "frr_at_0.4": "FNMR at 0.4",
    "genuine_mean": "mean genuine distance",
    "impostor_mean": "mean impostor distance",
    "hard_eer": "look-alikes only: EER",
    "hard_tar_at_far_1e_2": "look-alikes only: TMR at FMR 1e-2",
    "hard_far_at_threshold": "look-alikes only: FMR at the model's threshold",
}
REAL_ROWS = {
    "eer": "EER",
    "tar_at_far 1e-2": "TMR at FMR 1e-2",
    "tar_at_far 1e-3": "TMR at FMR 1e-3",
    "far_at_threshold": "FMR at the model's threshold",
    "frr_at_threshold": "FNMR at the model's threshold",
    "genuine_mean": "mean genuine distance",
    "impostor_mean": "mean impostor distance",
}
KEY_ROWS = {
    "eer": "EER",
    "far_at_threshold": "FMR at its limit",
    "frr_at_threshold": "FNMR at its limit",
}
MARKS = {"full": "", "comparisons_only": " ~", "none": " ?"}
"""As in the table of ``faceid evaluate``."""


def read_contract(path: Path) -> ModelContract:
    """Read a model's contract; needs onnxruntime only, so that the package's tests can check the card."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return ModelContract.from_json(session.get_modelmeta().custom_metadata_map[CONTRACT_KEY])


def card(contract: ModelContract, figures: dict[str, Any]) -> str:
    """Fill the template of the card.

    Parameters
    ----------
    figures : ``rendered`` (records of `training.reports.evaluate` by split), ``real`` (of
        `training.reports.people`, or None), ``ablation`` (of `training.reports.ablate`, or None).
    """
    rendered = [
        record for record in figures["rendered"].values() if record["model"]["id"] == contract.model_id
    ]
    real = figures["real"]
    if real and real["model"]["id"] != contract.model_id:
        real = None
    calibration = contract.calibration
    values = {
        "model_id": contract.model_id,
        "training_commit": contract.training_commit,
        "thresholds": " or ".join(f"{at:.4f} ({name})" for name, at in contract.thresholds.items()),
        "tensor_shape": " x ".join(map(str, contract.inputs["tensor"])),
        "chip_shape": " x ".join(map(str, contract.inputs["chip"])),
        "key_sizes": " and ".join(str(contract.outputs[key]) for key in KEYS),
        "key_limits": "; ".join(
            f"{name} " + ", ".join(f"{key} up to {limit:.4f}" for key, limit in limits.items())
            for name, limits in contract.key_limits.items()
        ),
        "teachers": "\n".join(
            f"- **{each['name']}** ({each['licence']}): {each['used_for']}." for each in contract.teachers
        ),
        "captured_use": _captured_use(contract),
        "channels": ", ".join(contract.channels),
        "embedding_size": str(contract.embedding_size),
        "preprocessing": str(contract.preprocessing["id"]),
        "rule": str(calibration["rule"]),
        "calibration_source": str(calibration["source"]),
        "calibration_identities": f"{calibration['n_identities']:,}",
        "calibration_rates": "; ".join(
            f"{name}: {_calibration_rates(rates)}" for name, rates in calibration["modalities"].items()
        ),
        "rendered": "\n\n".join(table for record in rendered for table in _rendered(record)) or NOTHING,
        "real": _real(real) if real else NOTHING,
        "ablation": _ablation(figures["ablation"]) if figures["ablation"] else "Not measured yet.",
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _captured_use(contract: ModelContract) -> str:
    """Say what the model has of the captured people."""
    towers = contract.calibration["training"].get("towers", {})
    trained = [name for name, tower in towers.items() if tower.get("captured")]
    weights = f", weights ({' and '.join(trained)})" if trained else ""
    return f"the projections of both networks, threshold and limits for infrared{weights}"


def _calibration_rates(calibration: Any) -> str:
    rates = [("strangers accepted", "far"), ("look-alikes accepted", "hard_far"), ("genuine refused", "frr")]
    known = [
        f"{name} {_percent(calibration[key])}" for name, key in rates if calibration.get(key) is not None
    ]
    return ", ".join(known)


def _rendered(record: dict[str, Any]) -> Iterator[str]:
    for modality, part in record["modalities"].items():
        found = part["figures"]
        rows = [
            (label, _rendered_cell(name, found[name], part))
            for name, label in RENDERED_ROWS.items()
            if found.get(name, {}).get("value") is not None
        ]
        rows += [
            (f"{key} alone: {label}", _rendered_cell(name, of_key["figures"][name], of_key))
            for key in record.get("keys", {})
            for of_key in [record["keys"][key][modality]]
            for name, label in KEY_ROWS.items()
            if of_key["figures"].get(name, {}).get("value") is not None
        ]
        yield (
            f"Split `{record['split']}`, {modality}: {part['n_identities']:,} identities, "
            f"{part['n_captures']:,} captures, {part['n_genuine']:,} genuine and {part['n_impostor']:,} "
            f"impostor pairs.{_refused(record)}\n\n" + _markdown(["figure", "value (95 % interval)"], rows)
        )


def _refused(record: dict[str, Any]) -> str:
    """Say how many pictures of the split the aligner refused, which no rate here counts."""
    outcomes = {name: count for name, count in record.get("outcomes", {}).items() if name != "misaligned"}
    if not outcomes:
        return ""
    pictures = sum(outcomes.values())
    refused = pictures - outcomes.get("aligned", 0)
    return f" The aligner refused {refused:,} of the split's {pictures:,} pictures, which are in no pair."


def _rendered_cell(name: str, figure: dict[str, Any], part: dict[str, Any]) -> str:
    if "far_at_" in name and "tar" not in name and figure["value"] == 0.0:
        kind = "hard_" if name.startswith("hard_") else ""
        pairs = part[f"n_{kind}identity_pairs"]
        return f"0 of {part['n_hard' if kind else 'n_impostor']:,} (< {_percent(min(1.0, 3 / pairs))})"
    return _with_interval(name, figure["value"], figure["interval"]) + MARKS[figure.get("support", "full")]


def _real(record: dict[str, Any]) -> str:
    protocols = record["protocols"]

    def cell(scores: dict[str, Any], name: str) -> str:
        name, _, key = name.partition(" ")
        value, between = scores[name], scores["intervals"][name]
        if key:
            value, between = value[key], between[key]
        if value is None:
            return "-"
        if name == "far_at_threshold" and value == 0.0:
            return f"0 of {scores['n_impostor']:,} (< {min(1.0, 3 / scores['n_person_pairs']):.0%})"
        return _with_interval(name, value, between) + (MARKS[scores["support"][key]] if key else "")

    rows = [
        (label, *(cell(scores, name) for scores in protocols.values())) for name, label in REAL_ROWS.items()
    ]
    rows += [
        (
            "genuine / impostor pairs",
            *(f"{s['n_genuine']:,} / {s['n_impostor']:,}" for s in protocols.values()),
        ),
    ]
    head = f"{record['people']} people, {record['captures']} captures."
    table = _markdown(["figure (95 % interval)", *protocols], rows)
    return f"{head}\n\n{table}\n\n{_decided(record)}"


def _decided(record: dict[str, Any]) -> str:
    """Say what a device would decide about the people left out."""
    named, swaps = record["identified"], record["swaps"]
    refused = ", ".join(f"{who} {count}" for who, count in record["refused_as_not_live"].items())
    each = record["captures"] // record["people"]
    return (
        f"Identified among all, with nine references each: {named['right']} of {named['attempts']} attempts "
        f"right, {named['wrong']} wrong; {named['not_enrolled_accepted']} of "
        f"{named['not_enrolled_attempts']} accepted as somebody else while not enrolled themselves. "
        f"With the victim's picture in the place of the face on a stranger's depth, both real, whole frames: "
        f"{swaps['accepted']} of {swaps['attempts']} accepted as the victim ({swaps['not_live']} refused as "
        f"not live, {swaps['no_face']} without a face). With it on reliefs, {_reliefs(record['reliefs'])}. "
        f"Captures of {each} without a live face, by person: {refused}.\n\n"
        f"EER ({' / '.join(record['protocols'])}) with impostors of whom both were left out: "
        f"{_eers(record['both_left_out'])}; with all but brows, cheeks and chin of the picture blurred: "
        f"{_eers(record['without_hair'])}."
    )


def _reliefs(counts: dict[str, dict[str, int]]) -> str:
    accepted = [f"{name} {found['accepted']} of {found['attempts']}" for name, found in counts.items()]
    return "accepted as the victim: " + ", ".join(accepted)


def _eers(protocols: dict[str, Any]) -> str:
    return " / ".join(_percent(scores["eer"]) for scores in protocols.values())


def _ablation(record: dict[str, Any]) -> str:
    made = f"{record['steps']:,} steps each, network `{record['network']}`"
    return f"Measured on `{record['test']}`, {made}; in %.\n\n" + _markdown(
        ["variant", "seeds", *ABLATION_COLUMNS.values()], list(ablation_rows(record["variants"]))
    )


def _with_interval(name: str, value: float, between: list[float] | None) -> str:
    distance = name.endswith("_mean")
    text = f"{value:.3f}" if distance else _percent(value)
    if between is None:
        return text
    form = (lambda end: f"{end:.3f}") if distance else (lambda end: f"{100 * end:.{_digits(value)}f}")
    return f"{text} ({form(between[0])} - {form(between[1])})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.{_digits(rate)}f} %"


def _digits(rate: float) -> int:
    """Decimals of a percentage: rare errors need more."""
    return 2 if rate >= 1e-3 or rate == 0.0 else 4


def _markdown(head: list[str], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def read_figures(path: Path) -> dict[str, Any]:
    """Read the kept figures; none of a kind where there are none."""
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return {"rendered": {}, "real": None, "ablation": None} | kept


def take_in(
    figures: dict[str, Any],
    model_id: str,
    rendered: list[dict[str, Any]],
    real: dict[str, Any] | None,
    ablation: dict[str, Any] | None,
) -> dict[str, Any]:
    """Add measured records to the kept figures; a record of the same split is replaced.

    Raises
    ------
    ValueError
        A record is of another model.
    """
    for record in [*rendered, *([real] if real else [])]:
        if (given := record["model"].get("id")) != model_id:
            message = f"figures: expected those of {model_id}, got those of {given or record['model']}"
            raise ValueError(message)
    kept = {
        split: record for split, record in figures["rendered"].items() if record["model"]["id"] == model_id
    }
    return {
        "rendered": kept | {record["split"]: record for record in rendered},
        "real": real or figures["real"],
        "ablation": _kept(ablation) if ablation else figures["ablation"],
    }


def _kept(ablation: dict[str, Any]) -> dict[str, Any]:
    """What the card shows of ``results.json``: the folders of the machine it was made on stay out."""
    variants = {
        name: [{column: run[column] for column in ABLATION_COLUMNS} for run in runs]
        for name, runs in ablation["variants"].items()
    }
    return {
        "test": Path(ablation["test"]).name,
        "steps": ablation["steps"],
        "network": ablation["network"],
        "variants": variants,
    }


def write_card() -> None:
    """Write the card of the shipped model from the figures that are kept."""
    CARD.write_text(card(read_contract(MODEL), read_figures(FIGURES)), encoding="utf-8")


def main() -> None:
    """Take in new figures, if any, and write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rendered", type=Path, nargs="*", default=[], help="JSON of training.reports.evaluate --model"
    )
    parser.add_argument("--real", type=Path, help="JSON of training.reports.people")
    parser.add_argument("--ablation", type=Path, help="results.json of training.reports.ablate")
    arguments = parser.parse_args()

    def read(path: Path | None) -> Any:
        return json.loads(path.read_text()) if path else None

    contract = read_contract(MODEL)
    figures = take_in(
        read_figures(FIGURES),
        contract.model_id,
        [read(path) for path in arguments.rendered],
        read(arguments.real),
        read(arguments.ablation),
    )
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    write_card()


if __name__ == "__main__":
    main()
