"""Statistics of a whole photo as inputs and outputs of the file, so that tiles of it add up to one painting.

Instance norms and gates take means over the whole picture. A tile knows only its own, so tiles painted one by one do
not match. A file with statistics has two more inputs and one more output, all float32 NHWC, with ``K`` numbers along
the last axis, layer after layer, each layer the means of its channels and, if it is a norm, then their variances:

- ``statistics`` (1, 1, 1, K): means and variances of the whole photo;
- ``given`` (1, 1, 1, K): for each number, 1 to use what ``statistics`` says, 0 to use the picture's own;
- ``measured`` (1, H / 32, W / 32, K): in each block of 32 x 32 pixels, the mean of ``x`` and of ``(x - m)^2``, where
  ``m`` is the mean that was used.

With ``given`` zero the file paints as it would without them. A layer's inputs depend on the layers before it, so an
app measures the whole photo once for each ``level`` and gives the statistics of the levels below. Blocks, rather than
one number a tile, let it count every pixel of the photo once, where tiles overlap. XNNPACK averages in blocks anyway.
"""

from __future__ import annotations

import numpy as np

from export.blocks import blocks_of, windows
from export.tflite.builder import GraphBuilder, Tensor
from validate.ports import GIVEN, MEASURED, STATISTICS


class Statistics:
    """What the norms and gates of one file measure and are given; the layers in execution order."""

    def __init__(self, builder: GraphBuilder, height: int, width: int) -> None:
        """For pictures of ``height`` x ``width``; raises UnsupportedError where blocks do not divide them."""
        self.layers: list[dict[str, int]] = []
        self._builder = builder
        self._blocks = blocks_of(height, width)
        self._given = Tensor(GIVEN, (1, 1, 1, 0), np.dtype(np.float32))
        self._statistics = Tensor(STATISTICS, (1, 1, 1, 0), np.dtype(np.float32))
        self._measured: list[Tensor] = []
        self._count = 0
        self._levels: dict[Tensor, int] = {}

    def mean(self, x: Tensor) -> Tensor:
        """The mean of each plane of ``x`` (NHWC) that the network is to use, (1, 1, 1, C)."""
        level = self._begin(x, moments=1)
        mean = self._mixed(x)
        self._levels[mean] = level
        return mean

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each plane of ``x`` (NHWC) that the network is to use, (1, 1, 1, C) each."""
        level = self._begin(x, moments=2)
        mean = self._mixed(x)
        squares = self._builder.emit("SQUARED_DIFFERENCE", [x, mean], x.shape)
        variance = self._mixed(squares)
        self._levels[mean] = self._levels[variance] = level
        return mean, variance

    def finish(self) -> None:
        """Adds the two inputs and the output to the graph, last in line; nothing where no layer looks at the whole."""
        if not self.layers:
            return
        for tensor in (self._statistics, self._given):
            tensor.shape = (1, 1, 1, self._count)
            self._builder.inputs.append(tensor)
        shape = (1, *self._blocks, self._count)
        whole = self._builder.emit("CONCATENATION", self._measured, shape, axis=3)
        self._builder.output(whole, MEASURED)

    def _begin(self, x: Tensor, moments: int) -> int:
        level = 1 + self._level(x)
        self.layers.append({"channels": x.shape[3], "moments": moments, "level": level})
        return level

    def _mixed(self, x: Tensor) -> Tensor:
        """The mean of each plane of ``x``: the given one as far as it is given, the measured one else."""
        builder, channels = self._builder, x.shape[3]
        blocks = self._block_means(x)
        self._measured.append(blocks)
        shape = (1, 1, 1, channels)
        own = builder.emit("MEAN", [blocks, builder.ints((1, 2))], shape, keepDims=True)
        begin, size = builder.ints((0, 0, 0, self._count)), builder.ints(shape)
        known, weight = (
            builder.emit("SLICE", [whole, begin, size], shape) for whole in (self._statistics, self._given)
        )
        self._count += channels
        known = builder.emit("MUL", [known, weight], shape)
        rest = builder.emit("SUB", [builder.constant(np.float32(1)), weight], shape)
        return builder.emit("ADD", [builder.emit("MUL", [own, rest], shape), known], shape)

    def _block_means(self, x: Tensor) -> Tensor:
        n, *lines, channels = x.shape
        for kernel in windows(n, lines, self._blocks):
            lines = [line // k for line, k in zip(lines, kernel, strict=True)]
            x = self._builder.emit(
                "AVERAGE_POOL_2D", [x], (n, *lines, channels), padding="VALID",
                filterHeight=kernel[0], filterWidth=kernel[1], strideH=kernel[0], strideW=kernel[1],
            )  # fmt: skip
        return x

    def _level(self, tensor: Tensor) -> int:
        """How many layers that look at the whole picture lie one behind the other in front of ``tensor``."""
        waiting = [tensor]
        while waiting:
            current = waiting[-1]
            inputs = [] if current.producer is None else [one for one in current.producer.inputs if one is not None]
            unknown = [one for one in inputs if one not in self._levels]
            if current in self._levels or not unknown:
                self._levels.setdefault(current, max((self._levels[one] for one in inputs), default=0))
                waiting.pop()
            else:
                waiting += unknown
        return self._levels[tensor]
