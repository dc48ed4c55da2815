"""Ports that hold whole numbers or truth values, and scalars: through the file and its runner, on both targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from export.hub import load_hub
from export.manifest import describe
from export.targets import TARGETS
from validate.ports import DTYPES, Port, ports_from_json, ports_to_json
from validate.runners import open_artifact

RANDOM = np.random.default_rng(3)


def saved(path: Path, op: str, dtype: str, shape: tuple[int, ...]) -> Path:
    """A file of one node with two inputs ``a`` and ``b`` and the output ``c``, all of one dtype and shape."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    values = [helper.make_tensor_value_info(name, kind, shape) for name in "abc"]
    graph = helper.make_graph([helper.make_node(op, ["a", "b"], ["c"], name="n")], "g", values[:2], values[2:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("shape", [(), (2, 3), (1, 4, 5, 6)], ids=["scalar", "matrix", "picture-like"])
@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "bool"])
def test_port_keeps_dtype_and_shape(tmp_path, target, dtype, shape):
    op, combine = ("And", np.logical_and) if dtype == "bool" else ("Add", np.add)
    hub = load_hub(saved(tmp_path / "net.onnx", op, dtype, shape))
    assert {port.dtype for port in (*hub.inputs, *hub.outputs)} == {dtype}
    artifact = tmp_path / f"net{target.suffix}"
    target.compile(hub, artifact, precision="fp32", io="tensor", metadata={})
    feeds = {name: np.asarray(RANDOM.integers(0, 2 if dtype == "bool" else 99, shape), dtype) for name in "ab"}
    got = open_artifact(artifact, (hub.inputs, hub.outputs)).run(feeds)["c"]
    assert (got.dtype, got.shape) == (np.dtype(dtype), shape)
    np.testing.assert_array_equal(got, combine(feeds["a"], feeds["b"]))


def test_whole_numbers_of_picture_shape_are_no_picture(tmp_path):
    hub = load_hub(saved(tmp_path / "net.onnx", "Add", "int32", (1, 3, 16, 16)))
    assert not any(port.is_image for port in (*hub.inputs, *hub.outputs))


def test_ports_survive_json():
    ports = tuple(Port(dtype, (1, 2), None, dtype) for dtype in DTYPES)
    assert ports_from_json(ports_to_json(ports, ports)) == (ports, ports)
    with pytest.raises(ValueError, match="float16"):
        ports_from_json(ports_to_json([Port("x", (1,), None, "float16")], []))


def test_manifest_says_what_the_file_holds():
    mask = Port("mask", (), None, "int64")
    stated = {name: describe(mask, "mask", target, "image") for name, target in TARGETS.items()}
    assert (stated["coreml"]["dtype"], stated["coreml"]["shape"]) == ("int32", [1])
    assert (stated["tflite"]["dtype"], stated["tflite"]["shape"]) == ("int64", [])
