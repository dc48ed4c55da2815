"""Which of coremltools' graph passes a program goes through: not those that change what it computes.

The hub is simplified already, so little is lost with a pass. Each of these gave other numbers than the program it was
given, or can (coremltools 9.0; ``tests/export/coreml/test_passes.py`` holds a graph for each).
"""

from __future__ import annotations

from typing import Any

WRONG = {
    "divide_to_multiply": "x/41 becomes x·(1/41), which is below 1 at 41; rounded down afterwards it is another number",
    "select_optimization": "select(c, ∞, x) becomes x + select(c, ∞, 0), which is no number where x is −∞",
    "fuse_matmul_weight_bias": "b − x·W becomes x·W − b, and W·x + b has b along the other axis where W is square",
    "fuse_conv_scale": "c/conv(x) becomes conv(x)·c",
    "fuse_gelu_exact": "takes constants for those of GELU that are as much as a thousandth away",
    "add_int16_cast": "from iOS 17 on, indices of gather_nd and gathered integers lose what 16 bits cannot hold",
}
"""The passes that are left out, and why."""

_FUSIONS = ("fuse_", "merge_", "detect_", "concat_to_", "compose_", "replace_", "rank0_", "prelu_", "use_", "reduce_")
"""Beginnings of the names of passes that rewrite patterns; some of them fail on patterns that look alike."""


def pipeline(*, fusions: bool = True) -> Any:
    """The passes to give to ``coremltools.convert``; without ``fusions``, only those that every program needs."""
    from coremltools.converters.mil.mil.passes.pass_pipeline import PassPipeline

    passes = [name for name in PassPipeline.DEFAULT.passes if name.removeprefix("common::") not in WRONG]
    if not fusions:
        passes = [name for name in passes if not name.removeprefix("common::").startswith(_FUSIONS)]
    return PassPipeline(passes, "brushport")
