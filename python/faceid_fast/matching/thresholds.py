"""The threshold of each modality: the caller's, else the one that the store has adopted, else the model's.

The limits of the two keys are always the model's: `Thresholds.key_limits`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from faceid_fast.calibration.evidence import MeasuredThreshold
from faceid_fast.calibration.impostor_tail import FALSE_ACCEPT_TARGET, distance_at, tightened
from faceid_fast.checks import checked_instance
from faceid_fast.errors import CalibrationError, InvalidInputError, ModelError, PolicyError
from faceid_fast.face.model_contract import ModelContract
from faceid_fast.frame import MODALITIES, Frame
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.security_state import Rules, SecurityState
from faceid_fast.storage.store import state_of

from .decision import check_threshold
from .keys import KeyLimits
from .pinned import check_pinned

if TYPE_CHECKING:
    from faceid_fast.storage.store import Authority, ReferenceStore


class Thresholds(Mapping[str, float]):
    """The largest joined distance to accept, by modality.

    An adopted threshold takes the place of the model's for comparisons with one person (1:1). The threshold
    of a search (`of_search`) and the floor of adapted references (`calibration.impostor_tail.floor`) are
    derived from it.

    Parameters
    ----------
    store : the store that may have adopted thresholds; `refresh` takes over what other processes adopt.
    contract, model_sha256 : of the model that makes the vectors.
    chosen : the caller's threshold for every modality of the model's; None: not chosen. Unless the policy of
        the store lets programs choose (`VaultPolicy.parts`), it may not be larger than the store's.

    Raises
    ------
    InvalidInputError
        If the chosen threshold is not a finite number in [0, 2).
    """

    def __init__(
        self, store: ReferenceStore, contract: ModelContract, model_sha256: str, chosen: float | None
    ) -> None:
        # Of another modality nobody knows when the keys agree.
        self._served = tuple(contract.thresholds or contract.key_limits)
        self._model = dict(contract.thresholds)
        self._chosen = None if chosen is None else check_threshold(chosen)
        self._store = store
        self._contract = contract
        self._model_sha256 = model_sha256
        self._seen: object = None
        self._rules = Rules()
        self._pins = False
        self.key_limits: Mapping[str, KeyLimits] = KeyLimits.by_modality(contract.key_limits)
        """The largest distance of each key at which it agrees, by modality."""
        self.refresh()

    def __getitem__(self, modality: str) -> float:
        """Return the largest distance to accept, by the rules of the last `refresh`.

        Raises
        ------
        ModelError
            If the store has adopted a threshold that was measured with another model: the model's own would
            not be the one that was asked for.
        """
        return self._at(self._rules, modality)

    def of_frame(self, frame: Frame, rules: Rules | None = None) -> float:
        """Return the threshold for a frame; raise if there is none, or an adopted one is unusable.

        Parameters
        ----------
        frame : of any modality.
        rules : of the store, from `refresh`; None: the current ones.

        Raises
        ------
        InvalidInputError
            If the model does not serve the frame's modality.
        CalibrationError
            If it does, but has no threshold of its own, and the store has adopted none.
        ModelError
            If the store has adopted a threshold, of any modality, that was measured with another model; or
            pins another model.
        PolicyError
            If the caller's threshold is larger than the store's, and its policy does not let programs choose.
        """
        given = self.refresh() if rules is None else rules
        self.check(given)
        if frame.modality not in self._served:
            message = (
                f"frame: expected {' or '.join(self._served)}, which the model has a threshold for, "
                f"got {frame.modality}"
            )
            raise InvalidInputError(message)
        if frame.modality not in self._having(given):
            message = (
                f"threshold: expected one for {frame.modality} frames, got none: the model "
                f"{self._contract.model_id!a:.200} has none of its own, so calibrate it in this vault first "
                "(faceid calibrate --vault, then faceid vault adopt)"
            )
            raise CalibrationError(message)
        return self._at(given, frame.modality)

    def of_search(self, modality: str, rules: Rules, identities: int) -> float:
        """Return the threshold of a search (1:N), which gets smaller the more people there are.

        A caller whose own threshold the policy lets stand has chosen it for any number of people.
        """
        at = self._at(rules, modality)
        if self._chosen is not None and rules.policy.parts:
            return at
        store = self._of_store(rules, modality)
        return min(at, tightened(store, self._contract.tails.get(modality, ()), identities))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the modalities that have a threshold."""
        return iter(self._having(self._rules))

    def __len__(self) -> int:
        """Return the number of modalities that have a threshold."""
        return len(self._having(self._rules))

    def refresh(self) -> Rules:
        """Take over what the store has adopted since the last call, and return its rules.

        Raises
        ------
        ModelError
            If the store pins another model, or has forgotten the one that it pinned.
        """
        if (revision := self._store.revision()) != self._seen:
            rules = state_of(self._store).rules
            check_pinned(rules.model, self._model_sha256)
            if rules.model is None and self._pins:
                message = "embedder: expected the store to pin the model that it did, got none: open it anew"
                raise ModelError(message)
            self._rules, self._pins = rules, rules.model is not None
            self._seen = revision
        return self._rules

    def _having(self, rules: Rules) -> list[str]:
        """Return the modalities that have a threshold: the caller's, an adopted one or the model's."""
        adopted = {each.modality for each in rules.adopted}
        known = self._chosen is not None
        return [name for name in self._served if known or name in adopted or name in self._model]

    def check(self, rules: Rules) -> None:
        """Refuse adopted thresholds of another model, and a caller's that the policy does not let stand.

        Raises
        ------
        ModelError
            If the store has adopted a threshold, of any modality, that was measured with another model.
        PolicyError
            If the caller's threshold is larger than the store's, and its policy does not let programs choose.
        """
        if self._chosen is not None and rules.policy.parts:
            return
        for measured in rules.adopted:
            self._check_model(measured)
        self.check_chosen(rules)

    def check_chosen(self, rules: Rules) -> None:
        """Refuse a caller's threshold that is larger than the store's, unless the policy lets it stand."""
        if self._chosen is None or rules.policy.parts:
            return
        for modality in self._served:
            if modality not in self._model and all(each.modality != modality for each in rules.adopted):
                message = (
                    f"threshold: expected one that the store has adopted for {modality} frames, since the "
                    "model has none of its own and the policy says parts=false; got one of the program's"
                )
                raise PolicyError(message)
            if self._chosen > (most := self._of_store(rules, modality)):
                message = (
                    f"threshold: expected at most {most:g}, that of the store for {modality} frames, since "
                    f"its policy says parts=false; got {self._chosen:g}: adopt one that was measured (faceid "
                    "calibrate), or change the policy (faceid vault policy)"
                )
                raise PolicyError(message)

    def adopt(self, measured: MeasuredThreshold, authority: Authority) -> None:
        """Write a threshold and its evidence to the store, for everybody who uses it; durable on return.

        Parameters
        ----------
        measured : the threshold; one that was measured for this store has its MAC (`vouched`).
        authority : who permits it.

        Raises
        ------
        ModelError
            If it was measured with another model or preprocessing.
        PolicyError
            If it was not measured for this store, or was changed since, and no credential permits it.
        CalibrationError
            If it was measured elsewhere and is larger than the model's own tail of strangers allows; if it is
            larger than the model's own, and its evidence is for a higher false match rate than the model's
            own (`calibration.impostor_tail.FALSE_ACCEPT_TARGET`); or the model does not serve that
            modality. Where the model has no threshold of its own, the evidence decides alone.
        InvalidInputError
            If `measured` is not a `MeasuredThreshold`.
        """
        checked_instance("measured", measured, MeasuredThreshold)
        self._check_model(measured)
        if measured.modality not in self._served:
            message = f"calibration.modality: expected one of the model's, got {measured.modality}"
            raise CalibrationError(message)
        # A policy that lets programs choose any threshold has nothing to confirm.
        if not self.refresh().policy.parts and not is_vouched(self._store, measured):
            self._check_foreign(measured, authority)
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
            authority,
        )

    def _check_foreign(self, measured: MeasuredThreshold, authority: Authority) -> None:
        """Refuse a threshold from elsewhere without the credential, or beyond the model's own tail.

        Nobody can tell whether its numbers were counted or written by hand.
        """
        if authority.credential is None:
            message = (
                "calibration: expected a threshold that was measured for this vault (faceid calibrate "
                "--vault), got one from elsewhere, or one that was changed since: only the credential can "
                "confirm it, and none is set (faceid credential set)"
            )
            raise PolicyError(message)
        tail = self._contract.tails.get(measured.modality, ())
        if not tail:
            message = (
                "calibration: expected a threshold that was measured for this vault (faceid calibrate "
                "--vault), since the model has no measured tail of strangers to compare it with; got one "
                "from elsewhere"
            )
            raise CalibrationError(message)
        most = distance_at(tail, FALSE_ACCEPT_TARGET)
        if measured.threshold > most:
            message = (
                f"calibration.threshold: expected at most {most:g} of one that was measured elsewhere: "
                f"beyond it the model's own tail has more than {FALSE_ACCEPT_TARGET:g} of strangers; got "
                f"{measured.threshold:g}: calibrate for this vault"
            )
            raise CalibrationError(message)

    def forget(self, modality: str, authority: Authority) -> bool:
        """Remove the adopted threshold of a modality from the store; return whether there was one.

        The model's own threshold holds again; a model without one accepts nobody.

        Raises
        ------
        InvalidInputError
            If there is no such modality.
        """
        check_modality(modality)
        had = any(each.modality == modality for each in self.refresh().adopted)
        if had:
            self._change(modality, (), Event.now(EventKind.FORGOTTEN, None, modality), authority)
        return had

    def _change(
        self, modality: str, put: tuple[MeasuredThreshold, ...], event: Event, authority: Authority
    ) -> None:
        def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
            others = tuple(each for each in state.adopted if each.modality != modality)
            # Who is let in changes, as with new references: policy "door" asks for the credential again.
            return replace(state, adopted=(*others, *put), presence=None), (event,)

        self._rules = self._store.amend(amend, authority=authority).rules

    def _at(self, rules: Rules, modality: str) -> float:
        if self._chosen is None:
            return self._of_store(rules, modality)
        if modality not in self._served:
            raise KeyError(modality)
        return self._chosen

    def _of_store(self, rules: Rules, modality: str) -> float:
        """Return the adopted threshold of a modality, else the model's."""
        for measured in rules.adopted:
            if measured.modality == modality and modality in self._served:
                self._check_model(measured)
                return measured.threshold
        return self._model[modality]

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


def check_modality(modality: object) -> None:
    """Refuse what is not a modality."""
    if not isinstance(modality, str) or modality not in MODALITIES:
        shown = f"{modality!a:.80}" if isinstance(modality, str) else type(modality).__name__
        message = f"modality: expected {' or '.join(MODALITIES)}, got {shown}"
        raise InvalidInputError(message)


def vouched(store: ReferenceStore, measured: MeasuredThreshold) -> MeasuredThreshold:
    """Return a threshold with the MAC of the store that it was measured for."""
    return replace(measured, vault_mac=store.evidence_mac(measured.to_bytes()).hex())


def is_vouched(store: ReferenceStore, measured: MeasuredThreshold) -> bool:
    """Whether a threshold was measured for a store, and is as it was then."""
    made = store.evidence_mac(measured.to_bytes()).hex()
    return measured.vault_mac is not None and hmac.compare_digest(measured.vault_mac, made)
