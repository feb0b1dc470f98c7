"""The one family of errors that people are shown: what is wrong, and what to do about it.

Exit codes are part of the public contract: 2 the input, 3 the environment, 1 our own fault, 130 interrupted.
"""


class LesionLensError(Exception):
    """An error with one sentence of what is wrong and one of what to do.

    `message` and `remedy` are shown to the user; `detail` goes to the log only.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        self.remedy = " ".join(remedy.split())
        self.detail = detail


class UserError(LesionLensError):
    """The input or an option cannot be used; the user can mend it (exit code 2)."""

    exit_code = 2


class EnvironmentFault(LesionLensError):
    """The machine cannot do what was asked: device, memory, disk, damaged weights (exit code 3)."""

    exit_code = 3


class InternalFault(LesionLensError):
    """A fault of LesionLens itself; `detail` holds what a developer needs (exit code 1)."""

    exit_code = 1


class Cancelled(Exception):
    """The user stopped the work; nothing is left behind (exit code 130)."""

    exit_code = 130
