"""An extension of griffe, which reads the docstrings for the API pages."""

from __future__ import annotations

from griffe import Extension, Object

from docsite.wording import reworded


class NumpyWording(Extension):
    """Rewords every docstring before it is parsed."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Reword the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = reworded(obj.docstring.value)
