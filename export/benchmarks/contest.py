"""Several files timed fairly: each in a process of its own, taking turns, so that a slow minute hits all of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from validate.errors import BrushportError

WORKER = Path(__file__).with_name("worker.py")
WARM_UP_RUNS = 2
RUNS_A_TURN = 3  # the first of a turn finds the caches as another process left them, and is not counted
REST_S = 0.02  # between turns: thread pools stop spinning


@dataclass
class Score:
    """What one contender needed: milliseconds of every counted run, and the peak memory of its process in bytes."""

    times: list[float] = field(default_factory=list)
    peak: int = 0

    @property
    def median(self) -> float:
        """The median run, in milliseconds."""
        return median(self.times)

    @property
    def fastest(self) -> float:
        """The fastest run, in milliseconds."""
        return min(self.times)


def compete(files: Mapping[str, Path], turns: int, threads: int) -> dict[str, Score]:
    """Let each file (``.tflite`` or ``.onnx``) run ``turns`` times :data:`RUNS_A_TURN`, in turn.

    Raises :class:`BrushportError` naming the file that does not run.
    """
    contenders = {name: _Contender(path, threads) for name, path in files.items()}
    try:
        for contender in contenders.values():
            contender.run(WARM_UP_RUNS)
        scores = {name: Score() for name in files}
        for _ in range(turns):
            for name, contender in contenders.items():
                time.sleep(REST_S)
                answer = contender.run(RUNS_A_TURN)
                scores[name].times += answer["ms"][1:]
                scores[name].peak = answer["peak"]
        return scores
    finally:
        for contender in contenders.values():
            contender.stop()


class _Contender:
    def __init__(self, path: Path, threads: int) -> None:
        self.path = path
        # -P: this folder is not searched for modules; its profile.py is not the standard library's.
        command = [sys.executable, "-P", str(WORKER), str(path), str(threads)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def run(self, times: int) -> dict:
        try:
            self.process.stdin.write(f"{times}\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (BrokenPipeError, ValueError) as error:
            raise BrushportError(f"'{self.path}' does not run; try it with `python {WORKER} {self.path} 2`.") from error

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
