"""Frame in, decision out: who may come in, and who they are said to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from .access.attempt_limiter import AttemptLimiter
from .access.credential_policy import Policy
from .access.lockout import DEVICE
from .adaptation.rules import Mode
from .adaptation.updater import AdaptationUpdater
from .attempt import AskCredential, Attempt, Stages
from .checks import checked_choice, checked_flag
from .enrollment.enroller import Enroller
from .enrollment.result import Enrollment
from .errors import InvalidInputError
from .face.pipeline import Pipeline
from .frame import Frame, as_frames
from .matching.decision import Decision
from .matching.index import GalleryIndex
from .matching.thresholds import Thresholds
from .storage.audit import Event, EventKind
from .storage.memory import InMemoryStore
from .storage.references import References, check_identity, unknown_identity

if TYPE_CHECKING:
    from .calibration.evidence import MeasuredThreshold
    from .face.aligner import FaceAligner
    from .face.embedder import Embedder
    from .face.liveness import LivenessCheck
    from .storage.store import Change, ReferenceStore
    from .vault import Vault


class _Options(TypedDict, total=False):
    """What `Authenticator` takes besides a store."""

    aligner: FaceAligner | None
    embedder: Embedder | None
    liveness: LivenessCheck | None
    threshold: float | None
    policy: Policy | str
    ask_credential: AskCredential | None
    adaptation: Mode | str
    lockout: bool
    diagnostics: bool


class Authenticator:
    """Enrols people, and decides whether frames show one of them. Safe to share by threads.

    A frame is compared only with references of its own modality: how near infrared and colour of one
    person are has not been measured, so no threshold holds for them.

    Parameters
    ----------
    store : ReferenceStore, optional
        Where references live. By default in memory: nothing is written to disk, and everybody is
        forgotten with the process. `Authenticator.open` keeps them in an encrypted vault. What others
        change in the store, `verify` and `identify` see with the next frame.
    aligner : FaceAligner, optional
        By default the bundled one.
    embedder : Embedder, optional
        By default the bundled one.
    liveness : LivenessCheck, optional
        By default the bundled one. There is no way to go without.
    threshold : float, optional
        Largest distance to accept, Euclidean between unit vectors, in [0, 2), for frames of every
        modality, however many people are enrolled. By default those that the store has adopted (`adopt`),
        else those that the model's contract suggests, one for each modality, and for `identify` smaller ones
        the more people there are (`faceid_fast.calibration.impostor_tail.tightened`).
    policy : "default" or "door"
        Whether a credential is asked for after a restart, after idle days, and after somebody's references
        changed: see :mod:`faceid_fast.access.credential_policy`.
    ask_credential : callable, optional
        Called by `verify` and `identify` with a reason (str) where a face is not looked at before the
        credential was shown; returns what was typed, or None. Without it such frames are refused, and
        `unlock` is for the program to call.
    adaptation : "never", "confirmed" or "anchored"
        Whether references follow a person's look in `verify`: see :mod:`faceid_fast.adaptation.rules`.
        `identify` only ever looks at what was enrolled.
    lockout : bool
        Whether failures are counted, and too many of them lock, see :mod:`faceid_fast.access.lockout`. Every
        call of `verify` and `identify` is an attempt: ask once for each time that somebody shows their face.
    diagnostics : bool
        Whether decisions carry distances. Leave it off wherever a caller could be an attacker: a
        few hundred returned distances reveal a template.

    Raises
    ------
    ModelError
        If a bundled model is missing or damaged.
    ModelContractError
        If the embedder's model was trained for another head model than the aligner's.
    InvalidInputError
        If the threshold, the policy or the adaptation is not usable, or an argument is of another type.

    Warns
    -----
    OtherModelWarning
        If references in the store were made with another model: nobody accepts those people until they are
        enrolled again, with ``replace=True``.
    """

    def __init__(
        self,
        *,
        store: ReferenceStore | None = None,
        aligner: FaceAligner | None = None,
        embedder: Embedder | None = None,
        liveness: LivenessCheck | None = None,
        threshold: float | None = None,
        policy: Policy | str = Policy.DEFAULT,
        ask_credential: AskCredential | None = None,
        adaptation: Mode | str = Mode.NEVER,
        lockout: bool = True,
        diagnostics: bool = False,
    ) -> None:
        _check_parts(store, aligner, embedder, liveness)
        for name, flag in (("lockout", lockout), ("diagnostics", diagnostics)):
            checked_flag(name, flag)
        if ask_credential is not None and not callable(ask_credential):
            message = f"ask_credential: expected a function, got {type(ask_credential).__name__}"
            raise InvalidInputError(message)
        self._store = InMemoryStore() if store is None else store
        self._opened: Vault | None = None  # by `open`, so `close` closes it
        pipeline = Pipeline(aligner, embedder, liveness, diagnostics=diagnostics)
        contract, model_sha256 = pipeline.contract, pipeline.model_sha256
        self._thresholds = Thresholds(self._store, contract, model_sha256, threshold)
        self._index = GalleryIndex(self._store, contract.embedding_size, model_sha256)
        self._limiter = AttemptLimiter(
            self._store, policy=checked_choice("policy", policy, Policy), lockout=lockout
        )
        self._updater = AdaptationUpdater(
            self._store,
            checked_choice("adaptation", adaptation, Mode),
            self._thresholds,
            pipeline,
            lambda: self._limiter.clock().seconds,
        )
        self._stages = Stages(
            pipeline,
            self._thresholds,
            self._index,
            self._limiter,
            self._updater,
            ask_credential,
            diagnostics,
        )
        self._enroller = Enroller(self._store, pipeline, self._index, self._thresholds)
        self._index.refresh()

    @classmethod
    def open(
        cls,
        directory: str | Path | None = None,
        *,
        key: bytes | None = None,
        create: bool = False,
        state_file: str | Path | None = None,
        **options: Unpack[_Options],
    ) -> Authenticator:
        """Make one whose references are kept in an encrypted vault; see `faceid_fast.vault.Vault.open`.

        >>> with Authenticator.open("door", create=True) as auth:  # doctest: +SKIP
        ...     auth.enroll("ada", frames)

        It is closed at the end of the ``with`` block, or by `close`.

        Parameters
        ----------
        directory : of the vault; by default ``$XDG_DATA_HOME/faceid``, else ``~/.local/share/faceid``.
        key : 32 bytes; by default found as the vault describes.
        create : whether to make an empty vault where there is none.
        state_file : a second place that remembers which vault this is and how new, as the vault describes.
        **options : all others of `Authenticator`.

        Raises
        ------
        VaultMissingError
            If there is no vault, and none is to be made.
        VaultError
            If the vault cannot be opened, or is not as it was left.
        """
        from .vault import Vault  # noqa: PLC0415  # SQLite, for those who need it

        vault = Vault.open(directory, key=key, create=create, state_file=state_file)
        try:
            made = cls(store=vault, **options)
        except BaseException:
            vault.close()
            raise
        made._opened = vault  # this class
        return made

    def close(self) -> None:
        """Close the vault that `open` has opened; a store that was given stays open.

        Every call from then on that needs the vault raises a VaultError. Closing again does nothing.
        """
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        """Return itself; it is closed at the end of the ``with`` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Say how it decides, never who is enrolled."""
        limiter, mode = self._limiter, self._updater.mode
        return (
            f"<Authenticator on {self._store!r}: policy {limiter.policy}, adaptation {mode}, "
            f"lockout {'on' if limiter.counts else 'off'}>"
        )

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Largest distance that `verify` accepts, Euclidean between unit vectors, by the frame's modality.

        Raises
        ------
        ModelError
            If the store has adopted one that was measured with another model.
        """
        self._thresholds.refresh()
        return MappingProxyType(dict(self._thresholds))

    @property
    def identities(self) -> tuple[str, ...]:
        """Names of everybody enrolled, sorted."""
        return tuple(sorted(self._store.snapshot()))

    def enroll(
        self,
        identity: str,
        frames: Frame | Iterable[Frame],
        *,
        replace: bool = False,
        leave_out_strangers: bool = False,
        consent: str | None = None,
    ) -> Enrollment:
        """Add references of a person; a first call makes the person known.

        Frames that cannot be used are reported one by one, never dropped silently. If none can be
        used, nothing changes. If anything raises, nothing changes.

        Parameters
        ----------
        identity : str
            1 to 200 printable characters, in Unicode's composed form (NFC).
        frames : Frame or iterable of Frame
            A few, best looking straight, left, right, up and down; at most `MAX_FRAMES`.
        replace : bool
            Whether these references take the place of those the person has; adapted ones go too.
        leave_out_strangers : bool
            Whether a frame that no other reference would accept is refused (NO_MATCH): it may show somebody
            else. By default it is taken, with a warning: of few frames, a turned head is often unlike the
            others.
        consent : str, optional
            How the person agreed to their face being kept: it is noted, with the time. 1 to 1000 characters.

        Returns
        -------
        Enrollment
            What was taken, what was refused and why, which poses are missing.

        Raises
        ------
        InvalidInputError
            If the name or a frame is not usable as such, there is no frame or more than `MAX_FRAMES`, or the
            person would get more than `MAX_REFERENCES` references.
        ModelError
            If the model fails, or the store holds references of this person by another model and they are not
            to be replaced.
        """
        for name, flag in (("replace", replace), ("leave_out_strangers", leave_out_strangers)):
            checked_flag(name, flag)
        check_identity(identity)
        given = as_frames(frames)
        for frame in given:
            self._thresholds.of_frame(frame)
        return self._enroller.enroll(
            identity, given, replace=replace, leave_out_strangers=leave_out_strangers, consent=consent
        )

    def verify(self, frames: Frame | Iterable[Frame], identity: str) -> Decision:
        """Decide whether frames show the person they claim to show (1:1).

        Several frames are one attempt, charged once: more than half of those that show a face must agree.
        With no reference of the frames' modality the outcome is NO_MATCH, with a reason that says so.

        Parameters
        ----------
        frames : Frame or iterable of Frame
            1 to `MAX_FRAMES`, of one modality.
        identity : str
            Who they are said to show.

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under that name.
        ModelError
            If their references were made with another model.
        InvalidInputError
            If `frames` are no frames, or the name is not a usable one.
        """
        return Attempt(self._stages, frames, check_identity(identity)).decide()

    def identify(self, frames: Frame | Iterable[Frame]) -> Decision:
        """Decide whether frames show anybody enrolled, and whom (1:N).

        Several frames are one attempt, charged once: more than half of those that show a face must agree on
        one person. With nobody enrolled with frames of this modality the outcome is NOT_ENROLLED.

        Parameters
        ----------
        frames : Frame or iterable of Frame
            1 to `MAX_FRAMES`, of one modality.

        Raises
        ------
        InvalidInputError
            If `frames` are no frames.
        """
        return Attempt(self._stages, frames, None).decide()

    def remove(self, identity: str) -> None:
        """Forget a person. Once this returns, no process that shares the store accepts them.

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under that name.
        """
        self._enroller.remove(identity)

    def undo_adaptation(self, identity: str) -> int:
        """Forget a person's adapted references, and return how many there were; what was enrolled stays.

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under that name.
        """
        count = 0

        def alter(before: References | None) -> Change:
            nonlocal count
            if before is None:
                raise unknown_identity(identity)
            count = len(before.adapted)
            if not count:
                return before, ()
            return before.with_adapted(()), (
                Event.now(EventKind.ADAPTED_UNDONE, identity, f"{count} references"),
            )

        self._enroller.altered(check_identity(identity), alter)
        return count

    def set_credential(self, new: str, current: str | None = None) -> None:
        """Set what is asked for where a face is not enough: a PIN or a phrase of 4 to 1024 characters.

        It is kept as its Argon2id hash. Guesses at it are counted, and lock, like faces.

        Parameters
        ----------
        new : the credential from now on.
        current : the one that is set, if one is.

        Raises
        ------
        CredentialError
            If one is set and `current` is not it, or it is not to be checked now.
        InvalidInputError
            If the new one is too short or too long.
        """
        self._limiter.set_credential(new, current)

    def unlock(self, identity: str | None = None, *, credential: str | None = None) -> None:
        """Forget failures, because somebody has shown a credential that is not their face.

        Called within 10 s of a near miss of `identity`, it also has the next picture of them kept, where
        `adaptation` is on.

        Parameters
        ----------
        identity : whose failures, those of the device included; None: everybody's.
        credential : what was typed. Where `set_credential` was never called, the program that calls this
            answers for a credential of its own, and gives none.

        Raises
        ------
        CredentialError
            If a credential is set and this is not it, or too many were wrong.
        UnknownIdentityError
            If nobody is enrolled under that name.
        """
        if identity is not None and check_identity(identity) not in self._store.snapshot():
            raise unknown_identity(identity)
        self._limiter.unlock(None if identity is None else (identity, DEVICE), credential)
        if identity is not None:
            self._updater.credential_shown(identity)

    def adopt(self, measured: MeasuredThreshold) -> None:
        """Put a threshold that was measured on people of one's own in the place of the model's.

        It holds for all who use this store, from their next frame on, unless they chose one
        (``Authenticator(threshold=...)``); `forget_adopted` takes it back. Stricter than the model's own it
        may always be; looser only with evidence for the share of strangers that the model's own is set at.

        Parameters
        ----------
        measured : as ``faceid calibrate`` writes it; see `faceid_fast.calibration.evidence`.

        Raises
        ------
        ModelError
            If it was measured with another model or preprocessing.
        CalibrationError
            If it is looser than the model's own without the evidence for it.
        """
        self._thresholds.adopt(measured)

    def forget_adopted(self, modality: str) -> bool:
        """Go back to the model's own threshold; returns whether one had been adopted.

        Parameters
        ----------
        modality : "infrared" or "color".
        """
        return self._thresholds.forget(modality)


def _check_parts(store: object, aligner: object, embedder: object, liveness: object) -> None:
    """Refuse what cannot be a part of an authenticator; stand-ins may be."""
    for name, part, wanted, methods in (
        ("store", store, "a ReferenceStore", ("revision", "snapshot", "alter", "amend", "events")),
        ("aligner", aligner, "a FaceAligner", ("align", "head_model_sha256")),
        ("embedder", embedder, "an Embedder", ("embed", "contract", "sha256")),
        ("liveness", liveness, "a LivenessCheck", ("check", "limits")),
    ):
        if part is not None and (isinstance(part, type) or not all(hasattr(part, name) for name in methods)):
            message = f"{name}: expected {wanted}, got {type(part).__name__}"
            raise InvalidInputError(message)
