"""Winograd by rows: the same numbers as the 3x3 convolution, and only where it pays."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from export.tflite.ops import winograd
from tests.export.tflite.cases.table import ints, normal
from tests.export.tflite.support import both, compile_bytes, model_of
from tests.export.tflite.test_compiler import delegates
from tests.export.tflite.test_registry import operators

node = onnx.helper.make_node
ONE = ints(0, 0, 1, 1, 0, 0, 1, 1)


def network(pad: str | None, size=(12, 7), channels=(5, 6), **attributes) -> tuple[onnx.ModelProto, dict]:
    """Relu, a 3x3 convolution padded by one (by a Pad node, or itself), Relu."""
    feeds = {"x": normal(1, channels[0], *size)}
    nodes = [node("Relu", ["x"], ["r"])]
    if pad:
        nodes.append(node("Pad", ["r", "pads"], ["p"], mode=pad))
    else:
        attributes.setdefault("pads", [1, 1, 1, 1])
    nodes.append(node("Conv", ["p" if pad else "r", "w", "b"], ["c"], **attributes))
    nodes.append(node("Relu", ["c"], ["y"]))
    constants = {"w": normal(channels[1], channels[0], 3, 3) / 8, "b": normal(channels[1]), "pads": ONE}
    return model_of(nodes, feeds, ["y"], constants), feeds


@pytest.fixture
def anywhere(monkeypatch):
    """Lets small convolutions take the form."""
    monkeypatch.setattr(winograd, "MIN_MACS", 0)
    monkeypatch.setattr(winograd, "MIN_CHANNEL_RATIO", 0)


@pytest.mark.parametrize("size", [(8, 7), (12, 5), (16, 16)])
@pytest.mark.parametrize("pad", [None, "constant", "reflect", "edge"])
def test_same_numbers(anywhere, pad, size):
    model, feeds = network(pad, size)
    ((got, want),) = both(model, feeds)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    content = compile_bytes(model)
    assert operators(content).count("CONV_2D") == 6
    assert delegates(content) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"pad": "reflect", "size": (10, 8)},
        {"pad": "reflect", "size": (4, 8)},
        {"pad": None, "strides": [2, 2]},
        {"pad": None, "pads": [1, 1, 0, 1]},
        {"pad": None, "dilations": [2, 2]},
        {"pad": "wrap"},
    ],
    ids=str,
)
def test_other_convolutions_stay_as_they_are(anywhere, options):
    model, feeds = network(**options)
    ((got, want),) = both(model, feeds)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    assert operators(compile_bytes(model)).count("CONV_2D") == 1


def test_only_where_it_pays():
    large, feeds = network("reflect", (64, 64), (96, 96))
    ((got, want),) = both(large, feeds)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)
    assert operators(compile_bytes(large)).count("CONV_2D") == 6
    assert operators(compile_bytes(network("reflect", (32, 32), (96, 96))[0])).count("CONV_2D") == 1
    assert operators(compile_bytes(network("reflect", (128, 128), (64, 64))[0])).count("CONV_2D") == 1


def test_halves_keep_the_plain_filters():
    model, _ = network("reflect", (64, 64), (96, 96))
    assert operators(compile_bytes(model, precision="fp16")).count("CONV_2D") == 1


def test_a_residual_block_is_never_reshaped_in_between(anywhere):
    """Norm, activation and sum work on the rows as the first convolution leaves them."""
    feeds = {"x": normal(1, 6, 16, 12)}
    constants = {"pads": ONE, "s": 1 + normal(6) / 4, "t": normal(6)}
    nodes, y = [node("Relu", ["x"], ["y0"])], "y0"
    for i in (1, 2):
        constants |= {f"w{i}": normal(6, 6, 3, 3, seed=i) / 8}
        nodes += [
            node("Pad", [y, "pads"], [f"p{i}"], mode="reflect"),
            node("Conv", [f"p{i}", f"w{i}"], [f"c{i}"]),
            node("InstanceNormalization", [f"c{i}", "s", "t"], [f"n{i}"]),
            node("Relu", [f"n{i}"], [f"r{i}"]),
            node("Add", [f"r{i}", y], [f"y{i}"]),
        ]
        y = f"y{i}"
    model = model_of([*nodes, node("Neg", [y], ["y"])], feeds, ["y"], constants)
    ((got, want),) = both(model, feeds)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    written = operators(compile_bytes(model))
    assert written.count("CONV_2D") == 12
    assert written.count("RESHAPE") == 3  # into the first convolution and the first sum, out of the last
    assert "RELU" not in written[1:]
