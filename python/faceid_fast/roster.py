"""Everybody's references in memory, ready to be searched: one gallery for each modality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .frame import MODALITIES
from .gallery import Gallery

if TYPE_CHECKING:
    from .store import References


class Roster:
    """References by modality, because infrared is compared with infrared only, and colour with colour.

    Searches may run in any number of threads, next to one change at a time.

    Parameters
    ----------
    dim : values per vector.
    """

    def __init__(self, dim: int) -> None:
        self._galleries = {modality: Gallery(dim=dim) for modality in MODALITIES}

    def __contains__(self, identity: object) -> bool:
        """Whether a person has references of any modality."""
        return any(identity in gallery for gallery in self._galleries.values())

    def of(self, modality: str) -> Gallery:
        """Gallery of one modality."""
        return self._galleries[modality]

    def show(self, identity: str, references: References | None) -> None:
        """Let searches find exactly these references of a person; None: no longer any."""
        for modality, gallery in self._galleries.items():
            vectors = None if references is None else references.of(modality)
            if vectors is None or len(vectors) == 0:
                if identity in gallery:
                    gallery.remove(identity)
            elif identity in gallery:
                gallery.replace(identity, vectors)
            else:
                gallery.add(identity, vectors)
