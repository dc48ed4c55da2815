"""Ctrl-C from the first moment on: before a command has begun there is nothing to clean up, so it just ends."""

import os
import signal

SENTENCE = "Stopped before the end; nothing half-written was left behind."
STATUS = 2


def stop_quietly() -> None:
    """Answer Ctrl-C and SIGTERM with one sentence and status 2 until a command takes over; call before slow imports."""

    def stop(*_: object) -> None:
        os.write(2, f"error: {SENTENCE}\n".encode())
        os._exit(STATUS)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def stop_by_exception() -> None:
    """Answer Ctrl-C and SIGTERM with KeyboardInterrupt, so that what is half-written gets removed.

    Only the first one counts: a second must not interrupt the removing.
    """

    def stop(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
