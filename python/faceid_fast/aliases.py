"""Module paths of the previous release: each still imports, with a warning that gives the new path.

They will be removed with the next release. Names of the package itself (`faceid_fast.Frame`) stay where they
are.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

MOVED: Final[Mapping[str, tuple[str, ...]]] = {
    "adapt": ("adaptation.rules", "storage.policy", "storage.references"),
    "audit": ("storage.audit",),
    "calibration": ("calibration.impostor_tail", "calibration.binomial"),
    "contract": ("face.model_contract",),
    "credential": ("access.credential",),
    "default": ("api",),
    "door": ("access.credential_policy", "storage.policy"),
    "embed": ("face.embedder",),
    "enrollment": ("enrollment.result", "enrollment.poses", "enrollment.strangers"),
    "evaluate.projection": ("evaluate.report.projection",),
    "face": ("face.aligner", "face.crop", "face.head_model", "face.bundled"),
    "gallery": ("matching.gallery",),
    "live": ("stream",),
    "liveness": ("face.liveness", "face.liveness_limits", "face.sequence"),
    "lockout": ("access.lockout", "access.boot_clock", "storage.security_state"),
    "ledger": ("storage.security_state",),
    "measured": ("calibration.evidence",),
    "policy": ("matching.decision",),
    "sources.camera_file": ("sources.layouts.camera_file",),
    "sources.kinect_v2": ("sources.layouts.kinect_v2",),
    "sources.newest": ("sources.cameras.newest",),
    "sources.npz": ("sources.layouts.npz",),
    "sources.oak": ("sources.cameras.oak",),
    "sources.open3d": ("sources.layouts.open3d",),
    "sources.opencv": ("sources.cameras.opencv",),
    "sources.pairs": ("sources.layouts.pairs",),
    "sources.pictures": ("sources.files.pictures",),
    "sources.realsense": ("sources.cameras.realsense",),
    "sources.record3d": ("sources.cameras.record3d",),
    "sources.shot": ("sources.layouts.shot",),
    "sources.tum": ("sources.layouts.tum",),
    "sources.vap": ("sources.layouts.vap",),
    "store": ("storage.references", "storage.memory", "storage.store"),
}
"""For each old module, the modules that hold its names now, all below `faceid_fast`.

If several of these have a name, the first one counts.
"""
RENAMED: Final[Mapping[str, str]] = {"Ledger": "SecurityState"}
"""For each renamed name, the new one."""


class _Finder:
    """Finds the modules of `MOVED`, after all other finders have failed."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG004
        """Return the spec of an old module; None for any other name."""
        package, _, old = fullname.partition(".")
        if package != __package__ or old not in MOVED:
            return None
        return ModuleSpec(fullname, _Loader)  # type: ignore[arg-type]  # has what a loader needs


class _Loader:
    """Makes an old module, whose names are looked up in the new ones."""

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        """Make an empty module."""
        return ModuleType(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Warn that the module has moved, and give it a ``__getattr__`` that looks its names up."""
        old = module.__name__.partition(".")[2]
        _warn(f"{module.__name__}: moved to {_listed(old)}")
        module.__getattr__ = lookup(old)  # type: ignore[method-assign]  # PEP 562


def install() -> None:
    """Make `import` find the old modules."""
    sys.meta_path.append(_Finder)


def lookup(old: str) -> Callable[[str], Any]:
    """Return a ``__getattr__`` (PEP 562) that looks the names of an old module up in the new ones."""

    def found(name: str) -> Any:  # noqa: ANN401  # PEP 562
        if not name.startswith("__"):
            name = RENAMED.get(name, name)
            for new in MOVED[old]:
                module = import_module(f"{__package__}.{new}")
                if name in vars(module):
                    _warn(f"{__package__}.{old}.{name}: moved to {module.__name__}")
                    return vars(module)[name]
        message = f"module '{__package__}.{old}' has no attribute {name!r}"
        raise AttributeError(message)

    return found


def _listed(old: str) -> str:
    return ", ".join(f"{__package__}.{new}" for new in MOVED[old])


def _warn(message: str) -> None:
    """Warn at the import or look-up that used the old path; frames of the import system do not count."""
    warnings.warn(f"{message}; this path goes with the next release", DeprecationWarning, stacklevel=3)
