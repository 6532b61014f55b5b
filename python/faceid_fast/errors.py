"""The exceptions of the package: one closed tree, in which each is also the fitting built-in exception.

Expected outcomes (no face, no match, a flat print) are values, see :mod:`faceid_fast.outcome`. Exceptions
are for misuse and for faults.
"""


class FaceIDError(Exception):
    """Base class of every exception that this package raises on purpose."""


class InvalidInputError(FaceIDError, ValueError):
    """An argument has the wrong shape, dtype, range or content."""


class IdentityTakenError(InvalidInputError):
    """The identity should be new, and somebody is enrolled under it."""


class UnknownIdentityError(FaceIDError, KeyError):
    """The identity is not enrolled."""

    def __str__(self) -> str:
        """Return the message as it is: KeyError would quote it."""
        return str(self.args[0]) if self.args else ""


class SourceError(FaceIDError, OSError):
    """A file of frames is missing, damaged or of another format, or a camera gives no frames."""


class ModelError(FaceIDError, RuntimeError):
    """A model file is missing or not the expected one, or the model's output is unusable.

    The expected model is the one that was pinned, or with which references or thresholds were made.
    """


class ModelContractError(ModelError, ValueError):
    """A model's contract is missing, malformed, or asks for something that this package does not do."""


class CalibrationError(FaceIDError, ValueError):
    """The evidence for a threshold is damaged, does not show what it claims, or is not enough."""


class CredentialError(FaceIDError, PermissionError):
    """A credential is missing or wrong, or was not checked because too many were wrong."""


class PolicyError(FaceIDError, PermissionError):
    """The policy of the store forbids what a program wants, or was to be changed without the credential."""


class LockedOutError(FaceIDError, PermissionError):
    """Faces are not compared now, because of too many attempts in a row."""


class VaultError(FaceIDError, RuntimeError):
    """A vault cannot be used, because of its state or its place."""


class VaultMissingError(VaultError):
    """There is no vault in the directory, and none was to be created."""


class VaultBusyError(VaultError):
    """Other processes kept the vault locked, or changed what was to be changed, for too long."""


class VaultKeyError(VaultError, ValueError):
    """There is no key for a vault, or the key is that of another vault."""


class VaultDamagedError(VaultError):
    """Data of a vault differ from the data that were written."""


class VaultRolledBackError(VaultDamagedError):
    """A vault was replaced by an older copy of itself."""


class VaultTooNewError(VaultError):
    """A vault was written by a newer version of the package."""


class InternalError(FaceIDError, RuntimeError):
    """A fault in the package's own core, not in its input; or an object that such a fault left unusable."""


class FaceIDWarning(UserWarning):
    """Base class of this package's warnings."""


class VaultKeyBesideDataWarning(FaceIDWarning):
    """The key of a vault is kept beside its data."""


class SourceWarning(FaceIDWarning):
    """Files of frames were left out, or one of two pictures was taken: the message says which."""


class OtherModelWarning(FaceIDWarning):
    """References were made with another model: their owners have to be enrolled again."""


class GuessedIntrinsicsWarning(FaceIDWarning):
    """A frame has no intrinsics: lengths in millimetres rest on a guessed field of view."""
