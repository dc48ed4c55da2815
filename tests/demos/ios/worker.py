"""The app's own model at the other end of a pipe: what ``host/Sources/Host/Wire.swift`` talks to."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from tests.demos.ios.build import host
from tests.demos.ios.tools import Tools
from validate.coreml import CoreMLModel

SECONDS = 300  # a few runs of the model a second, and a hundred of them


class Worker:
    """Runs the ``.mlpackage`` at ``path`` that ``facts``, its entry in the manifest, describe."""

    def __init__(self, path: Path, facts: dict) -> None:
        self.runs = 0
        self._model = CoreMLModel(path, threads=2)
        self._facts = facts
        ports = {port["kind"]: port for port in facts["inputs"]}
        self._picture = ports["image"]
        self._weights = ports.get("weights")
        self._painting = next(port for port in facts["outputs"] if port["kind"] == "image")

    def serve(self, tools: Tools, arguments: list[str], out: Path) -> None:
        """Answer the host program, run with ``arguments`` and writing to ``out``, until it is done.

        Raises RuntimeError with its words when it fails.
        """
        command = tools.command(f"/host/Host {' '.join(arguments)}", host=host(tools).parent, src=out, out=out)
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            watch = threading.Timer(SECONDS, process.kill)
            watch.start()
            try:
                while process.stdout.read(1) == b"\1":
                    process.stdin.write(self._answer(process.stdout))
                    process.stdin.flush()
            finally:
                process.stdin.close()
                said = process.stderr.read().decode()
                failed = process.wait()
                watch.cancel()
            if failed:
                raise RuntimeError(said)

    def _answer(self, source) -> bytes:
        self.runs += 1
        given = source.read(1) == b"\1"
        _, channels, height, width = self._picture["shape"]
        pixels = np.frombuffer(source.read(height * width * channels), np.uint8).reshape(height, width, channels)
        feed = {self._picture["name"]: Image.fromarray(pixels)}
        for port in (self._weights, *self._beyond()):
            if port is not None:
                feed[port["name"]] = np.zeros(port["shape"], np.float32)
                if given or port is self._weights:
                    numbers = np.frombuffer(source.read(4 * feed[port["name"]].size), np.float32)
                    feed[port["name"]] = numbers.reshape(port["shape"])
        result = self._model.predict(feed)
        answer = np.asarray(result[self._painting["name"]])[..., :3].tobytes()
        if tiles := self._facts.get("tiles"):
            answer += np.asarray(result[tiles["measured"]], np.float32).tobytes()
        return answer

    def _beyond(self) -> list[dict]:
        """The ports for what is given, in the order in which the host sends it."""
        tiles = self._facts.get("tiles") or {}
        names = [tiles[name] for name in ("statistics", "given") if name in tiles]
        return [next(port for port in self._facts["inputs"] if port["name"] == name) for name in names]
