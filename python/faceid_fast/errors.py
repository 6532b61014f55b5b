"""The exceptions of the package: one closed tree, each also the builtin that fits."""


class FaceIDError(Exception):
    """Base of everything this package raises on purpose."""


class InvalidInputError(FaceIDError, ValueError):
    """An argument has the wrong shape, dtype, range or content."""


class UnknownIdentityError(FaceIDError, KeyError):
    """An identity that is not enrolled was asked for."""

    def __str__(self) -> str:
        """Return the message as it is: KeyError would quote it."""
        return str(self.args[0]) if self.args else ""
