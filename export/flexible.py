"""One artifact for many picture sizes: which sizes, and the hub at another size.

A flexible artifact is compiled at two sizes. What differs between the two files can only follow from the size, so
shapes that differ are left open, and anything else that differs (a number written into an operator) is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from export.hub import Hub
from export.hub.resize import resize_model
from export.hub.shapes import MAX_SIDE
from validate.command import parse_size
from validate.errors import BrushportError
from validate.ports import Port

Size = tuple[int, int]
STEPS = (1, 2, 4, 8, 16, 32, 64)  # that a side of the picture may have to be a multiple of
USUAL = 512  # pixels a side
MAX_ENUMERATED = 128  # shapes; Core ML takes no more
FEW = 4  # sizes, each of which is verified
ODD = 5  # steps above the smallest size: two sizes this far apart have no larger divisor in common


@dataclass(frozen=True)
class Request:
    """What a user asks for: every side from ``low`` to ``high``, or just the sizes in ``choices``."""

    low: int = 0
    high: int = 0
    choices: tuple[Size, ...] = ()

    @property
    def usual(self) -> Size:
        """The size to begin with where nothing else says one: the first by name, or ``USUAL`` if that is in range."""
        if self.choices:
            return self.choices[0]
        side = min(max(USUAL, -_down(-self.low, STEPS[-1])), max(_down(self.high, STEPS[-1]), self.low))
        return side, side


def parse_flexible(text: str | None) -> Request | None:
    """``256..1024``, or sizes such as ``256,512,480x640``, as a request; raises BrushportError for anything else."""
    if text is None:
        return None
    low, dots, high = text.partition("..")
    if not dots:
        return Request(choices=tuple(parse_size(size, "--flexible") for size in text.split(",")))
    if not (low.strip().isdecimal() and high.strip().isdecimal() and 1 < int(low) < int(high) <= MAX_SIDE):
        raise BrushportError(
            f"--flexible {text} is no range of sides; give LOW..HIGH, such as 256..1024, or sizes such as 256,480x640."
        )
    return Request(int(low), int(high))


@dataclass(frozen=True)
class Sizes:
    """What an artifact takes: sides from ``low`` to ``high`` that ``step`` divides, or just ``choices``; (H, W).

    ``default`` is the size that it is compiled for first.
    """

    default: Size
    step: int = 1
    low: int = 0
    high: int = 0
    choices: tuple[Size, ...] = ()

    @property
    def largest(self) -> Size:
        """The one with the most pixels."""
        return max(self.choices, key=lambda size: size[0] * size[1]) if self.choices else (self.high, self.high)

    @property
    def to_verify(self) -> list[Size]:
        """The sizes at which an artifact is compared: all of a few, else the smallest, an oblong one, the largest."""
        if self.choices and len(self.choices) <= FEW:
            return list(self.choices)
        if self.choices:
            ordered = sorted(self.choices, key=lambda size: size[0] * size[1])
            oblong = [size for size in ordered if size[0] != size[1]]
            picked = [ordered[0], *(oblong[len(oblong) // 2 :][:1]), ordered[-1]]
        else:
            middle = _down((self.low + self.high) // 2, self.step)
            picked = [(self.low, self.low), (self.low, max(middle, self.low)), (self.high, self.high)]
        return list(dict.fromkeys(picked))

    def facts(self) -> dict:
        """As the manifest has it."""
        if self.choices:
            return {"choices": [list(size) for size in self.choices]}
        return {"min": [self.low] * 2, "max": [self.high] * 2, "multiple": self.step}

    def enumerated(self) -> Sizes:
        """The same as a list of sizes, every step or, where those are too many for Core ML, every second, third …"""
        if self.choices:
            return self
        most = int(MAX_ENUMERATED**0.5)
        strides = [s for s in range(self.step, self.high + 1, self.step) if (self.high - self.low) // s < most]
        hits = [s for s in strides if all((side - self.low) % s == 0 for side in (self.high, *self.default))]
        sides = list(range(self.low, self.high + 1, (hits or strides)[0]))
        if not hits:  # the largest side and the default's take the places of their neighbors
            for side in (*self.default, self.high):
                sides[min(range(len(sides)), key=lambda i: abs(sides[i] - side))] = side
        choices = tuple(product(dict.fromkeys(sides), repeat=2))
        return replace(self, choices=choices)


def resolve(hub: Hub, request: Request) -> Sizes:
    """The sizes out of ``request`` that the network takes exactly: its outputs keep their proportion to the input.

    Raises BrushportError where a size that was asked for by name is not among them, or none is.
    """
    default = _size_of(hub.inputs)
    if request.choices:
        for size in request.choices:
            if not takes(hub, size):
                raise BrushportError(
                    f"'{hub.name}' does not take the size {size[0]}x{size[1]}; sides go in steps of {find_step(hub)}."
                )
        choices = tuple(dict.fromkeys(request.choices))
        if len(choices) == 1:
            size = "x".join(map(str, choices[0]))
            raise BrushportError(f"--flexible {size} is one size only; give several, or --size {size} in its place.")
        return Sizes(default if default in choices else choices[0], choices=choices)
    step = find_step(hub)
    low, high = -_down(-request.low, step), _down(request.high, step)
    if low >= high:
        raise BrushportError(
            f"'{hub.name}' takes sides that {step} divides, and {request.low}..{request.high} has not two of them."
        )
    clipped = tuple(min(max(_down(side, step), low), high) for side in default)
    return Sizes(clipped, step, low, high)


def find_step(hub: Hub) -> int:
    """The smallest power of two such that the network takes every multiple of it, judged by odd multiples.

    Raises BrushportError where there is none up to 64.
    """
    height, width = _size_of(hub.inputs)
    for step in STEPS:
        if all(
            takes(hub, (_down(height, step) + a * step, _down(width, step) + b * step)) for a, b in ((1, 3), (4, 5))
        ):
            return step
    raise BrushportError(
        f"At no step of sides up to {STEPS[-1]} do the outputs of '{hub.name}' keep their proportion to the picture, "
        f"which one file for many sizes needs; leave --flexible out, which makes a file for {height}x{width}."
    )


def takes(hub: Hub, size: Size) -> bool:
    """Whether the network's outputs keep their proportion to a picture of this size, to the pixel."""
    try:
        other = at_size(hub, size)
    except BrushportError:
        return False
    before = _size_of(hub.inputs)
    return all(
        new.shape[2 + i] * before[i] == old.shape[2 + i] * size[i]
        for old, new in zip(hub.outputs, other.outputs, strict=True)
        if len(old.shape) == 4
        for i in (0, 1)
    )


