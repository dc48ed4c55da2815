"""Errors that a user can act on; the commands print them as one sentence and no traceback."""


class BrushportError(Exception):
    """Bad input: the message names the thing and the remedy in one sentence. Exit status 2."""

    exit_status = 2


class UnsupportedError(BrushportError):
    """A model holds an operator, dtype or shape that a target cannot express; never a wrong picture instead."""


class QualityError(BrushportError):
    """An artifact was compiled, but does not paint the hub's picture. Exit status 1."""

    exit_status = 1


MAX_MESSAGE = 240  # characters kept of an error that another library wrote


def short(error: object) -> str:
    """What another library reported, on one line and cut to a readable length; its kind where it says nothing."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
