"""Which ONNX operators the Core ML compiler lowers, and the function that lowers each."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.coreml.call import Call

Lowering = Callable[["Call"], Any]
"""Takes one node, adds MIL operations to the program, and returns the node's output Var (or a tuple of them)."""

_LOWERINGS: dict[str, dict[int, Lowering]] = {}


def lowers(op_type: str, since: int = 1) -> Callable[[Lowering], Lowering]:
    """Register the decorated function as the lowering of ``op_type`` from ONNX opset ``since`` on.

    Raises:
        ValueError: the same operator and version is registered already.
    """

    def register(function: Lowering) -> Lowering:
        versions = _LOWERINGS.setdefault(op_type, {})
        if since in versions:
            raise ValueError(f"{op_type} since opset {since} is lowered by {versions[since].__name__} already")
        versions[since] = function
        return function

    return register


def lowering_of(op_type: str, opset: int) -> Lowering | None:
    """The newest lowering of ``op_type`` that is not newer than ``opset``, or ``None``."""
    _load()
    versions = [since for since in _LOWERINGS.get(op_type, ()) if since <= opset]
    return _LOWERINGS[op_type][max(versions)] if versions else None


def registered() -> Iterator[tuple[str, int]]:
    """Every registered ``(op_type, since)``, in alphabetical order; the tests are made from this."""
    _load()
    for op_type in sorted(_LOWERINGS):
        for since in sorted(_LOWERINGS[op_type]):
            yield op_type, since


def supported_ops() -> list[str]:
    """The ONNX operators that the Core ML compiler takes, in alphabetical order."""
    _load()
    return sorted(_LOWERINGS)


def _load() -> None:
    """Import every module of ``export.coreml.ops``: importing one registers its lowerings."""
    from export.coreml import ops

    for module in pkgutil.iter_modules(ops.__path__):
        importlib.import_module(f"{ops.__name__}.{module.name}")
