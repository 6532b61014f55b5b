"""An index of a store's references for searches: one gallery for each modality."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from faceid_fast.errors import InvalidInputError, OtherModelWarning
from faceid_fast.frame import MODALITIES
from faceid_fast.storage.references import check_model, is_of_model

from .gallery import Gallery

if TYPE_CHECKING:
    from faceid_fast.storage.references import References
    from faceid_fast.storage.store import ReferenceStore


class GalleryIndex:
    """A store's references in one gallery for each modality: infrared is never compared with colour.

    Searches may run in any number of threads while one thread changes the index.

    Parameters
    ----------
    store : the store; `refresh` takes over every change in it, whoever made it.
    dim : values per joined vector.
    key_sizes : values per shape vector and per picture vector.
    model_sha256 : SHA-256 of the model that makes the probes. References of another model are never searched:
        their distances would mean nothing.
    """

    def __init__(
        self, store: ReferenceStore, dim: int, key_sizes: tuple[int, int], model_sha256: str
    ) -> None:
        self._store = store
        self._dim = dim
        self._key_sizes = key_sizes
        self._model_sha256 = model_sha256
        self._galleries = {modality: Gallery(dim=dim) for modality in MODALITIES}
        self._people: dict[str, set[str]] = {modality: set() for modality in MODALITIES}
        self._held: dict[str, References] = {}
        self._shown: dict[str, References | None] = {}  # None: unknown, an error interrupted the change
        self._seen: object = None
        self._showing = threading.Lock()

    def of(self, modality: str) -> Gallery:
        """Return the gallery of a modality."""
        return self._galleries[modality]

    def references(self, identity: str) -> References | None:
        """Return the references of a person that the galleries hold; None if there are none.

        They are one state of the person, however they change meanwhile: whoever asks several questions of
        them gets answers that belong together.
        """
        return self._held.get(identity)

    def count(self, modality: str) -> int:
        """Return the number of people with references of a modality."""
        return len(self._people[modality])

    def others_than(self, identity: str) -> bool:
        """Whether anybody else than this person was in the store at the last `refresh`."""
        return bool(self._shown.keys() - {identity})

    def knows(self, identity: str) -> bool:
        """Whether a person was in the store at the last `refresh`.

        Raises
        ------
        ModelError
            If their references were made with another model.
        """
        if (references := self._shown.get(identity)) is not None:
            check_model(references, self._model_sha256)
        return identity in self._shown  # the value may be None while another thread changes it

    def refresh(self) -> None:
        """Bring the galleries up to date with the store."""
        if self._store.revision() == self._seen:
            return
        with self._showing:
            # Read before the snapshot: the next refresh sees what changes in between.
            revision = self._store.revision()
            snapshot = self._store.snapshot()
            if not self._shown:
                self._fill(snapshot)
            for identity in self._shown.keys() - snapshot.keys():
                self.show(identity, None)
                del self._shown[identity]
            for identity, references in snapshot.items():
                if self._shown.get(identity) is not references:
                    self._shown[identity] = None
                    self.show(identity, references if self._is_ours(references) else None)
                    self._shown[identity] = references
            self._seen = revision

    def show(self, identity: str, references: References | None) -> None:
        """Replace a person's references in the galleries by these; None removes them."""
        if references is None:
            self._held.pop(identity, None)
        else:
            self._check_keys(references)
        for modality, gallery in self._galleries.items():
            vectors = None if references is None else references.of(modality)
            if vectors is None or len(vectors) == 0:
                self._people[modality].discard(identity)
                if identity in gallery:
                    gallery.remove(identity)
                continue
            if identity in gallery:
                gallery.replace(identity, vectors)
            else:
                gallery.add(identity, vectors)
            self._people[modality].add(identity)
        if references is not None:
            self._held[identity] = references

    def _fill(self, snapshot: Mapping[str, References]) -> None:
        """Fill empty galleries in one step: three times as fast as adding people one by one."""
        ours = {name: kept for name, kept in snapshot.items() if self._is_ours(kept)}
        galleries, people = dict(self._galleries), dict(self._people)
        for modality in MODALITIES:
            of_each = {name: vectors for name, kept in ours.items() if len(vectors := kept.of(modality))}
            if any(vectors.shape[1] != self._dim for vectors in of_each.values()):
                message = f"references: expected vectors of {self._dim} values, got others"
                raise InvalidInputError(message)
            if of_each:
                rows = [name for name, vectors in of_each.items() for _ in vectors]
                galleries[modality] = Gallery.from_arrays(np.concatenate(list(of_each.values())), rows)
                people[modality] = set(of_each)
        for kept in ours.values():
            self._check_keys(kept)
        self._galleries, self._people, self._held = galleries, people, ours
        self._shown = dict(snapshot)
        if others := len(snapshot) - len(ours):
            warnings.warn(
                f"references of {others} people were made with another model: nobody accepts them until they "
                "are enrolled again",
                OtherModelWarning,
                stacklevel=2,
            )

    def _is_ours(self, references: References) -> bool:
        return is_of_model(references, self._model_sha256)

    def _check_keys(self, references: References) -> None:
        sizes = None if references.keys is None else references.keys.sizes
        if sizes != self._key_sizes:
            message = f"references: expected keys of {self._key_sizes} values, got others"
            raise InvalidInputError(message)
