"""Turn a frame into the embedding of a live face: locate and align, check liveness, embed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from faceid_fast.errors import ModelContractError, ModelError
from faceid_fast.outcome import Outcome

from .aligner import FaceAligner
from .crop import FaceCrop, NoFace
from .embedder import Embedder
from .embedding import Embeddings
from .liveness import LivenessCheck
from .sequence import not_independent, repeated
from .stopwatch import Stopwatch
from .turned import hint_of, in_best_turn, may_be_turned

_COPIED: Final = ("two frames show the same depth or the same picture: a recording, not a face",)
_NOT_A_SEQUENCE: Final = (
    "the frames are not several measurements, but made of one: a recording, not a face",
)

if TYPE_CHECKING:
    from faceid_fast.frame import Frame

    from .model_contract import ModelContract


class Pipeline:
    """The stages that a frame passes before it is compared.

    Parameters
    ----------
    aligner, embedder, liveness : None: the bundled ones.
    diagnostics : whether the reasons of refusals include the measured figures.
    try_turns : whether frames without an upright face are tried in other turns, see `turned`.

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
        try_turns: bool = False,
    ) -> None:
        self._aligner = FaceAligner.bundled() if aligner is None else aligner
        self._embedder = Embedder.bundled() if embedder is None else embedder
        self._liveness = LivenessCheck.bundled() if liveness is None else liveness
        self._diagnostics = diagnostics
        self._try_turns = try_turns
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
        """Find the live face of each frame of a sequence: a FaceCrop for each, or NoFace with the reason.

        The frames are those of one camera: they are turned alike, if at all.
        """
        return self._look(frames, repeated(frames), stopwatch)

    def look_at_sequence(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[FaceCrop | NoFace]:
        """Find the live face of each frame, as `look` does, where several frames are to be one moment.

        If one frame was made of another, no face of the sequence counts as live: who plays one frame again
        may play them all. Enrolment does not ask for that: of a frame given twice one reference is kept.
        """
        copied = repeated(frames)
        looks = self._look(frames, copied, stopwatch)
        faces = {at: look for at, look in enumerate(looks) if isinstance(look, FaceCrop)}
        made_of_another = not_independent(frames, faces)
        if len(faces) > 1:
            stopwatch.lap("liveness")
        if not copied and not made_of_another:
            return looks
        spoofs = {
            at: self._explained(NoFace(Outcome.SPOOF, _NOT_A_SEQUENCE, turned_deg=face.turned_deg))
            for at, face in faces.items()
        }
        return [spoofs.get(at, look) for at, look in enumerate(looks)]

    def _look(
        self, frames: Sequence[Frame], copied: set[int], stopwatch: Stopwatch
    ) -> list[FaceCrop | NoFace]:
        """Find the live face of each frame but the `copied` ones."""
        found: dict[int, FaceCrop | NoFace] = {}
        looks: dict[int, FaceCrop | NoFace] = {}
        for at, frame in enumerate(frames):
            if at in copied:
                found[at] = looks[at] = self._explained(NoFace(Outcome.SPOOF, _COPIED))
            else:
                found[at] = self._aligner.align(frame)
                stopwatch.lap("align")
                looks[at] = self._judged(found[at], stopwatch)
        if self._try_turns and not copied:
            looks |= self._turned(frames, found, looks, stopwatch)
        return list(looks.values())

    def _turned(
        self,
        frames: Sequence[Frame],
        found: Mapping[int, FaceCrop | NoFace],
        looks: Mapping[int, FaceCrop | NoFace],
        stopwatch: Stopwatch,
    ) -> dict[int, FaceCrop | NoFace]:
        """Judge the faces that are there only in another turn; none if most frames show an upright face."""
        upright = [at for at, look in looks.items() if isinstance(look, FaceCrop)]
        tried = {at: frames[at] for at in looks if at not in upright and may_be_turned(found[at])}
        if not tried or 2 * len(upright) >= len(frames):
            return {}
        crops = in_best_turn(tried, found, self._aligner)
        stopwatch.lap("align")
        judged = {at: self._judged(crop, stopwatch) for at, crop in crops.items()}
        # A spoof that is one as it is, too, is told as it is: no turn was needed to see that.
        return {at: look for at, look in judged.items() if not (_is_spoof(look) and _is_spoof(looks[at]))}

    def _judged(self, found: FaceCrop | NoFace, stopwatch: Stopwatch) -> FaceCrop | NoFace:
        """Check what the aligner found for liveness."""
        if isinstance(found, NoFace):
            return self._explained(found)
        verdict = self._liveness.check(found)
        stopwatch.lap("liveness")
        if verdict.live:
            return found
        measured = verdict.figures(self._liveness.limits.least)
        hint = (hint_of(found.turned_deg),) if found.turned_deg else ()
        return self._explained(NoFace(Outcome.SPOOF, (*verdict.reasons, *hint), measured, found.turned_deg))

    def embed(self, crops: Sequence[FaceCrop]) -> Embeddings:
        """Turn n faces into their embeddings; n >= 1.

        Raises
        ------
        ModelError
            If the model fails, or gives vectors of other sizes than its contract says.
        """
        found: Embeddings = self._embedder.embed(
            np.stack([crop.tensor for crop in crops]), np.stack([crop.chip for crop in crops])
        )
        made = {"embedding": found.joined, "shape": found.shape, "picture": found.picture}
        for name, size in self.contract.outputs.items():
            vectors = made[name]
            if vectors.shape != (wanted := (len(crops), size)):
                message = f"embedder: expected {name} vectors of shape {wanted}, got {vectors.shape}"
                raise ModelError(message)
        return found

    def _explained(self, refusal: NoFace) -> NoFace:
        """Add the measured figures to the reasons, with diagnostics only."""
        if not self._diagnostics:
            return refusal
        return replace(refusal, reasons=(*refusal.reasons, *refusal.measured))


def _is_spoof(look: FaceCrop | NoFace) -> bool:
    return isinstance(look, NoFace) and look.outcome is Outcome.SPOOF
