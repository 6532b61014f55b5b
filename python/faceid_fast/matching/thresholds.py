"""How near a face must be, by modality: as the caller says, as a store has adopted, or as the model says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from faceid_fast.calibration.evidence import MeasuredThreshold
from faceid_fast.calibration.impostor_tail import FALSE_ACCEPT_TARGET, Tail
from faceid_fast.checks import checked_instance
from faceid_fast.errors import CalibrationError, InvalidInputError, ModelError
from faceid_fast.face.model_contract import ModelContract
from faceid_fast.frame import MODALITIES, Frame
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.security_state import SecurityState
from faceid_fast.storage.store import ReferenceStore

from .decision import check_threshold


class Thresholds(Mapping[str, float]):
    """Largest distance to accept, by modality; what others adopt is seen with the next `refresh`.

    An adopted threshold takes the place of the model's, for one person; what is made of it for many
    (`calibration.tightened`) and for adapted references (`calibration.floor`) goes on from there.

    Parameters
    ----------
    store : may have adopted some.
    contract, model_sha256 : of the model that makes the vectors.
    chosen : holds for every modality, whatever was adopted; None: nobody chose.

    Raises
    ------
    InvalidInputError
        If the chosen one is not usable.
    """

    def __init__(
        self, store: ReferenceStore, contract: ModelContract, model_sha256: str, chosen: float | None
    ) -> None:
        limits = contract.thresholds if chosen is None else dict.fromkeys(MODALITIES, chosen)
        self._own = {name: check_threshold(at) for name, at in limits.items()}
        self._is_chosen = chosen is not None
        self._store = store
        self._contract = contract
        self._model_sha256 = model_sha256
        self._adopted: Mapping[str, MeasuredThreshold] = {}
        self._seen: object = None
        self.tails: Mapping[str, Tail] = {} if self._is_chosen else contract.tails
        """By modality, what is known of strangers; nothing of a threshold that was chosen."""
        self.refresh()

    def __getitem__(self, modality: str) -> float:
        """Largest distance to accept.

        Raises
        ------
        ModelError
            If the store has adopted one that was measured with another model: no other was asked for.
        """
        own = self._own[modality]
        adopted = self._adopted.get(modality)
        if adopted is None:
            return own
        self._check_model(adopted)
        return adopted.threshold

    def of_frame(self, frame: Frame) -> float:
        """Threshold for a frame as things stand; fails closed where none is known, or an unusable one.

        Raises
        ------
        InvalidInputError
            If there is none for its modality.
        ModelError
            If the store has adopted one, of whichever modality, that was measured with another model.
        """
        self.refresh()
        self.check()
        if frame.modality not in self:
            message = (
                f"frame: expected {' or '.join(self)}, which the model has a threshold for, "
                f"got {frame.modality}; or choose one: Authenticator(threshold=...)"
            )
            raise InvalidInputError(message)
        return self[frame.modality]

    def __iter__(self) -> Iterator[str]:
        """Modalities that there is a threshold for."""
        return iter(self._own)

    def __len__(self) -> int:
        """How many modalities there are."""
        return len(self._own)

    def refresh(self) -> None:
        """See what the store has adopted meanwhile."""
        if self._is_chosen or (revision := self._store.revision()) == self._seen:
            return
        kept = self._store.amend(lambda state: (state, ()))
        self._adopted = MappingProxyType({each.modality: each for each in kept.adopted})
        self._seen = revision

    def check(self) -> None:
        """Refuse, before anything is done by them, thresholds that were measured with another model.

        Raises
        ------
        ModelError
            If the store has adopted one, of whichever modality.
        """
        for measured in self._adopted.values():
            self._check_model(measured)

    def adopt(self, measured: MeasuredThreshold) -> None:
        """Have the store keep a threshold, and its evidence, for all who use it; durable once this returns.

        Raises
        ------
        ModelError
            If it was measured with another model or preprocessing.
        CalibrationError
            If it is larger than the model's own, and its evidence is for a larger share of strangers than the
            model's own is set at (`calibration.FALSE_ACCEPT_TARGET`); or the model has none of that modality.
        InvalidInputError
            If it is no `MeasuredThreshold`.
        """
        checked_instance("measured", measured, MeasuredThreshold)
        self._check_model(measured)
        own = self._contract.thresholds.get(measured.modality)
        if own is None:
            message = f"calibration.modality: expected one of the model's, got {measured.modality}"
            raise CalibrationError(message)
        if measured.threshold > own and measured.target_far > FALSE_ACCEPT_TARGET:
            message = (
                f"calibration.threshold: expected at most the model's own, {own:g}, unless the evidence is "
                f"for a share of strangers of {FALSE_ACCEPT_TARGET:g} or less; got {measured.threshold:g} "
                f"for {measured.target_far:g}"
            )
            raise CalibrationError(message)
        self._change(
            measured.modality,
            (measured,),
            Event.now(EventKind.ADOPTED, None, f"{measured.modality}, {measured.target_far:g}"),
        )

    def forget(self, modality: str) -> bool:
        """Have the store go back to the model's own threshold; returns whether it had adopted one.

        Raises
        ------
        InvalidInputError
            If there is no such modality.
        """
        if not isinstance(modality, str) or modality not in MODALITIES:
            shown = f"{modality!a:.80}" if isinstance(modality, str) else type(modality).__name__
            message = f"modality: expected {' or '.join(MODALITIES)}, got {shown}"
            raise InvalidInputError(message)
        self.refresh()
        had = modality in self._adopted
        if had:
            self._change(modality, (), Event.now(EventKind.FORGOTTEN, None, modality))
        return had

    def _change(self, modality: str, put: tuple[MeasuredThreshold, ...], event: Event) -> None:
        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            others = tuple(each for each in state.adopted if each.modality != modality)
            # Who is let in changes, as if references had: the credential is asked for at doors.
            return replace(state, adopted=(*others, *put), presence=None), (event,)

        kept = self._store.amend(amend)
        self._adopted = MappingProxyType({each.modality: each for each in kept.adopted})

    def _check_model(self, measured: MeasuredThreshold) -> None:
        wanted = self._model_sha256, self._contract.preprocessing["id"]
        if (measured.model_sha256, measured.preprocessing_id) != wanted:
            message = (
                f"calibration: expected a threshold measured with the model {wanted[0]} and the "
                f"preprocessing {wanted[1]}, got one of {measured.model_sha256} and "
                f"{measured.preprocessing_id!a:.80}: calibrate anew, or take it back (faceid vault adopt "
                f"--forget {measured.modality})"
            )
            raise ModelError(message)
