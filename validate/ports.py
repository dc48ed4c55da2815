"""What a model takes and gives: one :class:`Port` per input and output, in the hub's own terms (NCHW)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

# Under this name every artifact carries its ports, so that it can be checked without its manifest.
PORTS_KEY = "brushport_ports"
DTYPES = ("float32", "int32", "int64", "int8", "uint8", "bool")  # what a port may hold
STYLE = "style"  # the input of N weights that selects or blends N styles
# What a file for tiles has beyond its hub: see export.tiles.
STATISTICS, GIVEN, MEASURED = "statistics", "given", "measured"


@dataclass(frozen=True)
class Port:
    """One input or output of a hub model.

    ``shape`` is the hub's: ``(1, C, H, W)`` for pictures. ``value_range`` is ``(black, white)`` — the tensor
    values that stand for 8-bit 0 and 255, ``(0, 1)``, ``(0, 255)`` or ``(-1, 1)`` — and ``None`` for a port that
    is no picture, such as ``style`` of shape ``(1, N)``. Pictures are RGB with 3 channels, gray with 1.
    ``dtype`` is numpy's name of what the hub holds: ``float32``, which pictures always are, or one of ``DTYPES``.
    """

    name: str
    shape: tuple[int, ...]
    value_range: tuple[float, float] | None = None
    dtype: str = "float32"

    @property
    def is_image(self) -> bool:
        """Whether the port carries a picture."""
        return self.value_range is not None

    @property
    def color(self) -> str | None:
        """``"RGB"``, ``"L"`` (gray) or ``None``."""
        return {3: "RGB", 1: "L"}.get(self.shape[1]) if self.is_image else None


def ports_to_json(inputs: Iterable[Port], outputs: Iterable[Port]) -> str:
    """The ports as the JSON text that an artifact carries."""
    return json.dumps({"inputs": [asdict(port) for port in inputs], "outputs": [asdict(port) for port in outputs]})


def ports_from_json(text: str) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """Inputs and outputs out of :func:`ports_to_json`'s text; raises ValueError, KeyError or TypeError if it is not."""

    def port(fields: dict) -> Port:
        value_range = fields["value_range"]
        dtype = fields.get("dtype", "float32")
        if dtype not in DTYPES:
            raise ValueError(f"no port holds {dtype}")
        return Port(fields["name"], tuple(fields["shape"]), tuple(value_range) if value_range else None, dtype)

    stored = json.loads(text)
    return tuple(map(port, stored["inputs"])), tuple(map(port, stored["outputs"]))
