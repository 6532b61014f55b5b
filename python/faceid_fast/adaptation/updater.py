"""Apply `faceid_fast.adaptation.rules` to the adapted references of a store."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from faceid_fast.calibration import impostor_tail
from faceid_fast.matching.keys import NOTHING_NEAR, distances_to
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.plan import Plan, carry_out
from faceid_fast.storage.policy import Mode
from faceid_fast.storage.references import check_model, unknown_identity

from . import rules

if TYPE_CHECKING:
    from faceid_fast.face.embedding import Embedding, Embeddings
    from faceid_fast.face.pipeline import Pipeline
    from faceid_fast.matching.keys import Distances
    from faceid_fast.matching.thresholds import Thresholds
    from faceid_fast.storage.references import References
    from faceid_fast.storage.store import ReferenceStore


class AdaptationUpdater:
    """Matches probes with enrolled and adapted references, and updates the adapted ones in the store.

    It remembers who has just had a near miss, and who has shown the credential since.

    Parameters
    ----------
    store : keeps the adapted references.
    mode : which adapted references are used and admitted.
    thresholds : the largest joined distance to accept, by modality, and the limits of the keys.
    pipeline : makes the probes; its model's contract has the impostor tails that give the floors.
    clock : returns seconds, which setting the computer's clock does not change.

    Raises
    ------
    InvalidInputError
        If adaptation is on, and the model's contract has no measured floor for a modality.
    """

    def __init__(
        self,
        store: ReferenceStore,
        mode: Mode,
        thresholds: Thresholds,
        pipeline: Pipeline,
        clock: Callable[[], float],
    ) -> None:
        self.mode = mode
        self._store = store
        self._model_sha256 = pipeline.model_sha256
        self._clock = clock
        self._tails = pipeline.contract.tails
        self._key_limits = thresholds.key_limits
        if mode is not Mode.NEVER:
            for name, at in thresholds.items():
                impostor_tail.floor(at, self._tails.get(name, ()))
        self._near_misses: dict[str, float] = {}
        self._confirmed: dict[str, float] = {}

    def credential_shown(self, identity: str) -> None:
        """Note that the credential was shown, by somebody who claims to be this person."""
        if self._was_just_now(self._near_misses, identity):
            self._confirmed[identity] = self._clock()

    def judge(
        self,
        identity: str,
        modality: str,
        threshold: float,
        queries: Embeddings,
        is_majority: Callable[[int], bool],
    ) -> tuple[list[bool], list[Distances]]:
        """Match the probes of one attempt with a person, and update the person's adapted references.

        A use is counted only if the references are still those that were matched; else these are matched.

        Parameters
        ----------
        identity : the claimed identity.
        modality : of the probes.
        threshold : the largest joined distance to accept.
        queries : the probes.
        is_majority : whether a number of votes accepts the attempt.

        Returns
        -------
        tuple
            For each probe whether it matches, and its distances to the enrolled references.

        Raises
        ------
        UnknownIdentityError
            If the person is not enrolled.
        ModelError
            If their references were made with another model.
        """
        confirmed = self._was_just_now(self._confirmed, identity)
        floor = impostor_tail.floor(threshold, self._tails.get(modality, ()))
        limits = rules.Limits(threshold, floor, self._key_limits[modality])

        def make(seen: References | None) -> Plan[_Judged]:
            if seen is None:
                raise unknown_identity(identity)
            check_model(seen, self._model_sha256)
            probes = _Probes(tuple(queries), modality, limits, self.mode, time.time())
            return probes.plan(seen, is_majority, confirmed=confirmed)

        judged = carry_out(self._store, identity, make).result
        if judged.near_miss:
            self._near_misses[identity] = self._clock()
        return judged.votes, judged.distances

    def _was_just_now(self, when: dict[str, float], identity: str) -> bool:
        """Whether a person has an entry in `when` of the last `rules.CONFIRM_WITHIN_S` seconds; remove it."""
        return 0.0 <= self._clock() - when.pop(identity, -math.inf) <= rules.CONFIRM_WITHIN_S


class _Judged(NamedTuple):
    """What an attempt's probes came to: see `AdaptationUpdater.judge` and `rules.Verdict`."""

    votes: list[bool]
    distances: list[Distances]
    near_miss: bool


class _Probes(NamedTuple):
    """The probes of an attempt, and what they are judged by."""

    queries: tuple[Embedding, ...]
    modality: str
    limits: rules.Limits
    mode: Mode
    now: float

    def plan(self, seen: References, is_majority: Callable[[int], bool], *, confirmed: bool) -> Plan[_Judged]:
        """Match the probes, and plan the change of the person's adapted references."""
        if not len(seen.of(self.modality)):
            unmatched = _Judged(
                [False] * len(self.queries), [NOTHING_NEAR] * len(self.queries), near_miss=False
            )
            return Plan(seen, seen, (), unmatched)
        distances = [distances_to(seen, self.modality, query) for query in self.queries]
        votes = [
            self._verdict(at, distances, seen, confirmed=False, counted=False).accepted
            for at in range(len(distances))
        ]
        # An attempt counts as one use: that of a probe which only an adapted reference accepts, if any.
        beyond = [
            at for at, vote in enumerate(votes) if vote and distances[at].joined > self.limits.threshold
        ]
        chosen = beyond[0] if beyond else self._nearest(distances)
        kept = self._verdict(chosen, distances, seen, confirmed=confirmed, counted=is_majority(sum(votes)))
        judged = _Judged(votes, distances, kept.near_miss)
        if kept.adapted is seen.adapted:
            return Plan(seen, seen, (), judged)
        events = [Event.now(EventKind.ADAPTED, seen.identity)] * kept.admitted
        events += [Event.now(EventKind.ADAPTED_ENDED, seen.identity)] * kept.ended
        return Plan(seen, seen.with_adapted(kept.adapted), tuple(events), judged)

    def _nearest(self, distances: list[Distances]) -> int:
        """Return the nearest probe, of those whose keys agree, if there are any."""
        return min(
            range(len(distances)),
            key=lambda at: (not distances[at].keys.agree(self.limits.keys), distances[at].joined),
        )

    def _verdict(
        self, at: int, distances: list[Distances], seen: References, *, confirmed: bool, counted: bool
    ) -> rules.Verdict:
        return rules.judge(
            self.queries[at],
            self.modality,
            distances[at],
            seen.adapted,
            limits=self.limits,
            mode=self.mode,
            now=self.now,
            confirmed=confirmed,
            counted=counted,
        )
