"""The exceptions of the package: one closed tree, each also the builtin that fits.

Expected outcomes (no face, no match, a flat print) are values, see :mod:`faceid_fast.outcome`; these
are for misuse and for what is broken.
"""


class FaceIDError(Exception):
    """Base of everything this package raises on purpose."""


class InvalidInputError(FaceIDError, ValueError):
    """An argument has the wrong shape, dtype, range or content."""


class UnknownIdentityError(FaceIDError, KeyError):
    """An identity that is not enrolled was asked for."""

    def __str__(self) -> str:
        """Return the message as it is: KeyError would quote it."""
        return str(self.args[0]) if self.args else ""


class SourceError(FaceIDError, OSError):
    """A file that frames are read from is missing, damaged or of another format; or a camera gives none."""


class ModelError(FaceIDError, RuntimeError):
    """A model file is missing or not the one wanted, or the model gave an unusable answer.

    The one wanted is the one that was pinned, or that references were made with.
    """


class ModelContractError(ModelError, ValueError):
    """A model's contract is absent, malformed, or asks for what this package does not do."""


class CalibrationError(FaceIDError, ValueError):
    """A threshold's evidence is damaged, does not carry what it claims, or is not enough."""


class CredentialError(FaceIDError, PermissionError):
    """A credential is missing, wrong, or not to be checked now."""


class VaultError(FaceIDError, RuntimeError):
    """A vault cannot be used as it is, or where it is."""


class VaultMissingError(VaultError):
    """There is no vault where one was expected, and none was to be made."""


class VaultBusyError(VaultError):
    """Others write to the vault and do not come to an end."""


class VaultKeyError(VaultError, ValueError):
    """There is no key for a vault, or it is another one's."""


class VaultDamagedError(VaultError):
    """Something of a vault is not as it was written."""


class VaultRolledBackError(VaultDamagedError):
    """A vault is older than it was."""


class VaultTooNewError(VaultError):
    """A vault was written by a newer version of the package."""


class InternalError(FaceIDError, RuntimeError):
    """A fault in the package's own core, not in what it was given; or what such a fault left unusable."""


class FaceIDWarning(UserWarning):
    """Base of this package's warnings."""


class VaultKeyBesideDataWarning(FaceIDWarning):
    """A vault's key is kept where its data is."""


class OtherModelWarning(FaceIDWarning):
    """References were made with another model: who they are of has to be enrolled again."""


class GuessedIntrinsicsWarning(FaceIDWarning):
    """A frame came without intrinsics: metric distances rest on a guessed field of view."""
