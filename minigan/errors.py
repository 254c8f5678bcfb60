"""Errors that say what happened, where, what was expected, and how to mend it."""

__all__ = [
    "MiniganError", "ShapeError", "GraphError", "ConfigError", "DataError", "CheckpointError", "DeviceError",
    "DivergenceError", "OutOfMemoryError",
]


class MiniganError(Exception):
    """Base of every error that minigan raises on purpose.

    what     : one sentence, what is wrong
    where    : the operation, file, layer or argument concerned
    expected : what would have been right
    got      : what was found instead
    fix      : what to do about it

    The parts that are given become the message, in that order:
    `where: what (expected …, got …). fix`.
    """

    def __init__(self, what, *, where=None, expected=None, got=None, fix=None):
        self.what, self.where, self.expected, self.got, self.fix = what, where, expected, got, fix
        message = f"{where}: {what}" if where else what
        details = [f"expected {expected}"] if expected is not None else []
        details += [f"got {got}"] if got is not None else []
        if details:
            message += f" ({', '.join(details)})"
        if fix:
            message += f". {fix}"
        super().__init__(message)


class ShapeError(MiniganError, ValueError):
    """Shapes or types of arrays that do not fit together."""


class GraphError(MiniganError, RuntimeError):
    """A derivative that does not exist, or would be wrong."""


class ConfigError(MiniganError, ValueError):
    """An argument outside its range, or an unknown name."""


class DataError(MiniganError, ValueError):
    """A data set that is missing, damaged or of the wrong form."""


class CheckpointError(MiniganError, ValueError):
    """A saved state that is missing, damaged or does not fit the networks."""


class DivergenceError(MiniganError, ArithmeticError):
    """Training that has left the finite numbers."""


class DeviceError(MiniganError, RuntimeError):
    """A device that this machine does not have."""


class OutOfMemoryError(MiniganError, MemoryError):
    """More memory asked for than the computer, or its GPU, has left."""
