"""Tasks in worker processes: a worker that dies or hangs costs its task, not the run."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

FORK = multiprocessing.get_context("fork")  # what the caller has imported and collected is there at once
RECYCLED_AFTER = 400  # tasks, after which a worker is replaced: native libraries keep what they allocate


@dataclass(frozen=True)
class Died:
    """In place of a result: the worker died of its task, or did not come to an end with it; ``how`` says which."""

    how: str


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    task: int | None = None
    deadline: float = 0.0
    done: int = 0


def run_all(
    work: Callable[[Any], Any], tasks: Sequence[Any], jobs: int, timeout: float, recycled_after: int = RECYCLED_AFTER
) -> Iterator[tuple[int, Any | Died]]:
    """Yield (index of the task, what ``work`` returned or :class:`Died`) in the order in which they end.

    ``work`` runs in ``jobs`` forked processes, so the caller must have started no threads. Exceptions that ``work``
    lets through end its worker and count as a death.
    """
    waiting = list(range(len(tasks)))[::-1]
    workers = [_start(work, tasks) for _ in range(max(1, min(jobs, len(tasks))))]
    try:
        for worker in workers:
            _give(worker, waiting, timeout)
        while any(worker.task is not None for worker in workers):
            busy = [worker for worker in workers if worker.task is not None]
            ready = wait([worker.pipe for worker in busy], timeout=1.0)
            for place, worker in enumerate(workers):
                if worker.task is None:
                    continue
                if worker.pipe in ready:
                    task = worker.task
                    try:
                        result = worker.pipe.recv()
                    except (EOFError, ConnectionError):
                        worker.process.join()
                        result = Died(f"the process died with exit status {worker.process.exitcode}")
                elif time.monotonic() > worker.deadline:
                    task, result = worker.task, Died(f"no end within {timeout:.0f} seconds")
                else:
                    continue
                worker.task, worker.done = None, worker.done + 1
                if isinstance(result, Died) or worker.done >= recycled_after:
                    _stop(worker)
                    workers[place] = _start(work, tasks)
                _give(workers[place], waiting, timeout)
                yield task, result
    finally:
        for worker in workers:
            _stop(worker)


def _start(work: Callable[[Any], Any], tasks: Sequence[Any]) -> _Worker:
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_serve, args=(theirs, ours, work, tasks), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, waiting: list[int], timeout: float) -> None:
    if waiting:
        worker.task, worker.deadline = waiting.pop(), time.monotonic() + timeout
        worker.pipe.send(worker.task)


def _stop(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _serve(pipe: Connection, other: Connection, work: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
    other.close()
    gc.freeze()  # coremltools collects garbage at every conversion, and need not look at what was imported before
    while True:
        try:
            index = pipe.recv()
        except EOFError:
            return
        pipe.send(work(tasks[index]))
