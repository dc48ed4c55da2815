import json

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from quantize.source import read_onnx, read_value_range
from tests.quantize.graphs import Builder, style_net
from validate.errors import BrushportError


def test_constants_become_initializers_and_shapes_are_known(tmp_path):
    weight = onnx.numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32))
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["w"], value=weight), helper.make_node("Conv", ["x", "w"], ["y"])],
        "graph",
        [info("x", 1, [1, 3, 8, 8])],
        [info("y", 1, [1, 2, 8, 8])],
    )
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    model = read_onnx(tmp_path / "m.onnx")
    assert [node.op_type for node in model.graph] == ["Conv"]
    assert list(model.graph.initializers) == ["w"]
    assert tuple(model.graph.outputs[0].shape) == (1, 2, 8, 8)


def test_bad_files(tmp_path):
    whole = ir.to_proto(style_net()).SerializeToString()
    for content, message in (
        (b"", "empty"),
        (whole[: len(whole) // 2], "no whole ONNX model"),
        (b"hello\n", "no whole ONNX model"),
    ):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(BrushportError, match=f"bad.onnx is {message}") as caught:
            read_onnx(tmp_path / "bad.onnx")
        assert "\n" not in str(caught.value)
    with pytest.raises(BrushportError, match="There is no file"):
        read_onnx(tmp_path / "missing.onnx")
    with pytest.raises(BrushportError, match="is a folder"):
        read_onnx(tmp_path)


def test_open_shapes(tmp_path):
    b = Builder([1, 3, "height", 8])
    ir.save(b.build(b.conv("image", 3, 3)), tmp_path / "open.onnx")
    with pytest.raises(BrushportError, match=r"image in .*open\.onnx .*not static"):
        read_onnx(tmp_path / "open.onnx")


@pytest.mark.parametrize(
    "metadata, expected",
    [
        ('{"value_range": [0, 255]}', (0.0, 255.0)),
        ("{}", None),
        ("no json", None),
        ('{"value_range": 3}', None),
        ("[]", None),
    ],
)
def test_value_range_of_the_metadata(metadata, expected):
    model = style_net()
    assert read_value_range(model) is None
    model.metadata_props["brushport"] = metadata
    assert read_value_range(model) == expected
    assert expected is None or json.loads(metadata)
