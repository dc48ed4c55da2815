"""One way to import coremltools: quick, quiet, and without dragging torch or TensorFlow into the process.

coremltools imports torch, torchvision and TensorFlow whenever they are installed, only to offer its own
front ends. That costs seconds and a gigabyte, and TensorFlow beside torch has crashed the reader of
``.mlpackage`` files.
"""

from __future__ import annotations

import importlib
import importlib.abc
import logging
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

_TENSORFLOW = frozenset({"tensorflow", "tensorflow_core", "keras", "tf_keras"})
_TORCH = frozenset({"torch", "torchvision", "torchaudio", "torchao", "executorch"})
_OTHER_FRONT_ENDS = frozenset({"transformers", "xgboost", "libsvm"})
_lock = threading.RLock()


class _Hide(importlib.abc.MetaPathFinder):
    """Answers every import of the named packages with ``ModuleNotFoundError``, as if not installed."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"{fullname} is hidden while coremltools is imported", name=fullname)


@contextmanager
def _hidden(names: frozenset[str]) -> Iterator[None]:
    finder = _Hide(frozenset(name for name in names if name not in sys.modules))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(max(level, logging.ERROR))


def load_coremltools() -> ModuleType:
    """Return the ``coremltools`` module, importing it on the first call.

    torch is hidden from that import unless it is loaded already, so a caller that wants coremltools' PyTorch
    front end imports torch first; TensorFlow is always hidden. Both stay importable afterwards. coremltools'
    remarks about untested versions are silenced.
    """
    loaded = sys.modules.get("coremltools")
    if loaded is not None and getattr(loaded, "convert", None) is not None:
        return loaded
    with _lock:
        hide = _TENSORFLOW | _OTHER_FRONT_ENDS
        if "torch" not in sys.modules:
            hide |= _TORCH
        with _hidden(hide), _quiet():
            return importlib.import_module("coremltools")
