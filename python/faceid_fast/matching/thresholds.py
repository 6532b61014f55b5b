"""The threshold of each modality: the caller's, else the one that the store has adopted, else the model's.

The limits of the two keys are always the model's: `Thresholds.key_limits`.
"""

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
from faceid_fast.storage.pinned_model import PinnedModel
from faceid_fast.storage.security_state import SecurityState
from faceid_fast.storage.store import ReferenceStore

from .decision import check_threshold
from .keys import KeyLimits
from .pinned import check_pinned


class Thresholds(Mapping[str, float]):
    """The largest joined distance to accept, by modality.

    An adopted threshold takes the place of the model's for comparisons with one person (1:1). The threshold
    of a search (`calibration.impostor_tail.tightened`) and the floor of adapted references
    (`calibration.impostor_tail.floor`) are derived from it.

    Parameters
    ----------
    store : the store that may have adopted thresholds; `refresh` takes over what other processes adopt.
    contract, model_sha256 : of the model that makes the vectors.
    chosen : the caller's threshold for every modality of the model's, whatever was adopted; None: not chosen.

    Raises
    ------
    InvalidInputError
        If the chosen threshold is not a finite number in [0, 2).
    """

    def __init__(
        self, store: ReferenceStore, contract: ModelContract, model_sha256: str, chosen: float | None
    ) -> None:
        # The model's modalities only: of another one nobody knows when the keys agree.
        self._served = tuple(contract.thresholds or contract.key_limits)
        limits = contract.thresholds if chosen is None else dict.fromkeys(self._served, chosen)
        self._own = {name: check_threshold(at) for name, at in limits.items()}
        self._is_chosen = chosen is not None
        self._store = store
        self._contract = contract
        self._model_sha256 = model_sha256
        self._adopted: Mapping[str, MeasuredThreshold] = {}
        self._seen: object = None
        self._pinned: PinnedModel | None = None
        self.tails: Mapping[str, Tail] = {} if self._is_chosen else contract.tails
        """The model's impostor tails by modality; empty where the caller chose the threshold."""
        self.key_limits: Mapping[str, KeyLimits] = KeyLimits.by_modality(contract.key_limits)
        """The largest distance of each key at which it agrees, by modality."""
        self.refresh()

    def __getitem__(self, modality: str) -> float:
        """Return the largest distance to accept.

        Raises
        ------
        ModelError
            If the store has adopted a threshold that was measured with another model: the model's own would
            not be the one that was asked for.
        """
        adopted = self._adopted.get(modality)
        if adopted is None or modality not in self._served:
            return self._own[modality]
        self._check_model(adopted)
        return adopted.threshold

    def of_frame(self, frame: Frame) -> float:
        """Return the current threshold for a frame; raise if there is none, or an adopted one is unusable.

        Raises
        ------
        InvalidInputError
            If the model does not serve the frame's modality.
        CalibrationError
            If it does, but has no threshold of its own, and the store has adopted none.
        ModelError
            If the store has adopted a threshold, of any modality, that was measured with another model; or
            pins another model.
        """
        self.refresh()
        self.check()
        modality = frame.modality
        if modality not in self._served:
            message = (
                f"frame: expected {' or '.join(self._served)}, which the model has a threshold for, "
                f"got {modality}"
            )
            raise InvalidInputError(message)
        if modality not in self:
            message = (
                f"threshold: expected one for {modality} frames, got none: the model "
                f"{self._contract.model_id!a:.200} has none of its own, so calibrate it in this vault first "
                "(faceid calibrate --vault, then faceid vault adopt)"
            )
            raise CalibrationError(message)
        return self[modality]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the modalities that have a threshold."""
        return (name for name in self._served if name in self._own or name in self._adopted)

    def __len__(self) -> int:
        """Return the number of modalities that have a threshold."""
        return sum(1 for _ in self)

    def refresh(self) -> None:
        """Take over the thresholds that the store has adopted since the last call.

        Raises
        ------
        ModelError
            If the store pins another model, or has forgotten the one that it pinned.
        """
        if (revision := self._store.revision()) == self._seen:
            return
        kept = self._store.amend(lambda state: (state, ()))
        check_pinned(kept.model, self._model_sha256)
        if kept.model is None and self._pinned is not None:
            message = "embedder: expected the store to pin the model that it did, got none: open it anew"
            raise ModelError(message)
        self._pinned = kept.model
        if not self._is_chosen:
            self._adopted = MappingProxyType({each.modality: each for each in kept.adopted})
        self._seen = revision

    def check(self) -> None:
        """Refuse adopted thresholds that were measured with another model, before any is used.

        Raises
        ------
        ModelError
            If the store has adopted such a threshold, of any modality.
        """
        for measured in self._adopted.values():
            self._check_model(measured)

    def adopt(self, measured: MeasuredThreshold) -> None:
        """Write a threshold and its evidence to the store, for everybody who uses it; durable on return.

        Raises
        ------
        ModelError
            If it was measured with another model or preprocessing.
        CalibrationError
            If it is larger than the model's own, and its evidence is for a higher false match rate than the
            model's own (`calibration.impostor_tail.FALSE_ACCEPT_TARGET`); or the model does not serve that
            modality. Where the model has no threshold of its own, the evidence decides alone.
        InvalidInputError
            If `measured` is not a `MeasuredThreshold`.
        """
        checked_instance("measured", measured, MeasuredThreshold)
        self._check_model(measured)
        if measured.modality not in self._served:
            message = f"calibration.modality: expected one of the model's, got {measured.modality}"
            raise CalibrationError(message)
        own = self._contract.thresholds.get(measured.modality)
        if own is not None and measured.threshold > own and measured.target_far > FALSE_ACCEPT_TARGET:
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
        """Remove the adopted threshold of a modality from the store; return whether there was one.

        The model's own threshold holds again; a model without one accepts nobody.

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
            # Who is let in changes, as with new references: policy "door" asks for the credential again.
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
