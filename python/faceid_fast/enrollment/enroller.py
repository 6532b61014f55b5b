"""Enrol and remove people: frames become references in the store and in the index."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from faceid_fast.errors import InvalidInputError
from faceid_fast.face.crop import NoFace
from faceid_fast.face.stopwatch import Stopwatch
from faceid_fast.outcome import Outcome
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.references import Consent, References, check_model
from faceid_fast.storage.store import remove as remove_from

from .outliers import find_outliers, without
from .poses import pose_name
from .result import Enrollment, RejectedFrame, summarise

if TYPE_CHECKING:
    from faceid_fast.face.pipeline import Pipeline
    from faceid_fast.frame import Frame
    from faceid_fast.matching.index import GalleryIndex
    from faceid_fast.storage.store import Change, ReferenceStore

MAX_REFERENCES: Final = 64
"""Most references of a person; every reference is one more chance of a false match."""
_ODD: Final = "unlike every other reference"


class Enroller:
    """Changes people's references in the store, and brings the index up to date.

    Parameters
    ----------
    store : keeps the references.
    pipeline : turns frames into vectors.
    index : the galleries that are searched.
    thresholds : the largest distance to accept, by modality.
    """

    def __init__(
        self, store: ReferenceStore, pipeline: Pipeline, index: GalleryIndex, thresholds: Mapping[str, float]
    ) -> None:
        self._store = store
        self._pipeline = pipeline
        self._index = index
        self._thresholds = thresholds
        self._changing = threading.Lock()  # one change at a time; searches never wait for it

    def enroll(
        self,
        identity: str,
        frames: Sequence[Frame],
        *,
        replace: bool,
        leave_out_strangers: bool,
        consent: str | None,
    ) -> Enrollment:
        """Add references of a person; see `faceid_fast.authenticator.Authenticator.enroll`."""
        agreed = None if consent is None else Consent(consent, time.time())
        looks = self._pipeline.look(frames, Stopwatch())
        refused = [
            RejectedFrame(index, look.outcome, look.reasons)
            for index, look in enumerate(looks)
            if isinstance(look, NoFace)
        ]
        rejected = refused
        crops = {index: look for index, look in enumerate(looks) if not isinstance(look, NoFace)}
        places = list(crops)
        modalities = tuple(frame.modality for frame in frames)
        taken: References | None = None
        if crops:
            taken = References(
                identity,
                self._pipeline.embed(list(crops.values())),
                tuple(pose_name(crop.pose) for crop in crops.values()),
                tuple(modalities[place] for place in places),
                self._pipeline.model_sha256,
                agreed,
            )

        def alter(before: References | None) -> Change:
            nonlocal rejected, places
            kept = None if replace else before
            if kept is not None:
                check_model(kept, self._pipeline.model_sha256)
            if taken is None:
                return before, ()
            fresh = taken if before is None or agreed else taken.with_consent(before.consent)
            after = fresh if kept is None else kept.joined(fresh)
            odd = find_outliers(after, list(crops), self._thresholds) if leave_out_strangers else []
            rejected = [*refused, *(RejectedFrame(place, Outcome.NO_MATCH, (_ODD,)) for place in odd)]
            places = [place for place in crops if place not in odd]
            if not places:
                return before, ()
            after = without(after, list(crops), odd)
            kind = (
                EventKind.ENROLLED if before is None else EventKind.REPLACED if replace else EventKind.ADDED
            )
            return _limited(after), (Event.now(kind, identity, f"{len(places)} references"),)

        after = self.altered(identity, alter)
        poses = () if after is None else zip(after.poses, after.modalities, strict=True)
        return summarise(
            identity,
            [pose for pose, modality in poses if modality in modalities],
            accepted=len(places),
            references=0 if after is None else len(after.vectors),
            rejected=sorted(rejected, key=lambda frame: frame.index),
            held=[crops[place].pose for place in places],
            warnings=[
                *(
                    f"frame {place} is {_ODD}: is it the same person, held still?"
                    for place in find_outliers(after, places, self._thresholds)
                ),
                *(
                    f"as near to {other!a} as frames of one person are: enrolled twice, or two people alike?"
                    for other in self._alike(after)
                ),
            ],
        )

    def remove(self, identity: str) -> None:
        """Remove a person; see `faceid_fast.authenticator.Authenticator.remove`."""
        with self._changing:
            try:
                remove_from(self._store, identity)
            finally:
                self._index.refresh()

    def altered(self, identity: str, alter: Callable[[References | None], Change]) -> References | None:
        """Change a person in the store and bring the index up to date; if anything raises, nothing changes.

        Returns the person's new references, None if they were removed.
        """
        before: References | None = None

        def remembering(found: References | None) -> Change:
            nonlocal before
            before = found
            return alter(found)

        with self._changing:
            after = self._store.alter(identity, remembering)
            try:
                self._index.refresh()
            except BaseException:
                # Undo the change, unless another process has changed the person since.
                self._store.alter(identity, lambda now: (before if _same(now, after) else now, ()))
                self._index.refresh()
                raise
        return after

    def _alike(self, references: References | None) -> list[str]:
        """Return the other people who would be accepted as this person, sorted."""
        found: set[str] = set()
        if references is not None:
            for modality, threshold in self._thresholds.items():
                if len(vectors := references.of(modality)):
                    found.update(self._index.of(modality).within(vectors, threshold).names)
        return sorted(name for name in found if name not in {None, references and references.identity})


def _same(a: References | None, b: References | None) -> bool:
    return a is not None and b is not None and np.array_equal(a.vectors, b.vectors)


def _limited(references: References) -> References:
    if (count := len(references.vectors)) > MAX_REFERENCES:
        message = f"frames: expected at most {MAX_REFERENCES} references for one person, got {count}"
        raise InvalidInputError(message)
    return references
