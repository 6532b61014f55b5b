"""What was measured, as a page and as a picture."""

from __future__ import annotations

import itertools
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from .data import PROBLEMS, REFERENCES_OF_A_PERSON
from .grid import DIMENSIONS, SIZES, Case, cases
from .peers import OURS, PEERS

Cell = dict[str, Any]

_HEAD: Final = """# The matcher beside its peers: {backend}

Written by `{command}`, which goes on from what the JSON holds (`make bench` writes the like below `build/`).
{machine}; back end `{backend}`, numpy {numpy}; the core as of {commits}.

Microseconds a query, whole Python calls; everybody in turns in one process; medians over rounds. The ratio
is that of the *best* exact peer of the cell over ours, round by round: numpy (one matrix product,
`argpartition` for k > 1), FAISS `IndexFlatL2` as it is and with every batch sent to BLAS ("tuned"), usearch's
exact search, scikit-learn's brute force. All of them give Euclidean distances; only ours are those of
float64. "By hand" is one line for one query of vectors that are taken to be of norm 1.

`random`: vectors without structure, each of its own identity. `faces`: {per_person} references a person,
genuine distances about 0.29, impostors' about 1.19; who asks is enrolled, or a stranger. "within 0.4" is
`best_identity` with a threshold, where peers look for the nearest.
{picture}
How it is done by now: every reference has a code of one byte a dimension, so that a scan reads a quarter of
the memory; a bound on what a code can be off, computed for each, says which references cannot be among the
matches, and only the others are looked at, in float32, and in float64 where that leaves doubts. Where
codes would take 16 MiB and more, more than most caches hold, those of up to 256 dimensions have five bits:
single queries then read less, and large batches have more to look at than with bytes. From 16,384
references on, 4 to 16 references of a person that lie close together share one code, and are ruled out
together; where they are not, four bits a dimension tell them apart. Fewer than 128 references are scored in
float32; of at most 64, where a batch wants half of them, all distances are computed in float64.
`rust/core/src/gallery/` says it in full, file by file; property tests hold it against brute force.

"""
# Sizes between which a search goes from what caches hold to what memory does.
_FEW: Final = 10_000
_MANY: Final = 1_000_000
_COLUMNS: Final = (
    "data",
    "D",
    "references",
    "queries",
    "batch",
    "k",
    "threads",
    "ours",
    "best peer",
    "peer",
    "ratio (quartiles)",
)


def as_markdown(report: dict[str, Any], command: str, picture: str | None) -> str:
    """The page: what it comes to, then every cell; `picture` is the address of the plot as seen from it."""
    head = _HEAD.format(
        command=command,
        picture=f"\n![Latency of one query]({picture})\n" if picture else "",
        machine=report["machine"],
        backend=report["backend"],
        numpy=report["numpy"],
        per_person=REFERENCES_OF_A_PERSON,
        commits=", ".join(sorted({commit for size in report["sizes"] for commit in size["commits"]})),
    )
    grid = "## Every cell\n\n" + _table(report["cells"])
    return head + "\n".join(summary(report)) + "\n" + grid


