"""One attempt, in order: admit, prove, look, charge, embed, match, settle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from .access.attempt_limiter import OvertakenError, Refusal
from .access.frame_evidence import Evidence, examine
from .access.lockout import DEVICE, SPOOF_WEIGHT, search_key
from .errors import CredentialError, InvalidInputError, VaultBusyError
from .face.crop import NoFace
from .face.stopwatch import Stopwatch
from .face.turned import hint_of
from .frame import as_frames
from .matching.decision import Decision
from .matching.keys import NOTHING_NEAR, Distances, distances_to
from .outcome import Outcome
from .storage.policy import Mode
from .storage.references import unknown_identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .access.attempt_limiter import AttemptLimiter
    from .access.gate import Wishes
    from .adaptation.updater import AdaptationUpdater
    from .face.crop import FaceCrop
    from .face.embedding import Embedding, Embeddings
    from .face.pipeline import Pipeline
    from .frame import Frame
    from .matching.index import GalleryIndex
    from .matching.thresholds import Thresholds

AskCredential = Callable[[str], str | None]
"""Gets the reason why the credential is needed; returns the credential that was typed, or None."""
_MAX_STARTS: Final = 100
"""Most starts of one attempt; each but the last was overtaken by a change of the store's rules."""
_TOO_FAR: Final = "the face is not near enough to any reference"


@dataclass(frozen=True, slots=True)
class Stages:
    """The parts of an authenticator that every attempt uses."""

    pipeline: Pipeline
    thresholds: Thresholds
    index: GalleryIndex
    limiter: AttemptLimiter
    updater: AdaptationUpdater
    ask_credential: AskCredential | None
    wishes: Wishes


class _Refusal(NamedTuple):
    """The reason why an attempt ends before its probes are matched."""

    outcome: Outcome
    reasons: tuple[str, ...]


class _Match(NamedTuple):
    """The result of the matching.

    Attributes
    ----------
    accepted : the identity that a majority of the frames matches; None if there is none.
    nearest : the identity of the reference that is nearest to any of the probes; None if there is none.
    distances : of that probe to the references of that identity, not rounded.
    refused : for each question how many probes it refused, by name; see `Distances.refused_by`.
    """

    accepted: str | None
    nearest: str | None
    distances: Distances
    refused: Counter[str]


def decide(stages: Stages, frames: Frame | Iterable[Frame], claimed: str | None) -> Decision:
    """Make one attempt, anew if the rules of the store change meanwhile; see `Attempt`.

    Raises
    ------
    PolicyError
        If the program wants something milder than the policy of the store.
    VaultBusyError
        If the rules were changed again and again.
    """
    given = as_frames(frames)
    spent: set[str] = set()
    for _ in range(_MAX_STARTS):
        try:
            return Attempt(stages, given, claimed, spent).decide()
        except OvertakenError:
            continue
    message = f"store: expected rules that hold for an attempt, but others changed them {_MAX_STARTS} times"
    raise VaultBusyError(message)


