"""GridSample: a picture read at places that another tensor gives.

A place (x, y) from -1 to 1 becomes pixels, ((x + 1) W - 1) / 2, or (x + 1)(W - 1) / 2 with ``align_corners``. Pixels
are gathered from the picture read as one long list of pixels, and weighed: one for nearest, 2 × 2 with 1 - d for
linear, 4 × 4 with Keys' function (a = -3/4) for cubic, d being the distance along an axis. A pixel outside is zero,
the nearest inside (border), or the one reached by reflection at the edges. Where the grid is a constant, so are
indices and weights. https://onnx.ai/onnx/operators/onnx__GridSample.html
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from export.hub.decompose.registry import decomposes, number, shape_of, unsupported, whole
from export.hub.passes.rewrite import attribute, replace

CUBIC_A = -0.75
MODES = ("linear", "nearest", "cubic")
PADDINGS = ("zeros", "border", "reflection")


@decomposes("GridSample", 20)
def grid_sample_beyond_linear(node: ir.Node) -> bool:
    """Cubic and volumes, which no target has, and nearest, of which Core ML does not say how it rounds."""
    beyond = attribute(node, "mode", "linear") in ("cubic", "nearest") or len(shape_of(node)) != 4
    return beyond and grid_sample(node)


@decomposes("GridSample", 20, on_request=True)
def grid_sample(node: ir.Node) -> bool:
    """Any number of axes; cubic, as ONNX Runtime has it, for pictures only."""
    mode, padding = attribute(node, "mode", "linear"), attribute(node, "padding_mode", "zeros")
    if mode not in MODES or padding not in PADDINGS:
        raise unsupported(node, f"mode '{mode}' with padding '{padding}' is not defined")
    if mode == "cubic" and len(shape_of(node)) != 4:
        raise unsupported(node, "cubic is for pictures, with two axes of space")
    replace(node, lambda tape: _Sampler(node, tape, mode, padding).sample())
    return True


class _Sampler:
    """Writes one GridSample on a tape; tensors of places are (N, h, w), with as many axes as the input has in space."""

    def __init__(self, node: ir.Node, tape: Tape, mode: str, padding: str) -> None:
        self.node, self.tape, self.mode, self.padding = node, tape, mode, padding
        self.x, self.grid = node.inputs
        self.batch, self.channels, *self.sizes = shape_of(node)
        self.out = shape_of(node, 1)[1:-1]
        self.aligned = bool(attribute(node, "align_corners", 0))

    def sample(self) -> ir.Value:
        rank = len(self.sizes)
        taps = []
        for axis, size in enumerate(self.sizes):  # the grid names the last axis first
            place = self._pixels(rank - 1 - axis, size)
            if self.mode != "cubic" and self.padding != "zeros":
                place = self._inside(place, size)
            taps.append(self._taps(place, size))
        pixels = self.op("Transpose", self.x, perm=[0, *range(2, rank + 2), 1])
        pixels = self.reshape(pixels, (self.batch * math.prod(self.sizes), self.channels))
        first = None
        if self.batch > 1:
            starts = np.arange(self.batch).reshape(-1, *[1] * rank) * self.sizes[0]
            first = whole(self.node, starts, "first")
        y = self.reshape(self._sum(pixels, first, taps), (self.batch, *self.out, self.channels))
        return self.op("Transpose", y, perm=[0, rank + 1, *range(1, rank + 1)])

    def _sum(
        self, pixels: ir.Value, line: ir.Value | None, taps: list[list[tuple[ir.Value, ir.Value | None]]]
    ) -> ir.Value:
        """The weighed pixels of all axes from the one whose lines ``line`` counts, one row a place."""
        axis = len(self.sizes) - len(taps)
        total = None
        for pixel, weight in taps[0]:
            index = pixel if line is None else self.op("Add", line, pixel)
            if len(taps) > 1:
                index = self.op("Mul", index, whole(self.node, self.sizes[axis + 1], "length"))
                part = self._sum(pixels, index, taps[1:])
            else:
                part = self.op("Gather", pixels, self.reshape(index, (-1,)), axis=0)
            total = self._plus(total, self._weighed(part, weight))
        return total

    def _pixels(self, axis: int, size: int) -> ir.Value:
        """Where along one axis, in pixels: a x + b."""
        x = self.op("Gather", self.grid, whole(self.node, axis, "axis"), axis=len(self.sizes) + 1)
        if self.aligned:
            return self.op("Mul", self.op("Add", x, self.number(1)), self.number((size - 1) / 2))
        scaled = self.op("Mul", self.op("Add", x, self.number(1)), self.number(size))
        return self.op("Mul", self.op("Sub", scaled, self.number(1)), self.number(0.5))

    def _inside(self, place: ir.Value, size: int) -> ir.Value:
        """A place, or a whole pixel as a float, brought back into the picture by the padding mode."""
        if self.padding == "border":
            return self.op("Clip", place, self.number(0), self.number(size - 1))
        low, high = (0.0, size - 1.0) if self.aligned else (-0.5, size - 0.5)
        length = high - low
        if length == 0:
            return self.op("Mul", place, self.number(0))
        # From the low edge the distance is a triangle wave: |t - 2L round(t / 2L)| for t = x - low.
        t = self.op("Sub", place, self.number(low))
        waves = self.op(
            "Mul",
            self.op("Floor", self._plus(self.op("Div", t, self.number(2 * length)), self.number(0.5))),
            self.number(2 * length),
        )
        back = self.op("Abs", self.op("Sub", t, waves))
        return self.op("Clip", self.op("Add", back, self.number(low)), self.number(low), self.number(high))

    def _taps(self, place: ir.Value, size: int) -> list[tuple[ir.Value, ir.Value | None]]:
        """The pixels along one axis: index, int64 and inside, and weight, or ``None`` for 1."""
        if self.mode == "nearest":
            return [self._tap(self.op("Round", place), None, size)]
        low = self.op("Floor", place)
        d = self.op("Sub", place, low)
        if self.mode == "linear":
            offsets, weights = (0, 1), [self.op("Sub", self.number(1), d), d]
        else:
            offsets = (-1, 0, 1, 2)
            e = self.op("Sub", self.number(1), d)
            weights = [self._far(d), self._near(d), self._near(e), self._far(e)]
        return [
            self._tap(self.op("Add", low, self.number(k)) if k else low, weight, size)
            for k, weight in zip(offsets, weights, strict=True)
        ]

    def _tap(self, pixel: ir.Value, weight: ir.Value | None, size: int) -> tuple[ir.Value, ir.Value | None]:
        if self.padding == "zeros":
            last = self.number(size - 1)
            inside = self.op(
                "And", self.op("GreaterOrEqual", pixel, self.number(0)), self.op("LessOrEqual", pixel, last)
            )
            weight = self.op("Where", inside, self.number(1) if weight is None else weight, self.number(0))
        elif self.padding == "reflection":
            pixel = self._inside(pixel, size)
        pixel = self.op("Clip", pixel, self.number(0), self.number(size - 1))
        return self.op("Cast", pixel, to=int(ir.DataType.INT64)), weight

    def _near(self, d: ir.Value) -> ir.Value:
        """((a + 2) d - (a + 3)) d² + 1, for a distance d <= 1."""
        inner = self.op("Sub", self.op("Mul", d, self.number(CUBIC_A + 2)), self.number(CUBIC_A + 3))
        return self.op("Add", self.op("Mul", self.op("Mul", inner, d), d), self.number(1))

    def _far(self, d: ir.Value) -> ir.Value:
        """a (1 + d)³ - 5a (1 + d)² + 8a (1 + d) - 4a = a d (d - 1)², for a distance 1 + d from 1 to 2."""
        rest = self.op("Sub", d, self.number(1))
        return self.op("Mul", self.op("Mul", self.op("Mul", d, self.number(CUBIC_A)), rest), rest)

    def _weighed(self, pixels: ir.Value, weight: ir.Value | None) -> ir.Value:
        return pixels if weight is None else self.op("Mul", pixels, self.reshape(weight, (-1, 1)))

    def _plus(self, total: ir.Value | None, more: ir.Value) -> ir.Value:
        return more if total is None else self.op("Add", total, more)

    def op(self, op_type: str, *inputs: ir.Value, **attributes: object) -> ir.Value:
        return self.tape.op(op_type, list(inputs), attributes)

    def number(self, value: float) -> ir.Value:
        return number(self.node, value, self.grid, "number")

    def reshape(self, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        return self.op("Reshape", value, whole(self.node, list(shape), "shape"))