def summary(report: dict[str, Any]) -> list[str]:
    """Ratios by group of cells, exactness, memory, bandwidth, and the cells that a peer wins."""
    cells: list[Cell] = report["cells"]
    claim = report["verify"]
    changing = report["changing"]["compared"]
    compared = sum(cell["compared"] for cell in cells) + changing
    lines = [
        (
            f"One query against the {claim['references']} references of a person (`distance_to`): "
            f"{claim['us'][OURS]['median']:.2f} us. "
            + ". ".join(
                f"{name}: {claim['us'][name]['median']:.2f} us, ratio {ratio['median']:.1f}"
                for name, ratio in claim["ratio"].items()
            )
            + "."
        ),
        "",
        (
            f"Comparisons with brute force in float64: {compared:.3g}, {changing:.3g} of them while people "
            f"were added, replaced and removed. Mismatches: {mismatches(report)}."
        ),
        "",
        *_growth(cells),
        "| one thread | smallest ratio | largest |",
        "|---|---|---|",
    ]
    groups: dict[str, list[float]] = {}
    for cell in cells:
        if cell["threads"] == 1:
            groups.setdefault(_group(cell), []).append(cell["ratio"]["median"])
    lines += [f"| {name} | {min(ratios):.2f} | {max(ratios):.1f} |" for name, ratios in groups.items()]
    lines += ["", "| references | D | float32 bytes held | built in | codes read | a plain sum |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [_size(size) for size in report["sizes"]]
    lines += ["", *_not_measured(report)]
    lost = [cell for cell in cells if cell["ratio"]["median"] < 1]
    lines += ["", f"## Cells below the best peer: {len(lost)} of {len(cells)}", ""]
    return [*lines, _table(lost)]


def _growth(cells: list[Cell]) -> list[str]:
    """How much more a reference costs among many than among few, in words."""
    said = []
    for dim, k in itertools.product(DIMENSIONS, (1, 10)):
        costs = {
            cell["references"]: cell["us"][OURS]["median"] / cell["references"]
            for cell in cells
            if (cell["data"], cell["dim"], cell["k"]) == ("random", dim, k)
            and cell["batch"] == cell["threads"] == 1
        }
        if _FEW in costs and _MANY in costs:
            said.append(f"{costs[_MANY] / costs[_FEW]:.2f} (D = {dim}, k = {k})")
    if not said:
        return []
    many = f"One of {_MANY:,} random references costs one query so many times what one of {_FEW:,} costs"
    return [f"{many}: {', '.join(said)}.", ""]


def measured(report: dict[str, Any]) -> set[Case]:
    """The cases that are there."""
    names = [field.name for field in fields(Case)]
    return {Case(**{name: cell[name] for name in names}) for cell in report["cells"]}


def _not_measured(report: dict[str, Any]) -> list[str]:
    """What of the whole grid is missing, in words."""
    there = measured(report)
    lines = []
    for dim, data, count in itertools.product(DIMENSIONS, PROBLEMS, SIZES):
        missing = [case for case in cases(data, dim, count) if case not in there]
        if missing:
            used = sorted({(case.threads, case.batch) for case in missing})
            named = ", ".join(f"{batch} on {threads}" for threads, batch in used)
            lines.append(
                f"Not measured: {data}, {count:,} references of {dim} values, batches on threads: {named}."
            )
    return lines


def mismatches(report: dict[str, Any]) -> int:
    """Matches that were not those of brute force."""
    return sum(cell["wrong"] for cell in report["cells"]) + int(report["changing"]["wrong"])


def _size(size: dict[str, Any]) -> str:
    read = size.get("read")
    speeds = f"{read['codes_gb_per_s']:.1f} GB/s | {read['sum_gb_per_s']:.1f} GB/s" if read else "|"
    return (
        f"| {size['references']:,} {size['data']} | {size['dim']} | {size['memory']:.3f} times "
        f"| {size['build_s']:.2f} s | {speeds} |"
    )


def _group(cell: Cell) -> str:
    batch = "one query" if cell["batch"] == 1 else "batches"
    return f"{_asked(cell)}, {cell['references']:,} references, {batch}"


def _asked(cell: Cell) -> str:
    if cell["data"] == "random":
        return "random"
    within = f" within {cell['threshold']}" if cell["threshold"] else ""
    return f"faces, {cell['queries']}{within}"


def _table(cells: list[Cell]) -> str:
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
    return "\n".join([*lines, *(line(cell) for cell in cells)]) + "\n"


def line(cell: Cell) -> str:
    """One row of the table."""
    ratio, best = cell["ratio"], cell["best"]
    asked = cell["queries"] + (f" within {cell['threshold']}" if cell["threshold"] else "")
    columns = (
        cell["data"],
        cell["dim"],
        f"{cell['references']:,}",
        asked,
        cell["batch"],
        cell["k"],
        cell["threads"],
        f"{cell['us'][OURS]['median']:.4g}",
        best,
        f"{cell['us'][best]['median']:.4g}",
        f"{ratio['median']:.3g} ({ratio['q1']:.3g} - {ratio['q3']:.3g})",
    )
    return "| " + " | ".join(map(str, columns)) + " |"


def plot(report: dict[str, Any], path: Path) -> None:
    """Latency of one query against the number of references, everybody, both axes logarithmic."""
    import matplotlib.pyplot as plt  # noqa: PLC0415  # a second, and only for this

    cells = [
        cell
        for cell in report["cells"]
        if (cell["batch"], cell["k"], cell["threads"], cell["dim"]) == (1, 1, 1, 128)
        and not cell["threshold"]
    ]
    titles = {"random": "random vectors", "enrolled": "faces, enrolled", "stranger": "faces, a stranger"}
    figure, axes = plt.subplots(1, len(titles), figsize=(13, 4.2), sharey=True, layout="constrained")
    for axis, (queries, title) in zip(axes, titles.items(), strict=True):
        for name in (OURS, *PEERS):
            points = sorted(
                (cell["references"], cell["us"][name]["median"])
                for cell in cells
                if cell["queries"] == queries and name in cell["us"]
            )
            style = {"linewidth": 2.5, "color": "black"} if name == OURS else {"linewidth": 1.2}
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name, **style)
        axis.set(xscale="log", yscale="log", title=title, xlabel="references of 128 values")
        axis.grid(visible=True, which="major", alpha=0.3)
    axes[0].set_ylabel("microseconds for the nearest, one thread")
    axes[-1].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
