import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from quantize.source import read_onnx
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
        (whole[: len(whole) // 2], "not an ONNX file, or it is cut short"),
        (b"hello\n", "not an ONNX file, or it is cut short"),
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


def test_weights_beside_the_file_are_read(tmp_path, monkeypatch):
    model = style_net()
    ir.save(model, tmp_path / "m.onnx", external_data="m.bin", size_threshold_bytes=0)
    read = read_onnx(tmp_path / "m.onnx")
    (tmp_path / "m.bin").unlink()
    for name, value in model.graph.initializers.items():
        np.testing.assert_array_equal(read.graph.initializers[name].const_value.numpy(), value.const_value.numpy())
    with pytest.raises(BrushportError, match=r"m\.bin"):
        read_onnx(tmp_path / "m.onnx")


def test_too_large_a_model(tmp_path, monkeypatch):
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(2**31 + 10)  # sparse: takes no space
    with pytest.raises(BrushportError, match="2 GB"):
        read_onnx(tmp_path / "huge.onnx")
    ir.save(style_net(), tmp_path / "m.onnx", external_data="m.bin", size_threshold_bytes=0)
    monkeypatch.setattr("quantize.source.MAX_PROTOBUF_BYTES", 1000)
    with pytest.raises(BrushportError, match=r"weights of .*m\.onnx .* 2 GB at most can be quantized"):
        read_onnx(tmp_path / "m.onnx")
