"""Operators on whole numbers and truth values, in programs by Apple's PyTorch frontend, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.validate.coreml.torch_frontend import convert
from validate.coreml import CoreMLModel

SHAPE = (2, 6, 5)
Compute = Callable[[torch.Tensor], torch.Tensor]

COMPUTATIONS: dict[str, Compute] = {
    "add": lambda i: i + i * 3 - 7,
    "floor_div": lambda i: torch.div(i, 7, rounding_mode="floor"),
    "negative_floor_div": lambda i: torch.div(i, -9, rounding_mode="floor"),
    "mod": lambda i: torch.remainder(i, 7),
    "negative_mod": lambda i: torch.remainder(i, -7),
    "extremes": lambda i: torch.maximum(torch.minimum(i, i * 2), -i),
    "abs": torch.abs,
    "sign": torch.sign,
    "clamp": lambda i: torch.clamp(i, -3000, 40000),
    "compare": lambda i: torch.logical_or(torch.logical_and(i > 50, i != 60), torch.logical_not(i >= -70)).int(),
    "where": lambda i: torch.where(i >= 0, i, i * -2),
    "where_of_bools": lambda i: torch.where(i >= 0, i > 900, i < -700).int(),
    "sum": lambda i: i.sum(1, dtype=torch.int32),
    "extremes_of": lambda i: i.amax(2) - i.amin(2),
    "cumsum": lambda i: i.cumsum(1, dtype=torch.int32),
    "argmax": lambda i: i.argmax(2),
    "topk": lambda i: i.topk(3, 1).values,
    "gather": lambda i: i.gather(1, i[:, :2].abs() % 6),
    "index": lambda i: i[:, torch.tensor([4, 0, 2])],
    "flip": lambda i: i.flip(2),
    "concat": lambda i: torch.cat([i, i[:, 1:3]], 1),
    "tile": lambda i: i.repeat(2, 1, 3),
}


class Whole(torch.nn.Module):
    """Computes in int32 behind a cast from float, and gives floats again."""

    def __init__(self, compute: Compute) -> None:
        super().__init__()
        self.compute = compute

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.compute(x.int()).float()


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_whole_numbers(name: str, tmp_path) -> None:
    net = Whole(COMPUTATIONS[name])
    x = torch.from_numpy(np.random.default_rng(5).integers(-60000, 60000, SHAPE).astype(np.float32))
    traced = torch.jit.trace(net, x, check_trace=False)
    (result,) = CoreMLModel(convert(traced, tmp_path / "m.mlpackage", "fp32", SHAPE)).predict({"x": x.numpy()}).values()
    np.testing.assert_array_equal(result, net(x).numpy())
