"""Adapted references of people in a store: used, made and ended by `faceid_fast.adaptation.rules`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceid_fast.calibration import impostor_tail
from faceid_fast.matching.gallery import nearest_distance
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.references import check_model, unknown_identity

from . import rules

if TYPE_CHECKING:
    from faceid_fast.face.pipeline import Pipeline
    from faceid_fast.storage.references import References
    from faceid_fast.storage.store import Change, ReferenceStore


class AdaptationUpdater:
    """Who has just missed narrowly, who has shown the credential since, and what is kept for it.

    Parameters
    ----------
    store : where adapted references are kept.
    mode : which are used and made.
    thresholds : of each modality.
    pipeline : whose model the queries are made with; its contract has the tails that the floors come from.
    clock : seconds that no setting of a clock changes.

    Raises
    ------
    InvalidInputError
        If there is no measured floor for a modality.
    """

    def __init__(
        self,
        store: ReferenceStore,
        mode: rules.Mode,
        thresholds: Mapping[str, float],
        pipeline: Pipeline,
        clock: Callable[[], float],
    ) -> None:
        self.mode = mode
        self._store = store
        self._model_sha256 = pipeline.model_sha256
        self._clock = clock
        self._tails = pipeline.contract.tails
        if mode is not rules.Mode.NEVER:
            for name, at in thresholds.items():
                impostor_tail.floor(at, self._tails.get(name, ()))
        self._near_misses: dict[str, float] = {}
        self._confirmed: dict[str, float] = {}

    def credential_shown(self, identity: str) -> None:
        """Somebody has shown the credential, and claims to be this person."""
        if self._was_just_now(self._near_misses, identity):
            self._confirmed[identity] = self._clock()

    def judge(
        self,
        identity: str,
        modality: str,
        threshold: float,
        queries: NDArray[np.float32],
        is_majority: Callable[[int], bool],
    ) -> tuple[list[bool], list[float]]:
        """Tell which pictures of one attempt show the person, and have adapted references follow.

        Measured against what is enrolled at the very moment that a use is counted.

        Parameters
        ----------
        queries : (n, D) float32 unit vectors.
        is_majority : whether so many votes accept the attempt.

        Returns
        -------
        tuple
            n votes, and n distances from the nearest enrolled reference.
        """
        limits = rules.Limits(threshold, impostor_tail.floor(threshold, self._tails.get(modality, ())))
        confirmed = self._was_just_now(self._confirmed, identity)
        votes, distances, near_miss = [False] * len(queries), [math.inf] * len(queries), False

        def alter(before: References | None) -> Change:
            nonlocal votes, distances, near_miss
            if before is None:
                raise unknown_identity(identity)
            check_model(before, self._model_sha256)
            enrolled = before.of(modality)
            if not len(enrolled):
                return before, ()
            distances = [nearest_distance(enrolled, query) for query in queries]
            now = time.time()

            def verdict(place: int, *, confirmed: bool, counted: bool) -> rules.Verdict:
                return rules.judge(
                    queries[place],
                    modality,
                    distances[place],
                    before.adapted,
                    limits=limits,
                    mode=self.mode,
                    now=now,
                    confirmed=confirmed,
                    counted=counted,
                )

            votes = [verdict(at, confirmed=False, counted=False).accepted for at in range(len(queries))]
            # An attempt is one use: of what an adapted reference has accepted, if there is such a picture.
            beyond = [at for at, vote in enumerate(votes) if vote and distances[at] > threshold]
            chosen = beyond[0] if beyond else int(np.argmin(distances))
            kept = verdict(chosen, confirmed=confirmed, counted=is_majority(sum(votes)))
            near_miss = kept.near_miss
            if kept.adapted is before.adapted:
                return before, ()
            events = [Event.now(EventKind.ADAPTED, identity)] * kept.admitted
            events += [Event.now(EventKind.ADAPTED_ENDED, identity)] * kept.ended
            return before.with_adapted(kept.adapted), tuple(events)

        self._store.alter(identity, alter)
        if near_miss:
            self._near_misses[identity] = self._clock()
        return votes, distances

    def _was_just_now(self, when: dict[str, float], identity: str) -> bool:
        """Whether something happened to a person within `rules.CONFIRM_WITHIN_S`; it counts once."""
        return 0.0 <= self._clock() - when.pop(identity, -math.inf) <= rules.CONFIRM_WITHIN_S