def at_size(hub: Hub, size: Size) -> Hub:
    """The hub for pictures of another size, the same graph and weights.

    Raises BrushportError where a size is written into the graph, naming the node.
    """
    model = hub.model.clone()
    resize_model(model, size)
    shapes = {value.name: tuple(value.shape) for value in (*model.graph.inputs, *model.graph.outputs)}

    def ports(before: Sequence[Port]) -> tuple[Port, ...]:
        return tuple(replace(port, shape=shapes[port.name]) for port in before)

    return replace(hub, model=model, inputs=ports(hub.inputs), outputs=ports(hub.outputs))


def probes(hub: Hub, sizes: Sizes) -> tuple[Hub, Hub]:
    """The hub at the default size and at one that has no larger divisor than the step in common with it."""
    if sizes.choices:  # each side that varies has to differ, or it would be taken for fixed
        changed = [[side for side in sides if side != own] or [own] for sides, own in _by_axis(sizes)]
        fitting = [size for size in sizes.choices if size[0] in changed[0] and size[1] in changed[1]]
        other = fitting[0] if fitting else (changed[0][-1], changed[1][-1])
    else:
        other = tuple(side + a * sizes.step for side, a in zip(sizes.default, (ODD, ODD + 2), strict=True))
    return at_size(hub, sizes.default), at_size(hub, other)


def _by_axis(sizes: Sizes) -> list[tuple[tuple[int, ...], int]]:
    """Every height with the default's, and every width."""
    return list(zip(zip(*sizes.choices, strict=True), sizes.default, strict=True))


def _size_of(ports: Sequence[Port]) -> Size:
    for port in ports:
        if port.is_image:
            return port.shape[2], port.shape[3]
    raise BrushportError("The network takes no picture, so --flexible has nothing to change; leave it out.")


def _down(number: int, step: int) -> int:
    return number // step * step
