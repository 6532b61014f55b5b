"""Everybody's references, as they stand in a store, ready to be searched: one gallery for each modality."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from faceid_fast.errors import InvalidInputError, OtherModelWarning
from faceid_fast.frame import MODALITIES
from faceid_fast.storage.references import check_model

from .gallery import Gallery

if TYPE_CHECKING:
    from faceid_fast.storage.references import References
    from faceid_fast.storage.store import ReferenceStore


class GalleryIndex:
    """References by modality, because infrared is compared with infrared only, and colour with colour.

    Searches may run in any number of threads, next to one change at a time.

    Parameters
    ----------
    store : what is followed: `refresh` shows what is in it now, whoever changed it.
    dim : values per vector.
    model_sha256 : of the model that queries are made with. References of another one are never searched: they
        would give meaningless distances.
    """

    def __init__(self, store: ReferenceStore, dim: int, model_sha256: str) -> None:
        self._store = store
        self._dim = dim
        self._model_sha256 = model_sha256
        self._galleries = {modality: Gallery(dim=dim) for modality in MODALITIES}
        self._people: dict[str, set[str]] = {modality: set() for modality in MODALITIES}
        self._shown: dict[str, References | None] = {}  # None: who knows, an error came in between
        self._seen: object = None
        self._showing = threading.Lock()

    def of(self, modality: str) -> Gallery:
        """Gallery of one modality."""
        return self._galleries[modality]

    def count(self, modality: str) -> int:
        """How many people have references of a modality."""
        return len(self._people[modality])

    def knows(self, identity: str) -> bool:
        """Whether a person is in the store.

        Raises
        ------
        ModelError
            If they are, with references of another model.
        """
        if (references := self._shown.get(identity)) is not None:
            check_model(references, self._model_sha256)
        return identity in self._shown  # None while others change it

    def refresh(self) -> None:
        """Let searches find what is in the store now."""
        if self._store.revision() == self._seen:
            return
        with self._showing:
            # Asked before the snapshot: what is changed meanwhile is seen the next time.
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
        """Let searches find exactly these references of a person; None: no longer any."""
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

    def _fill(self, snapshot: Mapping[str, References]) -> None:
        """Show everybody at once, where nobody is shown yet: three times as fast as one by one."""
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
        self._galleries, self._people = galleries, people
        self._shown = dict(snapshot)
        if others := len(snapshot) - len(ours):
            warnings.warn(
                f"references of {others} people were made with another model: nobody accepts them until they "
                "are enrolled again",
                OtherModelWarning,
                stacklevel=2,
            )

    def _is_ours(self, references: References) -> bool:
        return references.model_sha256 == self._model_sha256
