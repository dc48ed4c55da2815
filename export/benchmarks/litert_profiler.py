"""LiteRT's own profiler, reached through its C interface: the time of every operator, those inside XNNPACK too.

The Python ``Interpreter`` has no way to set a profiler. ``libLiteRt.so``, shipped in the same package, has one in its
compiled model: the option ``enable_profiling``, then ``LiteRtCompiledModelGetProfiler``. Options are handed over as
TOML text under a name ("xnnpack", "runtime_options_string"), as ``litert/c/options`` does.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from validate.errors import BrushportError

# litert/c/litert_common.h and tflite/core/api/profiler.h
STATUS_OK = 0
ACCELERATOR_CPU = 1
LOCK_FOR_WRITING = 1
OPERATOR_EVENT = 1 << 1
DELEGATE_EVENT = 1 << 2
DELEGATE_PROFILED_EVENT = 1 << 3
RANKED_TYPE_BYTES = 256  # more than any LiteRtRankedTensorType


class _Event(ctypes.Structure):
    """``ProfiledEventData`` of litert/c/litert_profiler_event.h."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("event_type", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory", ctypes.c_size_t * 6),
        ("metadata1", ctypes.c_uint64),
        ("metadata2", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


@dataclass(frozen=True)
class Timing:
    """One operator in one run: its name (XNNPACK's inside the delegate, TFLite's outside), and microseconds."""

    name: str
    microseconds: int
    delegated: bool


def profile_runs(path: Path, runs: int, threads: int) -> list[list[Timing]]:
    """Runs the file ``runs`` times on zeros; the operators of each run in the order in which they ran.

    Raises :class:`BrushportError` where LiteRT refuses the file or the installed LiteRT has no profiler.
    """
    return _Session(path, threads).profile(runs)


class _Session:
    """A compiled model with its buffers; everything lives until the process ends."""

    def __init__(self, path: Path, threads: int) -> None:
        from ai_edge_litert import __file__ as package

        self.library = ctypes.CDLL(str(Path(package).parent / "libLiteRt.so"))
        self.environment = self._create("LiteRtCreateEnvironment", 0, None)
        self.model = self._create("LiteRtCreateModelFromFile", self.environment, str(path).encode())
        options = self._create("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, ACCELERATOR_CPU)
        for name, text in (
            ("xnnpack", f"num_threads = {threads}\n"),
            ("runtime_options_string", "enable_profiling = true\n"),
        ):
            opaque = self._create("LiteRtCreateOpaqueOptions", name.encode(), _owned(text), _FREE)
            self._call("LiteRtAddOpaqueOptions", options, opaque)
        self.compiled = self._create("LiteRtCreateCompiledModel", self.environment, self.model, options)
        self.profiler = self._create("LiteRtCompiledModelGetProfiler", self.compiled)
        self.inputs, self.outputs = self._buffers("Input"), self._buffers("Output")

    def _call(self, name: str, *arguments: object) -> None:
        function = getattr(self.library, name, None)
        if function is None:
            raise BrushportError(f"The installed LiteRT has no {name}; install ai-edge-litert 2.3 to profile.")
        function.restype = ctypes.c_int
        status = function(*arguments)
        if status != STATUS_OK:
            raise BrushportError(f"LiteRT's {name} failed with status {status}.")

    def _create(self, name: str, *arguments: object) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self._call(name, *arguments, ctypes.byref(handle))
        return handle

    def _buffers(self, side: str) -> Sequence[ctypes.c_void_p]:
        signature = self._create("LiteRtGetModelSignature", self.model, ctypes.c_size_t(0))
        count = ctypes.c_size_t()
        self._call(f"LiteRtGetNumSignature{side}s", signature, ctypes.byref(count))
        buffers = (ctypes.c_void_p * count.value)()
        for i in range(count.value):
            index = ctypes.c_size_t(i)
            tensor = self._create(f"LiteRtGetSignature{side}TensorByIndex", signature, index)
            kind = ctypes.create_string_buffer(RANKED_TYPE_BYTES)
            self._call("LiteRtGetRankedTensorType", tensor, kind)
            needs = self._create(
                f"LiteRtGetCompiledModel{side}BufferRequirements", self.compiled, ctypes.c_size_t(0), index
            )
            buffer = self._create("LiteRtCreateManagedTensorBufferFromRequirements", self.environment, kind, needs)
            self._call("LiteRtClearTensorBuffer", buffer)
            buffers[i] = buffer.value
        return buffers

    def run(self) -> None:
        """One inference."""
        zero = ctypes.c_size_t(0)
        sizes = ctypes.c_size_t(len(self.inputs)), ctypes.c_size_t(len(self.outputs))
        self._call("LiteRtRunCompiledModel", self.compiled, zero, sizes[0], self.inputs, sizes[1], self.outputs)

    def profile(self, runs: int) -> list[list[Timing]]:
        """As :func:`profile_runs`; one run more in front, which is not counted."""
        self.run()
        found = []
        for _ in range(runs):
            self._call("LiteRtResetProfiler", self.profiler)
            self._call("LiteRtStartProfiler", self.profiler)
            self.run()
            self._call("LiteRtStopProfiler", self.profiler)
            found.append(self._events())
        return found

    def _events(self) -> list[Timing]:
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self.profiler, ctypes.byref(count))
        events = (_Event * max(count.value, 1))()
        self._call("LiteRtGetProfilerEvents", self.profiler, count, events)
        return [
            Timing(event.tag.decode(), event.elapsed_us, event.event_type != OPERATOR_EVENT)
            for event in events[: count.value]
            if event.event_type in (OPERATOR_EVENT, DELEGATE_PROFILED_EVENT, DELEGATE_EVENT)
        ]


_LIBC = ctypes.CDLL(None)
_LIBC.strdup.restype = ctypes.c_void_p
_FREE = ctypes.cast(_LIBC.free, ctypes.c_void_p)


def _owned(text: str) -> ctypes.c_void_p:
    """A C copy of ``text`` which LiteRT frees."""
    return ctypes.c_void_p(_LIBC.strdup(text.encode()))
