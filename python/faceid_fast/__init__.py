"""Face unlock for any depth camera: enrol a person by frames, then verify or identify them.

>>> import faceid_fast as faceid
>>> faceid.enroll("ada", frames)  # doctest: +SKIP
>>> faceid.verify(frame, "ada").accepted  # doctest: +SKIP

Names are loaded when they are first used, so importing the package costs little. `__init__.pyi`, for type
checkers, is generated from the table below: ``python -m release.public_names``.
"""

from importlib import import_module as _import_module

from . import aliases as _aliases

_HOMES = {
    "api": ("enroll", "identify", "remove", "verify"),
    "authenticator": ("Authenticator",),
    "calibration.evidence": ("MeasuredThreshold",),
    "enrollment.result": ("Enrollment", "Note", "NoteKind", "RejectedFrame"),
    "enrollment.strangers": ("Strangers",),
    "errors": (
        "CalibrationError",
        "CredentialError",
        "FaceIDError",
        "FaceIDWarning",
        "GuessedIntrinsicsWarning",
        "IdentityTakenError",
        "InternalError",
        "InvalidInputError",
        "LockedOutError",
        "ModelContractError",
        "ModelError",
        "OtherModelWarning",
        "PolicyError",
        "SourceError",
        "SourceWarning",
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
    "face.aligner": ("FaceAligner",),
    "face.crop": ("Cues", "FaceCrop", "HeadPose", "NoFace"),
    "face.embedder": ("Embedder",),
    "face.embedding": ("Embedding", "Embeddings"),
    "face.liveness": ("Liveness", "LivenessCheck"),
    "face.liveness_limits": ("Limits",),
    "face.model_contract": ("ModelContract",),
    "frame": ("Capture", "Frame", "Intrinsics"),
    "matching.decision": ("Decision",),
    "matching.gallery": ("Gallery",),
    "outcome": ("Outcome",),
    "sources.recognized": ("read_frames",),
    "storage.audit": ("Event", "EventKind"),
    "storage.keys": ("Keys",),
    "storage.memory": ("InMemoryStore",),
    "storage.policy": ("VaultPolicy",),
    "storage.references": ("Consent", "References"),
    "storage.store": ("ReferenceStore",),
    "vault": ("Vault",),
}
"""The public names, by the module that they are loaded from."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]  # noqa: PLE0604  # a stub tells type checkers

_aliases.install()


def __getattr__(name: str) -> object:
    """Load a public name at its first use."""
    if name == "__version__":
        value: object = _import_module("importlib.metadata").version("faceid-fast")
    elif name in _HOME_OF:
        value = getattr(_import_module(f".{_HOME_OF[name]}", __name__), name)
    else:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List public names, loaded or not."""
    return sorted(__all__)
