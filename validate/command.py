"""What every command shares: one sentence and an exit status instead of a traceback, and the nearest right name."""

from __future__ import annotations

import difflib
import errno
import functools
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from rich.console import Console

from validate.errors import BrushportError
from validate.guard import run_guarded
from validate.interrupts import SENTENCE, STATUS, stop_by_exception, stop_quietly

P = ParamSpec("P")
T = TypeVar("T")

# Beside a terminal (a pipe, a log) lines are as long as they are.
console = Console() if sys.stdout.isatty() else Console(width=200)
error_console = Console(stderr=True)


def reporting_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Wrap a command: BrushportError, a full disk and Ctrl-C end it with one sentence on stderr and its exit status.

    SIGTERM is treated as Ctrl-C, so that temporary files are removed in either case.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        stop_by_exception()
        try:
            return command(*args, **kwargs)
        except BrushportError as error:
            complain(str(error))
            sys.exit(error.exit_status)
        except KeyboardInterrupt:
            complain(SENTENCE)
        except MemoryError:
            complain("There is not enough memory; give a smaller --size.")
        except OSError as error:
            sentence = _sentence_of(error)
            if sentence is None:
                raise
            complain(sentence)
        sys.exit(STATUS)

    return wrapped


def _sentence_of(error: OSError) -> str | None:
    place = f" at '{error.filename}'" if error.filename else ""
    copying_failed = isinstance(error, shutil.Error) and os.strerror(errno.ENOSPC) in str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or copying_failed:
        return f"The disk is full{place}; free some space or choose another folder."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"Writing or reading is not permitted{place}; choose another folder or mend its permissions."
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return f"A file stands where a folder is needed, or the other way round{place}; choose another path."
    if error.filename and error.strerror:
        return f"{error.strerror}{place}; choose another path."
    return None


def start(app: Callable[..., object], name: str, *, guarded: bool = True) -> None:
    """Run the command line ``app``, which calls itself ``name``.

    ``guarded`` runs it in a child process, whose crash ends in one sentence, too.
    """
    stop_quietly()
    if guarded:
        run_guarded(lambda: app(prog_name=name), complain)
    else:
        app(prog_name=name)


def complain(sentence: str) -> None:
    """Print ``error: sentence`` on stderr, unwrapped and unstyled where it is no terminal."""
    error_console.print(f"[bold red]error:[/] {_escape(sentence)}", soft_wrap=True, highlight=False)


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


def unknown(kind: str, name: str, known: Iterable[str], otherwise: str = "") -> BrushportError:
    """The error for a name that is not known, with the nearest right one: ``No style 'wavw'; did you mean 'wave'?``.

    ``otherwise`` says what may be given instead of a name.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    instead = f"; or give {otherwise}" if otherwise else ""
    return BrushportError(f"There is no {kind} '{name}'; {hint}Known: {', '.join(known) or 'none'}{instead}.")


def parse_size(text: str | None, option: str = "--size") -> tuple[int, int] | None:
    """``512`` or ``480x640`` (height × width) as (height, width); raises BrushportError for anything else.

    ``option`` is what the command calls it.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text.strip().lower())
    if not found or not int(found[1]) or (found[2] and not int(found[2])):
        raise BrushportError(f"{option} {text} is no size; give N or HEIGHTxWIDTH, such as 512 or 480x640.")
    return int(found[1]), int(found[2] or found[1])


def parse_range(text: str | None) -> tuple[float, float] | None:
    """``0..255`` as (0.0, 255.0); raises BrushportError for anything else."""
    if text is None:
        return None
    low, _, high = text.partition("..")
    try:
        values = float(low), float(high)
    except ValueError:
        values = (0.0, 0.0)
    if not values[0] < values[1] < float("inf"):
        raise BrushportError(f"--range {text} is no range; give BLACK..WHITE, such as 0..1, 0..255 or -1..1.")
    return values
