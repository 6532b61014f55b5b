"""The model that a store pins: loaded where it is kept, and demanded of everybody who uses the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from faceid_fast.errors import ModelError
from faceid_fast.face.combined_embedder import CombinedEmbedder, PictureNetwork
from faceid_fast.face.picture_contract import PictureContract
from faceid_fast.storage.audit import Event, EventKind
from faceid_fast.storage.pinned_model import PinnedModel
from faceid_fast.storage.store import state_of

if TYPE_CHECKING:
    from faceid_fast.face.embedder import Embedder
    from faceid_fast.storage.security_state import SecurityState
    from faceid_fast.storage.store import Authority, ReferenceStore


@runtime_checkable
class KeepsModels(Protocol):
    """A store that keeps the files of models, too; `faceid_fast.vault.Vault` is one."""

    def read_model(self, sha256: str) -> bytes:
        """Read the file with this SHA-256; ModelError if there is none."""


def pinned_in(store: ReferenceStore) -> PinnedModel | None:
    """Return the model that a store pins; None: none, and the bundled one serves."""
    return state_of(store).model


def embedder_of(store: ReferenceStore, given: Embedder | None = None) -> Embedder | None:
    """Return the embedder for a store: the one that it pins, else the given one; None: the bundled one.

    Parameters
    ----------
    store : may pin a model, and keep its file.
    given : what the program asks for.

    Raises
    ------
    ModelError
        If the store pins a model, and the given one is another; or none is given, and the store's file is
        missing, has other bytes, or does not fit the contract or the bundled model that it was adopted with.
    """
    pinned = pinned_in(store)
    if pinned is None:
        return given
    made = given
    if made is None:
        if not isinstance(store, KeepsModels):
            message = f"embedder: expected the model that the store pins, {pinned.model_id!a}, got none"
            raise ModelError(message)
        contract = PictureContract.from_json(pinned.contract)
        content = store.read_model(pinned.picture_sha256)
        made = CombinedEmbedder(PictureNetwork(content, contract))
    check_pinned(pinned, made.sha256)
    return made


def check_pinned(pinned: PinnedModel | None, model_sha256: str) -> None:
    """Refuse a model that is not the one that the store pins.

    Parameters
    ----------
    pinned : what the store pins; None: any model will do, since every reference names its own.
    model_sha256 : of the model that makes the vectors.

    Raises
    ------
    ModelError
        If it is another one.
    """
    if pinned is not None and pinned.sha256 != model_sha256:
        message = (
            f"embedder: expected the model that the store pins, {pinned.model_id!a} ({pinned.sha256}), got "
            f"{model_sha256}: open the store anew, adopt the model again (faceid model adopt), or have it "
            "forgotten (faceid model forget)"
        )
        raise ModelError(message)


def pin(store: ReferenceStore, embedder: CombinedEmbedder, authority: Authority) -> PinnedModel:
    """Pin a model in a store, for everybody who uses it; durable on return.

    References and adopted thresholds of other models stay, and are refused where they would be used.
    """
    picture = embedder.picture
    pinned = PinnedModel(picture.model_id, picture.sha256, embedder.sha256, picture.to_json())
    event = Event.now(EventKind.MODEL_ADOPTED, None, picture.model_id)
    _replace(store, pinned, event, authority)
    return pinned


def unpin(store: ReferenceStore, authority: Authority) -> PinnedModel | None:
    """Have a store pin no model; return the one that it pinned, None if there was none."""
    pinned = pinned_in(store)
    if pinned is not None:
        event = Event.now(EventKind.MODEL_FORGOTTEN, None, pinned.model_id)
        _replace(store, None, event, authority)
    return pinned


def _replace(store: ReferenceStore, pinned: PinnedModel | None, event: Event, authority: Authority) -> None:
    def amend(state: SecurityState) -> tuple[SecurityState, tuple[Event, ...]]:
        if state.model == pinned:
            return state, ()
        # Who is let in changes, as with new references: policy "door" asks for the credential again.
        return replace(state, model=pinned, presence=None), (event,)

    store.amend(amend, authority=authority)
