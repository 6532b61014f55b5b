"""Face unlock for any depth camera: a frame comes in, a decision comes out.

>>> import faceid_fast as faceid
>>> faceid.enroll("ada", frames)  # doctest: +SKIP
>>> faceid.verify(frame, "ada").accepted  # doctest: +SKIP

Names are loaded when they are first used: importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import enroll, identify, remove, verify
    from .authenticator import Authenticator
    from .calibration.evidence import MeasuredThreshold
    from .enrollment.result import Enrollment, RejectedFrame
    from .errors import (
        CalibrationError,
        CredentialError,
        FaceIDError,
        FaceIDWarning,
        GuessedIntrinsicsWarning,
        InternalError,
        InvalidInputError,
        ModelContractError,
        ModelError,
        OtherModelWarning,
        SourceError,
        UnknownIdentityError,
        VaultBusyError,
        VaultDamagedError,
        VaultError,
        VaultKeyBesideDataWarning,
        VaultKeyError,
        VaultMissingError,
        VaultRolledBackError,
        VaultTooNewError,
    )
    from .face.aligner import FaceAligner
    from .face.crop import Cues, FaceCrop, HeadPose, NoFace
    from .face.embedder import Embedder
    from .face.liveness import Liveness, LivenessCheck
    from .face.liveness_limits import Limits
    from .face.model_contract import ModelContract
    from .frame import Frame, Intrinsics
    from .matching.decision import Decision
    from .matching.gallery import Gallery
    from .outcome import Outcome
    from .storage.audit import Event, EventKind
    from .storage.memory import InMemoryStore
    from .storage.references import Consent, References
    from .storage.store import ReferenceStore
    from .vault import Vault

    __version__: str

_HOMES = {
    "audit": ("Event", "EventKind"),
    "authenticator": ("Authenticator",),
    "contract": ("ModelContract",),
    "default": ("enroll", "identify", "remove", "verify"),
    "embed": ("Embedder",),
    "enrollment": ("Enrollment", "RejectedFrame"),
    "errors": (
        "CalibrationError",
        "CredentialError",
        "FaceIDError",
        "FaceIDWarning",
        "GuessedIntrinsicsWarning",
        "InternalError",
        "InvalidInputError",
        "ModelContractError",
        "ModelError",
        "OtherModelWarning",
        "SourceError",
        "UnknownIdentityError",
        "VaultBusyError",
        "VaultDamagedError",
        "VaultError",
        "VaultKeyBesideDataWarning",
        "VaultKeyError",
        "VaultMissingError",
        "VaultRolledBackError",
        "VaultTooNewError",
    ),
    "face": ("Cues", "FaceAligner", "FaceCrop", "HeadPose", "NoFace"),
    "frame": ("Frame", "Intrinsics"),
    "gallery": ("Gallery",),
    "liveness": ("Limits", "Liveness", "LivenessCheck"),
    "measured": ("MeasuredThreshold",),
    "outcome": ("Outcome",),
    "policy": ("Decision",),
    "store": ("Consent", "InMemoryStore", "ReferenceStore", "References"),
    "vault": ("Vault",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Authenticator",
    "CalibrationError",
    "Consent",
    "CredentialError",
    "Cues",
    "Decision",
    "Embedder",
    "Enrollment",
    "Event",
    "EventKind",
    "FaceAligner",
    "FaceCrop",
    "FaceIDError",
    "FaceIDWarning",
    "Frame",
    "Gallery",
    "GuessedIntrinsicsWarning",
    "HeadPose",
    "InMemoryStore",
    "InternalError",
    "Intrinsics",
    "InvalidInputError",
    "Limits",
    "Liveness",
    "LivenessCheck",
    "MeasuredThreshold",
    "ModelContract",
    "ModelContractError",
    "ModelError",
    "NoFace",
    "OtherModelWarning",
    "Outcome",
    "ReferenceStore",
    "References",
    "RejectedFrame",
    "SourceError",
    "UnknownIdentityError",
    "Vault",
    "VaultBusyError",
    "VaultDamagedError",
    "VaultError",
    "VaultKeyBesideDataWarning",
    "VaultKeyError",
    "VaultMissingError",
    "VaultRolledBackError",
    "VaultTooNewError",
    "__version__",
    "enroll",
    "identify",
    "remove",
    "verify",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # PEP 562
    """Load a public name at its first use."""
    if name == "__version__":
        value: Any = import_module("importlib.metadata").version("faceid-fast")
    elif name in _HOME_OF:
        value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    else:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List public names, loaded or not."""
    return sorted({*globals(), *__all__})
