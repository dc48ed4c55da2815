"""A command's work in a child process, so that a native library that crashes ends in one sentence all the same.

ONNX Runtime, LiteRT and coremltools are C++; a damaged model or a kernel's own defect can end the process that runs
them. The child is forked before anything heavy is imported, which costs milliseconds. Where the system cannot fork
(Windows), or its own frameworks may end a process that has forked (macOS, where Core ML rests on them; see
https://bugs.python.org/issue33725), or other threads run already, the command runs in the process itself.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from validate.interrupts import STATUS

NOTE_BYTES = 8192
_note: mmap.mmap | None = None  # shared by both processes: what the child does, and where it writes


def run_guarded(work: Callable[[], None], complain: Callable[[str], None]) -> None:
    """Run ``work`` in a child process and exit with its status.

    If a signal ends the child, remove what it was writing, ``complain`` in one sentence and exit with status 2.
    Ctrl-C and SIGTERM are handed on to the child, which cleans up; a child whose parent is killed ends itself.
    """
    global _note  # noqa: PLW0603 - one command, one child
    if not hasattr(os, "fork") or sys.platform == "darwin" or threading.active_count() > 1:
        work()
        return
    _note = mmap.mmap(-1, NOTE_BYTES)
    parent_lives, held_by_parent = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(held_by_parent)
        threading.Thread(target=_end_with_parent, args=(parent_lives,), daemon=True).start()
        work()
        sys.exit(0)
    os.close(parent_lives)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: _send(child, number))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status >= 0:
        sys.exit(status)
    folder, step = _read()
    if folder:
        for left in Path(folder).glob(f".partial-{child}-*"):
            shutil.rmtree(left, ignore_errors=True)
    complain(_sentence(-status, step))
    sys.exit(STATUS)


def note_folder(folder: Path) -> None:
    """Tell the parent, if there is one, where half-written files would lie."""
    _write(0, str(folder.absolute()))


def note_step(step: str) -> None:
    """Tell the parent, if there is one, what is being done."""
    _write(1, step)


def _write(line: int, text: str) -> None:
    if _note is None:
        return
    lines = _read()
    lines[line] = text.replace("\n", " ")
    content = "\n".join(lines).encode()
    if len(content) <= NOTE_BYTES:
        _note[:] = content.ljust(NOTE_BYTES, b"\0")


def _read() -> list[str]:
    """Folder and step, empty where nothing was noted."""
    return [*_note[:].rstrip(b"\0").decode("utf-8", "replace").split("\n"), "", ""][:2]


def _sentence(number: int, step: str) -> str:
    during = f" while {step}" if step else ""
    if number == signal.SIGKILL:
        return f"The system killed the process{during}, most likely for want of memory; give a smaller --size."
    name = signal.Signals(number).name
    return (
        f"A native library crashed{during} ({name}); nothing was kept. The model file may be damaged: check it with "
        "onnx.checker, or report it with the file."
    )


def _send(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        os.kill(child, number)


def _end_with_parent(parent_lives: int) -> None:
    while os.read(parent_lives, 1):
        pass
    os._exit(STATUS)
