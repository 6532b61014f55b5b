"""Parts of a program's own: whether an aligner, an embedder or a liveness check is the bundled one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .aligner import FaceAligner
from .bundled import bundled_model_sha256
from .combined_embedder import CombinedEmbedder
from .embedder import BUNDLED_MODEL, Embedder
from .liveness import LivenessCheck

if TYPE_CHECKING:
    from collections.abc import Mapping


def own_parts(
    aligner: object, embedder: object, liveness: object, *, pins_another: bool = False
) -> tuple[str, ...]:
    """Return the names of those parts that are neither this package's own nor stricter.

    An aligner's head model is not compared here: `faceid_fast.face.pipeline.Pipeline` refuses any but the one
    that the embedder's model was trained for.

    Parameters
    ----------
    aligner, embedder, liveness : as the arguments of `faceid_fast.Authenticator`; None: the bundled one.
    pins_another : whether the store pins another model than the bundled one; that an embedder has this one is
        compared elsewhere (`faceid_fast.matching.pinned`).
    """
    own = {
        "aligner": aligner is None or type(aligner) is FaceAligner,
        "embedder": embedder is None or (_is_ours(embedder) if pins_another else _is_bundled(embedder)),
        "liveness": liveness is None
        or (type(liveness) is LivenessCheck and _is_strict(liveness.limits.least)),
    }
    return tuple(name for name, bundled in own.items() if not bundled)


def _is_bundled(embedder: object) -> bool:
    return type(embedder) is Embedder and embedder.sha256 == bundled_model_sha256(BUNDLED_MODEL)


def _is_ours(embedder: object) -> bool:
    return type(embedder) is CombinedEmbedder


def _is_strict(least: Mapping[str, float]) -> bool:
    """Whether no figure of a live face may be less than the bundled limits say."""
    return all(least[name] >= value for name, value in LivenessCheck.bundled().limits.least.items())
