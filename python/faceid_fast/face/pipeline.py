"""Turn a frame into the vector of a live face: locate and align, check liveness, embed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from faceid_fast.errors import ModelContractError, ModelError
from faceid_fast.outcome import Outcome

from .aligner import FaceAligner
from .crop import NoFace
from .embedder import Embedder
from .liveness import LivenessCheck
from .replay import repeated
from .stopwatch import Stopwatch

_COPIED: Final = ("two frames show the same depth or the same picture: a recording, not a face",)

if TYPE_CHECKING:
    from faceid_fast.frame import Frame

    from .crop import FaceCrop
    from .model_contract import ModelContract


class Pipeline:
    """The stages that a frame passes before it is compared.

    Parameters
    ----------
    aligner, embedder, liveness : None: the bundled ones.
    diagnostics : whether the reasons of refusals include the measured figures.

    Raises
    ------
    ModelError
        If a bundled model is missing or damaged.
    ModelContractError
        If the embedder's model was trained for another head model than the aligner's.
    """

    def __init__(
        self,
        aligner: FaceAligner | None,
        embedder: Embedder | None,
        liveness: LivenessCheck | None,
        *,
        diagnostics: bool,
    ) -> None:
        self._aligner = FaceAligner.bundled() if aligner is None else aligner
        self._embedder = Embedder.bundled() if embedder is None else embedder
        self._liveness = LivenessCheck.bundled() if liveness is None else liveness
        self._diagnostics = diagnostics
        wanted, given = self.contract.preprocessing["head_model_sha256"], self._aligner.head_model_sha256
        if given != wanted:
            message = (
                f"aligner: expected the head model {wanted}, which the model was trained for, got {given}"
            )
            raise ModelContractError(message)

    @property
    def contract(self) -> ModelContract:
        """The model's contract."""
        return self._embedder.contract

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the model that makes the vectors."""
        return self._embedder.sha256

    def look(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[FaceCrop | NoFace]:
        """Find the live face of each frame of a sequence: a FaceCrop for each, or NoFace with the reason."""
        copied = repeated(frames)
        return [
            self._explained(NoFace(Outcome.SPOOF, _COPIED)) if at in copied else self._look(frame, stopwatch)
            for at, frame in enumerate(frames)
        ]

    def _look(self, frame: Frame, stopwatch: Stopwatch) -> FaceCrop | NoFace:
        crop = self._aligner.align(frame)
        stopwatch.lap("align")
        if isinstance(crop, NoFace):
            return self._explained(crop)
        verdict = self._liveness.check(crop)
        stopwatch.lap("liveness")
        if verdict.live:
            return crop
        measured = verdict.figures(self._liveness.limits.least)
        return self._explained(NoFace(Outcome.SPOOF, verdict.reasons, measured))

    def embed(self, crops: Sequence[FaceCrop]) -> NDArray[np.float32]:
        """Turn n faces into (n, D) float32 unit vectors; n >= 1."""
        vectors: NDArray[np.float32] = self._embedder.embed(np.stack([crop.tensor for crop in crops]))
        if vectors.shape != (wanted := (len(crops), self.contract.embedding_size)):
            message = f"embedder: expected vectors of shape {wanted}, got {vectors.shape}"
            raise ModelError(message)
        return vectors

    def _explained(self, refusal: NoFace) -> NoFace:
        """Add the measured figures to the reasons, with diagnostics only."""
        if not self._diagnostics:
            return refusal
        return replace(refusal, reasons=(*refusal.reasons, *refusal.measured))
