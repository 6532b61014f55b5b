"""How long the stages of a verification take on this machine."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Final

from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import FaceIDError
from faceid_fast.sources.renders import bundled_renders

_WARM_UP: Final = 3


def time_stages(repeats: int) -> dict[str, dict[str, float]]:
    """Time each stage of verifying a bundled render (a head crop): milliseconds, see `spread`.

    Every stage runs on one thread.

    Raises
    ------
    FaceIDError
        If a model or the renders are missing, or the render cannot be enrolled.
    """
    renders = bundled_renders()
    enrolled = next(render for render in renders if render.kind == "enroll").read()
    probe = next(render for render in renders if render.kind == "probe").read()
    auth = Authenticator(lockout=False)
    if not auth.enroll("render", enrolled).enrolled:
        message = "the bundled render could not be enrolled: the installation is not sound"
        raise FaceIDError(message)
    runs = [auth.verify(probe, "render").timings_ms for _ in range(_WARM_UP + repeats)][_WARM_UP:]
    return {stage: spread([run[stage] for run in runs]) for stage in runs[0]}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of two values or more."""
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "q1": q1, "q3": q3}
