"""Enrol and remove people: frames become references in the store and in the index."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from faceid_fast.access.lockout import DEVICE, ENROLLING, SEARCH
from faceid_fast.errors import LockedOutError
from faceid_fast.face.crop import NoFace
from faceid_fast.face.stopwatch import Stopwatch
from faceid_fast.matching.keys import as_probes, distances_to
from faceid_fast.storage.keys import Keys
from faceid_fast.storage.names import Looks
from faceid_fast.storage.plan import Plan, alterer, carry_out
from faceid_fast.storage.references import Consent, References
from faceid_fast.storage.store import remove as remove_from

from .plan import EVERYTHING, Candidates, Compared, Wishes, identity_taken, plan_enrollment
from .poses import pose_name
from .result import Enrollment, RejectedFrame
from .strangers import Other, Questions, Strangers

if TYPE_CHECKING:
    from faceid_fast.access.attempt_limiter import AttemptLimiter
    from faceid_fast.face.crop import FaceCrop
    from faceid_fast.face.embedding import Embedding
    from faceid_fast.face.pipeline import Pipeline
    from faceid_fast.frame import Frame
    from faceid_fast.matching.index import GalleryIndex
    from faceid_fast.matching.thresholds import Thresholds
    from faceid_fast.storage.store import Authority, ReferenceStore

Result = TypeVar("Result")


class Enroller:
    """Changes people's references in the store, and brings the index up to date.

    Parameters
    ----------
    store : keeps the references.
    pipeline : turns frames into vectors.
    index : the galleries that are searched.
    thresholds : the largest joined distance to accept, by modality, and the limits of the keys.
    limiter : charges comparisons with references that are there already.
    """

    def __init__(
        self,
        store: ReferenceStore,
        pipeline: Pipeline,
        index: GalleryIndex,
        thresholds: Thresholds,
        limiter: AttemptLimiter,
    ) -> None:
        self._store = store
        self._pipeline = pipeline
        self._index = index
        self._thresholds = thresholds
        self._limiter = limiter
        self._changing = threading.Lock()  # one change at a time; searches never wait for it

    def enroll(
        self,
        identity: str,
        frames: Sequence[Frame],
        *,
        new: bool,
        replace: bool,
        strangers: Strangers,
        consent: str | None,
        authority: Authority | None = None,
    ) -> Enrollment:
        """Add references of a person; see `faceid_fast.authenticator.Authenticator.enroll`."""
        agreed = None if consent is None else Consent(consent, time.time())
        wishes = Wishes(new, replace, strangers, agreed)
        enrolled = self._store.snapshot()
        if new and identity in enrolled:  # before the work, and again in the plan
            raise identity_taken(identity)
        if identity not in enrolled:  # before the work, and again in the store
            Looks().of(enrolled).add(identity)
        candidates = self._look(identity, frames, agreed)
        charges = _Charges(self._limiter, identity, is_free=self._is_administrator(authority))

        def make(seen: References | None) -> Plan[Enrollment]:
            self._index.refresh()
            compared = Compared() if candidates.references is None else charges.made(seen, self._index)
            others = partial(self._others, identity)
            return plan_enrollment(seen, candidates, wishes, compared, self._asked(), others)

        made = self.carry_out(identity, make, authority=authority)
        if made.accepted or made.known:
            charges.take_back()
        return made

    def _is_administrator(self, authority: Authority | None) -> bool:
        """Whether whoever enrols has shown the credential, or the policy lets programs see distances."""
        shown = authority is not None and authority.credential is not None
        return shown or self._thresholds.refresh().policy.diagnostics

    def remove(self, identity: str) -> None:
        """Remove a person; see `faceid_fast.authenticator.Authenticator.remove`."""
        with self._changing:
            try:
                remove_from(self._store, identity)
            finally:
                self._index.refresh()

    def carry_out(
        self,
        identity: str,
        make: Callable[[References | None], Plan[Result]],
        *,
        authority: Authority | None = None,
    ) -> Result:
        """Change a person as planned and bring the index up to date; if anything raises, nothing changes.

        Parameters
        ----------
        identity : the person.
        make : as for `faceid_fast.storage.plan.carry_out`.
        authority : as for `faceid_fast.storage.store.ReferenceStore.alter`.

        Returns
        -------
        The result of the plan that was applied.
        """
        with self._changing:
            plan = carry_out(self._store, identity, make, authority)
            try:
                self._index.refresh()
            except BaseException:
                # Undo the change, unless another process has changed the person since.
                alter = alterer(self._store, authority)
                alter(identity, lambda now: (plan.seen if now is plan.after else now, ()))
                self._index.refresh()
                raise
        return plan.result

    def _look(self, identity: str, frames: Sequence[Frame], consent: Consent | None) -> Candidates:
        """Find the face in every frame, and make references of the live ones."""
        looks = self._pipeline.look(frames, Stopwatch())
        crops = {place: look for place, look in enumerate(looks) if not isinstance(look, NoFace)}
        return Candidates(
            identity,
            self._references(identity, frames, crops, consent) if crops else None,
            places=tuple(crops),
            held=tuple(crop.pose for crop in crops.values()),
            refused=tuple(
                RejectedFrame(place, look.outcome, look.reasons)
                for place, look in enumerate(looks)
                if isinstance(look, NoFace)
            ),
            modalities=frozenset(frame.modality for frame in frames),
            model_sha256=self._pipeline.model_sha256,
        )

    def _references(
        self,
        identity: str,
        frames: Sequence[Frame],
        crops: Mapping[int, FaceCrop],
        consent: Consent | None,
    ) -> References:
        """Make references of the faces that were found, by the place of their frame."""
        made = self._pipeline.embed(list(crops.values()))
        return References(
            identity,
            made.joined,
            tuple(pose_name(crop.pose) for crop in crops.values()),
            tuple(frames[place].modality for place in crops),
            self._pipeline.model_sha256,
            consent,
            keys=Keys.of(made.shape, made.picture),
        )

    def _asked(self) -> dict[str, Questions]:
        """Return what two frames of one face must meet, by modality."""
        limits = self._thresholds.key_limits
        return {name: Questions(at, limits[name]) for name, at in self._thresholds.items()}

    def _others(self, identity: str, modality: str, references: References) -> list[list[Other]]:
        """Return, for each reference, the people but this one within the threshold, nearest first."""
        probes = as_probes(references, modality)
        if modality not in self._thresholds or not probes:
            return [[] for _ in references.of(modality)]
        found = self._index.of(modality).within(references.of(modality), self._thresholds[modality])
        first, names = found.offsets, found.names
        return [
            [
                other
                for name in dict.fromkeys(names[first[row] : first[row + 1]])
                if name not in {None, identity} and (other := self._other(name, modality, probe)) is not None
            ]
            for row, probe in enumerate(probes)
        ]

    def _other(self, identity: str, modality: str, probe: Embedding) -> Other | None:
        if (kept := self._index.references(identity)) is None:  # removed since
            return None
        # Not rounded, as the distances in `found` are: it decides who is nearer.
        distances = distances_to(kept, modality, probe)
        return Other(identity, distances.joined, distances.keys.agree(self._thresholds.key_limits[modality]))


class _Charges:
    """Charges what an enrolment compares with references that are there already; each kind once.

    To add to somebody's references is to claim to be them, so it is charged to them as a verification is, and
    taken back if the frames match. To compare somebody new with everybody else is a search.
    """

    def __init__(self, limiter: AttemptLimiter, identity: str, *, is_free: bool) -> None:
        self._limiter = limiter
        self._identity = identity
        self._is_free = is_free
        self._own = False
        self._others: bool | None = None

    def made(self, seen: References | None, index: GalleryIndex) -> Compared:
        """Charge, and return what may be compared.

        Raises
        ------
        LockedOutError
            If a lock forbids the comparison with the person's own references.
        """
        if self._is_free:
            return EVERYTHING
        if seen is not None and not self._own:
            refused = self._limiter.charge_comparison((self._identity, DEVICE))
            if refused is not None:
                message = (
                    f"enroll: expected to compare the frames with the references of {self._identity!a:.240}, "
                    f"but {refused.reason}; or show the credential (credential=..., --credential)"
                )
                raise LockedOutError(message)
            self._own = True
        if self._others is None:
            refused = (
                self._limiter.charge_comparison((ENROLLING,), (DEVICE, SEARCH))
                if index.others_than(self._identity)
                else None
            )
            self._others = refused is None
        return Compared(others=self._others)

    def take_back(self) -> None:
        """Take back what was charged to the person, because the frames match."""
        if self._own:
            self._limiter.take_back((self._identity, DEVICE))
