"""How long the stages of a verification take on this machine."""

from __future__ import annotations

import statistics

from faceid_fast.authenticator import Authenticator
from faceid_fast.errors import FaceIDError
from faceid_fast.sources.renders import bundled_renders


def stage_medians(repeats: int) -> dict[str, float]:
    """Median milliseconds per stage of verifying a bundled render on this machine.

    Raises
    ------
    FaceIDError
        If a model or the renders are missing, or the render cannot be enrolled.
    """
    renders = bundled_renders()
    enrolled = next(render for render in renders if render.kind == "enroll").read()
    probe = next(render for render in renders if render.kind == "probe").read()
    auth = Authenticator()
    if not auth.enroll("render", enrolled).enrolled:
        message = "the bundled render could not be enrolled: the installation is not sound"
        raise FaceIDError(message)
    runs = [auth.verify(probe, "render").timings_ms for _ in range(repeats)]
    return {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}
