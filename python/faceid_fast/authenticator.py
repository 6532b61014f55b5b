"""The authenticator: enrol people, verify (1:1) and identify (1:N) them by frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from .access.attempt_limiter import AttemptLimiter
from .access.gate import Wishes, set_policy
from .access.lockout import DEVICE
from .adaptation.updater import AdaptationUpdater
from .attempt import AskCredential, Stages, decide
from .checks import checked_choice, checked_flag
from .enrollment.enroller import Enroller
from .enrollment.result import Enrollment
from .enrollment.strangers import Strangers
from .errors import InvalidInputError
from .face.own_parts import own_parts
from .face.pipeline import Pipeline
from .frame import Frame, as_frames
from .matching.decision import Decision
from .matching.index import GalleryIndex
from .matching.pinned import embedder_of, pinned_in
from .matching.thresholds import Thresholds
from .storage.audit import Event, EventKind
from .storage.memory import InMemoryStore
from .storage.plan import Plan
from .storage.policy import Enrolling, Mode, Policy, VaultPolicy
from .storage.references import References, check_identity, unknown_identity
from .storage.store import state_of

if TYPE_CHECKING:
    from .calibration.evidence import MeasuredThreshold
    from .face.aligner import FaceAligner
    from .face.embedder import Embedder
    from .face.liveness import LivenessCheck
    from .storage.store import ReferenceStore
    from .vault import Vault


class _Options(TypedDict, total=False):
    """The arguments of `Authenticator` other than the store."""

    aligner: FaceAligner | None
    embedder: Embedder | None
    liveness: LivenessCheck | None
    threshold: float | None
    policy: Policy | str | None
    ask_credential: AskCredential | None
    adaptation: Mode | str
    lockout: bool
    diagnostics: bool
    try_turns: bool


class Authenticator:
    """Enrols people, and decides whether frames show one of them. Threads may share one.

    What a program may choose, the policy of the store says (`VaultPolicy`): the arguments below may be
    stricter, never milder. It is compared at every attempt.

    A face is accepted if its joined vector is near enough to a reference and both of its keys agree, its
    shape and its picture (:mod:`faceid_fast.matching.keys`).

    A frame is compared only with references of its own modality. The distance between an infrared and a
    colour frame of one person has not been measured, so no threshold holds for it.

    Parameters
    ----------
    store : ReferenceStore, optional
        Keeps the references. By default they are kept in memory only: nothing is written to disk, and they
        are lost when the process ends. `Authenticator.open` keeps them in an encrypted vault. `verify` and
        `identify` take over changes that other processes make in the store.
    aligner : FaceAligner, optional
        By default the bundled one.
    embedder : Embedder, optional
        By default the one that the store pins (``faceid model adopt``), else the bundled one.
    liveness : LivenessCheck, optional
        By default the bundled one. The check cannot be left out. The policy of a vault refuses other parts
        than the bundled ones, unless they are stricter; see `VaultPolicy.parts`.
    threshold : float, optional
        Largest joined distance to accept, Euclidean between unit vectors, in [0, 2), for frames of every
        modality that the model has one for, however many people are enrolled. The limits of the two keys stay
        the model's (:mod:`faceid_fast.matching.keys`). By default there is one threshold for each modality:
        that which the store has adopted (`adopt`), else that of the model's contract. For `identify` the
        default gets smaller the more people are enrolled
        (`faceid_fast.calibration.impostor_tail.tightened`). In a vault it may only be smaller than the
        default, unless the policy says otherwise (`VaultPolicy.parts`).
    policy : "default" or "door", optional
        Whether the credential is asked for after a restart, after idle days, and after a change of anybody's
        references: see :mod:`faceid_fast.access.credential_policy`. By default as the policy of the store
        says.
    ask_credential : callable, optional
        Called by `verify` and `identify`, with the reason (str), if attempts are locked or the policy asks
        for the credential; returns the credential that was typed, or None. Without this function such
        attempts are refused, and the program calls `unlock`.
    adaptation : "never", "confirmed" or "anchored"
        Whether `verify` adapts references to a person's changing look: see
        :mod:`faceid_fast.adaptation.rules`. `identify` searches enrolled references only.
    lockout : bool
        Whether failures are counted, and too many of them lock: see :mod:`faceid_fast.access.lockout`. Every
        call of `verify` or `identify` is an attempt: call once for each time that somebody shows their face.
        A vault counts them, unless its policy lets programs leave it out (`VaultPolicy.lockout`).
    diagnostics : bool
        Whether decisions carry distances, and say which question refused. Leave it off wherever a caller
        could be an attacker: a few hundred distances reveal a template. A vault's policy has to permit it
        (`VaultPolicy.diagnostics`).
    try_turns : bool
        Whether frames without an upright face are tried turned by 90, 180 and 270 degrees, as a camera on its
        side or head down gives them: see :mod:`faceid_fast.face.turned`. It takes up to four times as long to
        find that nobody is there. Turn it off if the frames are known to be upright.

    Raises
    ------
    ModelError
        If a bundled model is missing or damaged; or the store pins a model, and its file is missing or was
        changed, or `embedder` is another one.
    ModelContractError
        If the embedder's model was trained for another head model than the aligner's.
    InvalidInputError
        If the threshold, the policy or the adaptation is not usable, or an argument has the wrong type.
    PolicyError
        If an argument is milder than the policy of the store.

    Warns
    -----
    OtherModelWarning
        If references in the store were made with another model: those people are not accepted until they are
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
        policy: Policy | str | None = None,
        ask_credential: AskCredential | None = None,
        adaptation: Mode | str = Mode.NEVER,
        lockout: bool = True,
        diagnostics: bool = False,
        try_turns: bool = True,
    ) -> None:
        _check_parts(store, aligner, embedder, liveness)
        for name, flag in (
            ("lockout", lockout),
            ("diagnostics", diagnostics),
            ("try_turns", try_turns),
        ):
            checked_flag(name, flag)
        if ask_credential is not None and not callable(ask_credential):
            message = f"ask_credential: expected a function, got {type(ask_credential).__name__}"
            raise InvalidInputError(message)
        self._store = InMemoryStore() if store is None else store
        self._opened: Vault | None = None  # the vault that `open` has opened and `close` closes
        self._wishes = Wishes(
            policy=None if policy is None else checked_choice("policy", policy, Policy),
            adaptation=checked_choice("adaptation", adaptation, Mode),
            lockout=lockout,
            diagnostics=diagnostics,
            try_turns=try_turns,
            parts=own_parts(aligner, embedder, liveness, pins_another=pinned_in(self._store) is not None),
        )
        embedder = embedder_of(self._store, embedder)
        pipeline = Pipeline(aligner, embedder, liveness, diagnostics=diagnostics, try_turns=try_turns)
        contract, model_sha256 = pipeline.contract, pipeline.model_sha256
        self._thresholds = Thresholds(self._store, contract, model_sha256, threshold)
        self._index = GalleryIndex(
            self._store,
            contract.embedding_size,
            (contract.outputs["shape"], contract.outputs["picture"]),
            model_sha256,
        )
        self._limiter = AttemptLimiter(
            self._store, policy=self._wishes.policy or Policy.DEFAULT, lockout=lockout
        )
        rules = self._thresholds.refresh()
        self._wishes.check(rules.policy)
        self._thresholds.check_chosen(rules)
        self._updater = AdaptationUpdater(
            self._store,
            self._wishes.adaptation,
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
            self._wishes,
        )
        self._enroller = Enroller(self._store, pipeline, self._index, self._thresholds, self._limiter)
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
        """Open an authenticator whose references are kept in an encrypted vault.

        >>> with Authenticator.open("door", create=True) as auth:  # doctest: +SKIP
        ...     auth.enroll("ada", frames)

        The vault is closed at the end of the ``with`` block, or by `close`.

        Parameters
        ----------
        directory : of the vault; by default ``$XDG_DATA_HOME/faceid``, else ``~/.local/share/faceid``.
        key : 32 bytes; by default found as `faceid_fast.vault.Vault.open` describes.
        create : whether to make an empty vault if there is none.
        state_file : a second record of the vault's identity and age, as `faceid_fast.vault.Vault.open`
            describes.
        **options : the other arguments of `Authenticator`.

        Raises
        ------
        VaultMissingError
            If there is no vault, and `create` is False.
        VaultError
            If the vault cannot be opened, is damaged or was rolled back.
        """
        from .vault import Vault  # noqa: PLC0415  # loads SQLite, only where it is needed

        vault = Vault.open(directory, key=key, create=create, state_file=state_file)
        try:
            made = cls(store=vault, **options)
        except BaseException:
            vault.close()
            raise
        made._opened = vault  # an attribute of this class
        return made

    def close(self) -> None:
        """Close the vault that `open` has opened; a store passed to the constructor stays open.

        Every later call that needs the vault raises a VaultError. Closing again does nothing.
        """
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        """Return the authenticator; it is closed at the end of the ``with`` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the authenticator."""
        self.close()

    def __repr__(self) -> str:
        """The store and the settings; never who is enrolled."""
        wishes = self._wishes
        return (
            f"<Authenticator on {self._store!r}: policy {wishes.policy or 'of the store'}, "
            f"adaptation {wishes.adaptation}, lockout {'on' if wishes.lockout else 'off'}>"
        )

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Largest joined distance that `verify` accepts, Euclidean between unit vectors, by modality.

        Both keys of the face must agree as well (:mod:`faceid_fast.matching.keys`).

        Raises
        ------
        ModelError
            If the store has adopted a threshold that was measured with another model.
        """
        self._thresholds.refresh()
        return MappingProxyType(dict(self._thresholds))

    @property
    def policy(self) -> VaultPolicy:
        """The policy of the store: the least that every program must ask."""
        return state_of(self._store).policy

    def set_policy(self, policy: VaultPolicy, *, credential: str | None = None) -> None:
        """Change the policy of the store, for every program that uses it; the log notes it.

        It holds from the next attempt on, everywhere; attempts in progress start again.

        Parameters
        ----------
        policy : the new policy, for instance ``auth.policy.changed({"diagnostics": True})``.
        credential : the credential, if one is set. If none is, whoever has the key of the vault decides.

        Raises
        ------
        CredentialError
            If a credential is set and this is another, too many were wrong, or none is set and one is given.
        InvalidInputError
            If `policy` is not a `VaultPolicy`.
        """
        set_policy(self._store, self._limiter, policy, credential)

    @property
    def identities(self) -> tuple[str, ...]:
        """Names of all enrolled people, sorted."""
        return tuple(sorted(self._store.snapshot()))

    def enroll(
        self,
        identity: str,
        frames: Frame | Iterable[Frame],
        *,
        new: bool = False,
        replace: bool = False,
        strangers: Strangers | str = Strangers.LEAVE_OUT,
        consent: str | None = None,
        credential: str | None = None,
    ) -> Enrollment:
        """Add references of a person, who is enrolled by the first call.

        Every frame that cannot be used is reported, with the reason. If none can be used, or an error is
        raised, nothing changes. Frames that seem to show somebody else are among them (NO_MATCH):

        - of somebody who has references, frames that match none of these, nor another frame that does, and
          frames that are nearer to somebody else who is enrolled;
        - of somebody new, frames unlike the majority. If no more than half of the frames agree, none is used.

        Frames agree if their joined distance is within the threshold, or if other frames link them. So a head
        that is turned far is taken together with a frame in which it is turned half as far. Both keys of a
        frame must agree with another one that is taken, or with a reference.

        A picture that was enrolled before is not added again.

        To compare frames with other people, or with references of the person that are there already, is an
        attempt: it is charged, and refused while a lock holds. Enrolments of somebody new go on without that
        comparison then, with a note. Who the other people are, only an administrator is told: whoever shows
        the credential, or a program that the policy lets see distances (`VaultPolicy.diagnostics`).

        Parameters
        ----------
        identity : str
            1 to 200 characters; somebody new's as `faceid_fast.storage.names` has it, and no look-alike of
            another's.
        frames : Frame or iterable of Frame
            A few, best looking straight, left, right, up and down; at most `MAX_FRAMES`.
        new : bool
            Whether nobody may be enrolled under the name yet. Of several processes that enrol a new name at
            the same time, one succeeds.
        replace : bool
            Whether the new references replace those of the person, adapted ones included. The frames are then
            compared with each other, as somebody new's are.
        strangers : "leave_out" or "keep"
            What becomes of frames that seem to show somebody else. With "keep" they become references, with a
            note: for a caller who knows that they show the person, whose look has changed, for example.
        consent : str, optional
            How the person consented to the storage of their face: 1 to 1000 characters, kept with the time.
        credential : str, optional
            The credential, of whoever enrols: where it is right no lock holds, and names are told. The policy
            may ask for it (`VaultPolicy.enrolling`).

        Returns
        -------
        Enrollment
            The frames that were taken, those that were not and why, the poses that are missing, other people
            who look alike, and notes.

        Raises
        ------
        IdentityTakenError
            If `new` is True, and somebody is enrolled under the name.
        PolicyError
            If the policy of the store asks for the credential and none is given, or this program wants
            something milder than it.
        CredentialError
            If a credential is given and another is set, or none; or too many were wrong.
        LockedOutError
            If the frames would have to be compared with references that the person has, and a lock holds.
        InvalidInputError
            If the name or a frame is not usable, there is no frame or more than `MAX_FRAMES`, the person
            would have more than `MAX_REFERENCES` references, or both `new` and `replace` are True.
        ModelError
            If the model fails, or the person's references were made with another model and `replace` is
            False.
        """
        for name, flag in (("new", new), ("replace", replace)):
            checked_flag(name, flag)
        if new and replace:
            message = "new, replace: expected one of them, got both"
            raise InvalidInputError(message)
        chosen = checked_choice("strangers", strangers, Strangers)
        check_identity(identity)
        given = as_frames(frames)
        rules = self._thresholds.refresh()
        self._wishes.check(rules.policy)
        for frame in given:
            self._thresholds.of_frame(frame, rules)
        authority = None
        if credential is not None or rules.policy.enrolling is Enrolling.CREDENTIAL:
            authority = self._limiter.authorized(credential)
        return self._enroller.enroll(
            identity,
            given,
            new=new,
            replace=replace,
            strangers=chosen,
            consent=consent,
            authority=authority,
        )

    def verify(self, frames: Frame | Iterable[Frame], identity: str) -> Decision:
        """Decide whether frames show the person whose identity is claimed (1:1).

        Several frames are one attempt, charged once: more than half of the frames that show a face must
        match. If the person has no reference of the frames' modality, the outcome is NO_MATCH, with a reason
        that says so.

        Parameters
        ----------
        frames : Frame or iterable of Frame
            1 to `MAX_FRAMES`, of one modality.
        identity : str
            The claimed identity.

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under that name.
        ModelError
            If their references, or a threshold that the store has adopted, were made with another model; or
            the model fails.
        InvalidInputError
            If `frames` are not such frames, or the name is not usable.
        """
        return decide(self._stages, frames, check_identity(identity))

    def identify(self, frames: Frame | Iterable[Frame]) -> Decision:
        """Decide whether frames show an enrolled person, and which one (1:N).

        Several frames are one attempt, charged once: more than half of the frames that show a face must match
        the same person. If nobody has a reference of the frames' modality, the outcome is NOT_ENROLLED.

        Parameters
        ----------
        frames : Frame or iterable of Frame
            1 to `MAX_FRAMES`, of one modality.

        Raises
        ------
        ModelError
            If a threshold that the store has adopted was measured with another model, or the model fails.
        InvalidInputError
            If `frames` are not such frames.
        """
        return decide(self._stages, frames, None)

    def remove(self, identity: str) -> None:
        """Remove a person. Once this returns, no process that shares the store accepts them.

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under that name.
        """
        self._enroller.remove(identity)

    def undo_adaptation(self, identity: str) -> int:
        """Remove a person's adapted references and return their number; enrolled references stay.

        Raises
        ------
        UnknownIdentityError
            If nobody is enrolled under that name.
        """

        def make(seen: References | None) -> Plan[int]:
            if seen is None:
                raise unknown_identity(identity)
            count = len(seen.adapted)
            if not count:
                return Plan(seen, seen, (), 0)
            event = Event.now(EventKind.ADAPTED_UNDONE, identity, f"{count} references")
            return Plan(seen, seen.with_adapted(()), (event,), count)

        return self._enroller.carry_out(check_identity(identity), make)

    def set_credential(self, new: str, current: str | None = None) -> None:
        """Set the credential, a PIN or phrase of 4 to 1024 characters, for when a face is not enough.

        Its Argon2id hash is stored. Wrong credentials are counted and lock, as rejected faces do.

        Parameters
        ----------
        new : the new credential.
        current : the credential that is set; None if none is.

        Raises
        ------
        CredentialError
            If a credential is set and `current` is another, or too many were wrong to check one now.
        InvalidInputError
            If the new credential is too short or too long.
        """
        self._limiter.set_credential(new, current)

    def unlock(self, identity: str | None = None, *, credential: str | None = None) -> None:
        """Clear counts of failures, because somebody has shown a credential.

        If `adaptation` is on and `identity` had a near miss at most 10 s ago, the next probe of them, within
        10 s, may become an adapted reference.

        Parameters
        ----------
        identity : the person whose count is cleared, and the device's with it; None: every count.
        credential : the credential that was typed. If `set_credential` was never called, the calling program
            has checked a credential of its own, and passes None.

        Raises
        ------
        CredentialError
            If a credential is set and this is another, none is set and one is given, or too many were wrong.
        UnknownIdentityError
            If nobody is enrolled under that name.
        """
        if identity is not None and check_identity(identity) not in self._store.snapshot():
            raise unknown_identity(identity)
        self._limiter.unlock(None if identity is None else (identity, DEVICE), credential)
        if identity is not None:
            self._updater.credential_shown(identity)

    def adopt(self, measured: MeasuredThreshold, *, credential: str | None = None) -> None:
        """Replace the model's threshold by one that was measured on your own people.

        It holds for every authenticator on this store, from its next attempt on. `forget_adopted` removes it.
        It may always be smaller than the model's own, but larger only with evidence for the false match rate
        that the model's own is set at. One that was not measured for this store (``faceid calibrate
        --vault``) needs the credential, and may not be larger than the model's own tail of strangers allows.

        Parameters
        ----------
        measured : as ``faceid calibrate`` writes it; see `faceid_fast.calibration.evidence`.
        credential : the credential, if one is set.

        Raises
        ------
        ModelError
            If it was measured with another model or preprocessing.
        CredentialError
            If a credential is set and this is another, too many were wrong, or none is set and one is given.
        PolicyError
            If it was not measured for this store, or was changed since, and no credential is set.
        CalibrationError
            If it is larger than the model's own without that evidence, or than the model's tail allows; or
            the model has no threshold of its modality.
        """
        self._thresholds.adopt(measured, self._limiter.authorized(credential))

    def forget_adopted(self, modality: str, *, credential: str | None = None) -> bool:
        """Remove the adopted threshold, so that the model's own holds; return whether there was one.

        Parameters
        ----------
        modality : "infrared" or "color".
        credential : the credential, if one is set.

        Raises
        ------
        CredentialError
            If a credential is set and this is another, too many were wrong, or none is set and one is given.
        InvalidInputError
            If there is no such modality.
        """
        return self._thresholds.forget(modality, self._limiter.authorized(credential))


def _check_parts(store: object, aligner: object, embedder: object, liveness: object) -> None:
    """Refuse a part that lacks the methods it needs; its class does not matter, so stand-ins will do."""
    for name, part, wanted, methods in (
        (
            "store",
            store,
            "a ReferenceStore",
            ("revision", "snapshot", "alter", "amend", "evidence_mac", "events"),
        ),
        ("aligner", aligner, "a FaceAligner", ("align", "head_model_sha256")),
        ("embedder", embedder, "an Embedder", ("embed", "contract", "sha256")),
        ("liveness", liveness, "a LivenessCheck", ("check", "limits")),
    ):
        if part is not None and (isinstance(part, type) or not all(hasattr(part, name) for name in methods)):
            message = f"{name}: expected {wanted}, got {type(part).__name__}"
            raise InvalidInputError(message)