class Attempt:
    """One attempt, from its frames to the decision: a verification (1:1) or an identification (1:N).

    Parameters
    ----------
    stages : the parts that do the work.
    frames : 1 to `MAX_FRAMES`, of one modality that has a threshold. Several frames are one attempt, charged
        once: more than half of the frames that show a face, live or not, must match the same person.
    claimed : the claimed identity (1:1); None: search everybody (1:N).
    spent : digests of live frames that this attempt has used already, before it was overtaken; it adds to
        them.

    Raises
    ------
    InvalidInputError
        If `frames` are not such frames.
    ModelError
        If the store has adopted a threshold that was measured with another model.
    PolicyError
        If the program wants something milder than the policy of the store.
    """

    def __init__(
        self, stages: Stages, frames: tuple[Frame, ...], claimed: str | None, spent: set[str]
    ) -> None:
        self._frames = frames
        modalities = {frame.modality for frame in self._frames}
        if len(modalities) > 1:
            message = (
                f"frames: expected those of one modality, got {' and '.join(sorted(modalities))}: "
                "leave out those of the other"
            )
            raise InvalidInputError(message)
        self._stages = stages
        self._claimed = claimed
        self._modality = self._frames[0].modality
        self._rules = stages.thresholds.refresh()
        stages.wishes.check(self._rules.policy)
        self._threshold = stages.thresholds.of_frame(self._frames[0], self._rules)
        self._key_limits = stages.thresholds.key_limits[self._modality]
        self._evidence = Evidence(None, ())
        self._charged_to = (claimed, DEVICE) if claimed is not None else (search_key(None),)
        self._spent = spent
        self._people = 0
        self._crops: list[FaceCrop] = []
        self._spoofs: list[NoFace] = []
        self._outcomes: list[Outcome | None] = []
        """For each frame its outcome if it shows no live face, else None."""
        self._turned_deg = 0
        self._stopwatch = Stopwatch()

    def decide(self) -> Decision:
        """Run the stages in order, until one refuses the attempt or the last one has decided.

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under the claimed name.
        ModelError
            If their references were made with another model, or the model fails.
        OvertakenError
            If the rules of the store have changed since the attempt was begun.
        """
        for step in (self._prove, self._admit, self._look, self._charge):
            if (refused := step()) is not None:
                return self._decision(refused.outcome, reasons=refused.reasons)
        probes = self._embed()
        return self._settle(self._match(probes))

    def _prove(self) -> _Refusal | None:
        """Refuse frames that are no evidence that somebody stands before a camera now."""
        found = examine(self._frames, self._rules.policy, self._stages.limiter.clock().seconds)
        if isinstance(found, Refusal):
            return _Refusal(found.outcome, (found.reason,))
        self._evidence = found
        if self._claimed is None:
            self._charged_to = (search_key(found.source),)
        return None

    def _admit(self) -> _Refusal | None:
        """Refuse if there is no reference to compare with, or attempts are locked or need the credential."""
        index = self._stages.index
        index.refresh()
        self._people = index.count(self._modality)
        if self._claimed is None:
            if self._people == 0:
                reason = f"nobody is enrolled with {self._modality} frames"
                return _Refusal(Outcome.NOT_ENROLLED, (reason,))
        elif not index.knows(self._claimed):
            raise unknown_identity(self._claimed)
        elif self._claimed not in index.of(self._modality):
            reason = f"there is no {self._modality} reference to compare with: enrol with such frames too"
            return _Refusal(Outcome.NO_MATCH, (reason,))
        return self._ask_credential()

    def _ask_credential(self) -> _Refusal | None:
        """Refuse if attempts are locked or need the credential, unless the user enters it when asked."""
        limiter, ask = self._stages.limiter, self._stages.ask_credential
        refused = limiter.refusal(self._charged_to)
        if refused is not None and ask is not None:
            given = ask(refused.reason)
            if given is not None:
                try:
                    limiter.unlock(self._charged_to, given)
                except CredentialError as error:
                    return _Refusal(refused.outcome, (str(error),))
                if self._claimed is not None:
                    self._stages.updater.credential_shown(self._claimed)
                refused = limiter.refusal(self._charged_to)
        return None if refused is None else _Refusal(refused.outcome, (refused.reason,))

    def _look(self) -> _Refusal | None:
        """Find the live face of each frame; refuse if all frames show neither a live face nor a spoof.

        A spoof goes on to be charged.
        """
        looks = self._stages.pipeline.look_at_sequence(self._frames, self._stopwatch)
        refusals = [look for look in looks if isinstance(look, NoFace)]
        self._crops = [look for look in looks if not isinstance(look, NoFace)]
        self._spoofs = [refusal for refusal in refusals if refusal.outcome is Outcome.SPOOF]
        self._outcomes = [look.outcome if isinstance(look, NoFace) else None for look in looks]
        self._turned_deg = max(look.turned_deg for look in looks)  # the same of all that were turned
        if self._crops or self._spoofs:
            return None
        most_common = Counter(refusal.outcome for refusal in refusals).most_common(1)[0][0]
        first = next(refusal for refusal in refusals if refusal.outcome is most_common)
        return _Refusal(first.outcome, first.reasons)

    def _charge(self) -> _Refusal | None:
        """Count a failure before the match; refuse if the limiter does, or if no frame shows a live face."""
        limiter = self._stages.limiter
        fresh = tuple(each for each in self._evidence.frames if each.digest not in self._spent)
        charged = limiter.charge(
            self._charged_to, SPOOF_WEIGHT if self._spoofs else 1, frames=fresh, rules=self._rules
        )
        if charged is not None:
            return _Refusal(charged.outcome, (charged.reason,))
        self._spent |= {each.digest for each in fresh}
        if not self._crops:
            return _Refusal(self._spoofs[0].outcome, self._spoofs[0].reasons)
        self._stopwatch.lap("charge")
        return None

    def _embed(self) -> Embeddings:
        """Turn the n live faces into probes."""
        probes = self._stages.pipeline.embed(self._crops)
        self._stopwatch.lap("embed")
        return probes

    def _match(self, probes: Embeddings) -> _Match:
        """Compare the probes with the claimed person's references, or search everybody's."""
        self._stages.index.refresh()  # a person removed meanwhile must not be accepted
        found = self._search(probes) if self._claimed is None else self._compare(probes, self._claimed)
        self._stopwatch.lap("match")
        return found

    def _compare(self, probes: Embeddings, claimed: str) -> _Match:
        """Compare the probes 1:1, also with adapted references if adaptation is on."""
        updater = self._stages.updater
        if updater.mode is Mode.NEVER:
            if (kept := self._stages.index.references(claimed)) is None:  # removed since
                raise unknown_identity(claimed)
            distances = [distances_to(kept, self._modality, probe) for probe in probes]
            votes = [each.accepted(self._threshold, self._key_limits) for each in distances]
        else:
            votes, distances = updater.judge(
                claimed, self._modality, self._threshold, probes, self._is_majority
            )
        accepted = claimed if self._is_majority(sum(votes)) else None
        return self._matched(accepted, [(claimed, each) for each in distances], votes)

    def _search(self, probes: Embeddings) -> _Match:
        """Search 1:N, with a threshold that gets smaller the more people there are."""
        people = max(self._people, self._stages.index.count(self._modality))
        self._threshold = self._stages.thresholds.of_search(self._modality, self._rules, people)
        found = [self._nearest(probe) for probe in probes]
        voted = [distances.accepted(self._threshold, self._key_limits) for _, distances in found]
        votes = Counter(name for (name, _), vote in zip(found, voted, strict=True) if vote)
        name, count = votes.most_common(1)[0] if votes else (None, 0)
        return self._matched(name if self._is_majority(count) else None, found, voted)

    def _nearest(self, probe: Embedding) -> tuple[str | None, Distances]:
        """Return the identity whose joined vector is nearest, and the distances to it.

        Whoever is nearest is the only one who is asked about the keys. To go on to the second nearest if they
        disagree would give every probe as many tries as there are people within the threshold, and name
        somebody although another one is nearer.
        """
        index = self._stages.index
        nearest: str | None = index.of(self._modality).best_identity(probe.joined).names.item()
        if nearest is None or (kept := index.references(nearest)) is None:  # removed since the search
            return None, NOTHING_NEAR
        return nearest, distances_to(kept, self._modality, probe)

    def _matched(
        self, accepted: str | None, found: Sequence[tuple[str | None, Distances]], voted: Sequence[bool]
    ) -> _Match:
        """Make the result of the matching from what each probe came to."""
        nearest, distances = min(found, key=lambda each: each[1].joined)
        refused = Counter(
            question
            for (_, each), vote in zip(found, voted, strict=True)
            if not vote
            for question in each.refused_by(self._threshold, self._key_limits)
        )
        return _Match(accepted, nearest, distances, refused)

    def _settle(self, found: _Match) -> Decision:
        """Take back the charge if the attempt is accepted, and make the decision."""
        index, limiter = self._stages.index, self._stages.limiter
        if found.accepted is not None:
            refused = limiter.accepted(self._charged_to, found.accepted, rules=self._rules)
            self._stopwatch.lap("refund")
            if refused is not None:
                return self._decision(refused.outcome, found, reasons=(refused.reason,))
            index.refresh()  # nor must a person removed while that was written
            if index.knows(found.accepted):
                return self._decision(Outcome.ACCEPTED, found, identity=found.accepted, reasons=self._hints())
        reasons = (_TOO_FAR, *self._refused_by(found), *self._hints())
        return self._decision(Outcome.NO_MATCH, found, reasons=reasons)

    def _refused_by(self, found: _Match) -> tuple[str, ...]:
        """Say which questions refused how many probes, with diagnostics only: it would help an attacker."""
        if not self._stages.wishes.diagnostics or not found.refused:
            return ()
        counts = ", ".join(f"{question} {count}" for question, count in sorted(found.refused.items()))
        return (f"of {len(self._crops)} live frames refused by: {counts}",)

    def _hints(self) -> tuple[str, ...]:
        """Say that the frames were turned, if they were."""
        return (hint_of(self._turned_deg),) if self._turned_deg else ()

    def _is_majority(self, votes: int) -> bool:
        """Whether `votes` are more than half of the frames that show a face, live or not."""
        return 2 * votes > sum(outcome in {None, Outcome.SPOOF} for outcome in self._outcomes)

    def _decision(
        self,
        outcome: Outcome,
        found: _Match | None = None,
        *,
        identity: str | None = None,
        reasons: tuple[str, ...] = (),
    ) -> Decision:
        diagnostics = self._stages.wishes.diagnostics
        shown = found if diagnostics else None
        keys, limits = (None, None) if shown is None else (shown.distances.keys, self._key_limits)
        return Decision(
            outcome=outcome,
            identity=identity,
            # That of a search would tell how many people are enrolled.
            threshold=self._threshold if diagnostics or self._claimed is not None else None,
            distance=None if shown is None else shown.distances.joined,
            reasons=reasons,
            # Each frame with a live face has the outcome of the attempt: separate results would be as many
            # attempts for the charge of one.
            frames=tuple(outcome if at is None else at for at in self._outcomes),
            timings_ms=self._stopwatch.stop(),
            claimed=self._claimed,
            nearest=None if shown is None else shown.nearest,
            turned_deg=self._turned_deg,
            shape_distance=None if keys is None else keys.shape,
            picture_distance=None if keys is None else keys.picture,
            shape_limit=None if limits is None else limits.shape,
            picture_limit=None if limits is None else limits.picture,
        )
