"""How plots are drawn: without a screen, by matplotlib's own settings, no name taken for a formula."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Final

from faceid_fast.errors import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST_NAME: Final = 40
_PURPOSES: Final = {
    "matplotlib": ("matplotlib.figure", "which draws it"),
    "sklearn": ("sklearn.manifold", "which makes the maps (scikit-learn)"),
    "jinja2": ("jinja2", "which writes the page"),
}


def check_installed(*packages: str) -> None:
    """Check before minutes of work that a picture can be drawn, or a page written.

    Parameters
    ----------
    packages : "matplotlib", "sklearn" or "jinja2".

    Raises
    ------
    InvalidInputError
        If one is missing.
    """
    for package in packages:
        module, purpose = _PURPOSES[package]
        try:
            with _leaving_no_files():
                import_module(module)
        except ImportError:
            what = "page" if package == "jinja2" else "picture"
            message = (
                f"{what}: expected the package {package}, {purpose}, got none; "
                f"install faceid-fast[report] or ask for no {what}"
            )
            raise InvalidInputError(message) from None


@contextmanager
def _leaving_no_files() -> Iterator[None]:
    """Import matplotlib so that it writes no list of fonts and makes no folder in the user's home.

    Whoever has given it a folder (MPLCONFIGDIR), or has imported it before, keeps what they have.
    """
    if "matplotlib" in sys.modules or "MPLCONFIGDIR" in os.environ or find_spec("matplotlib") is None:
        yield
        return
    settings = os.environ.get("MATPLOTLIBRC")
    os.environ["MATPLOTLIBRC"] = os.devnull  # an empty one: no folder is looked for another in
    logger = logging.getLogger("matplotlib.font_manager")  # which would say that it keeps no list
    disabled, logger.disabled = logger.disabled, True
    try:
        import matplotlib as mpl  # noqa: PLC0415  # optional

        found = mpl.get_cachedir, mpl.get_configdir
        nowhere = str(Path(os.devnull, "matplotlib"))
        mpl.get_cachedir = mpl.get_configdir = lambda: nowhere
        try:
            _load_fonts(mpl)
            for module in ("style", "figure"):
                import_module(f"matplotlib.{module}")
            yield
        finally:
            mpl.get_cachedir, mpl.get_configdir = found
    finally:
        logger.disabled = disabled
        if settings is None:
            del os.environ["MATPLOTLIBRC"]
        else:
            os.environ["MATPLOTLIBRC"] = settings


def _load_fonts(mpl: ModuleType) -> None:
    """Have matplotlib look for fonts; 3.9 needs a folder for their list, so it gets a passing one."""
    try:
        import_module("matplotlib.font_manager")
    except OSError:
        with TemporaryDirectory() as passing:
            setattr(mpl, "get_cachedir", lambda: passing)  # noqa: B010  # of a module
            import_module("matplotlib.font_manager")


@contextmanager
def drawing() -> Iterator[None]:
    """Draw by matplotlib's own settings, not by the user's; no text is a formula."""
    check_installed("matplotlib")
    import matplotlib as mpl  # noqa: PLC0415  # optional

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["text.parse_math"] = False  # names come from elsewhere
        yield


def png(figure: Figure, *, dpi: int = 100) -> bytes:
    """Turn a figure into a PNG that says nothing about what drew it."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the font draws a box for what it lacks
        figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    return content.getvalue()


def short(name: str) -> str:
    """Shorten a name, and replace the characters of it that cannot be drawn."""
    shown = printable(name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
