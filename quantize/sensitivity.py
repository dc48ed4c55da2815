"""What it costs the picture to have single convolutions, and pairs of neighbors, in int8: measured one by one.

A large graph is measured at half its size, a quarter of the work, if it takes that: costs order the nodes, and how they
add up to what is lost at full size is measured there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType

import onnx_ir as ir

from quantize.closest import Rounded
from quantize.dynamic import make_dynamic
from quantize.judge import Aim, Judge, Score
from quantize.knapsack import Pair
from quantize.qdq import calibrated_values, insert_qdq
from quantize.smaller import halved, halved_sample

PHOTOS = 2  # that a cost is measured on
LARGE = 4_000_000_000  # multiply-accumulates from which on half the size will do
LEAST_SIDE = 256  # of a picture that may be halved: SSIM needs something to look at


class Sensitivity:
    """Measures nodes of ``prepared``, the form of ``model`` that is rounded to the ranges ``spans``.

    ``judge`` knows what ``model`` paints, ``work`` is what one run of it multiplies and accumulates, ``closest`` how
    weights are rounded (:mod:`quantize.closest`).
    """

    def __init__(
        self,
        model: ir.Model,
        prepared: ir.Model,
        judge: Judge,
        spans: Mapping[str, tuple[float, float]],
        aim: Aim,
        work: int,
        closest: Mapping[str, Rounded] = MappingProxyType({}),
    ) -> None:
        self.closest = closest
        self.judge, self.graph, self.spans, self.aim = judge, prepared, spans, aim
        self.scale = 1.0
        sides = [side for value in prepared.graph.inputs if len(value.shape) == 4 for side in value.shape[2:]]
        if work < LARGE or min(sides, default=0) < LEAST_SIDE:
            return
        small, reference = halved(prepared), halved(model)
        if small is not None and reference is not None:
            samples = [halved_sample(sample) for sample in judge.samples[:PHOTOS]]
            self.judge, self.graph = Judge(reference, samples, judge.outputs), small

    def calibrate(self, names: Iterable[str], excess: float) -> None:
        """Let costs add up to ``excess``, which all ``names`` in int8 cost at full size, on all photos."""
        total = self.aim.excess(self.score(names))
        if 0 < total < float("inf") and excess < float("inf"):
            self.scale = excess / total

    def score(self, names: Iterable[str]) -> Score:
        """How well the graph paints with ``names`` alone in int8, at the size that is measured at."""
        return self.judge.score(insert_qdq(self.graph, names, self.spans, closest=self.closest), PHOTOS)

    def cost(self, names: Iterable[str]) -> float:
        """What ``names`` in int8 cost, as a share of what the aim allows."""
        return self.scale * self.aim.excess(self.score(names))

    def dynamic_cost(self, name: str) -> float:
        """What ``name`` costs when it alone is rounded at run time."""
        return self.scale * self.aim.excess(self.judge.score(make_dynamic(self.graph, [name], self.closest), PHOTOS))


def neighbors(model: ir.Model, names: Sequence[str]) -> list[Pair]:
    """The pairs of nodes ``names`` that round the same tensor, but for a picture that goes in: that is exact."""
    given = {value.name for value in model.graph.inputs}
    wanted = set(names)
    rounding: dict[str, list[str]] = {}
    for node in model.graph:
        if node.name in wanted:
            for tensor in calibrated_values([node]):
                rounding.setdefault(tensor, []).append(node.name)
    found = (pair for tensor, nodes in rounding.items() if tensor not in given for pair in combinations(nodes, 2))
    return list(dict.fromkeys(found))
