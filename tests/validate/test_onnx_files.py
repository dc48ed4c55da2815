import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from validate.errors import BrushportError
from validate.onnx_files import METADATA_KEY, read_metadata, read_model, read_value_range


def doubling():
    info = helper.make_tensor_value_info
    two = onnx.numpy_helper.from_array(np.full((3,), 2, np.float32), "two")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["y"])], "graph", [info("x", 1, [3])], [info("y", 1, [3])], [two]
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])


def test_weights_are_in_memory_wherever_they_were(tmp_path):
    ir.save(ir.from_proto(doubling()), tmp_path / "m.onnx", external_data="m.bin", size_threshold_bytes=0)
    model = read_model(tmp_path / "m.onnx")
    (tmp_path / "m.bin").unlink()
    assert model.graph.initializers["two"].const_value.numpy().tolist() == [2, 2, 2]
    with pytest.raises(BrushportError, match=r"m\.bin"):
        read_model(tmp_path / "m.onnx")


def test_bad_files(tmp_path):
    path = tmp_path / "bad.onnx"
    whole = doubling()
    whole.graph.node[0].input[0] = "nowhere"
    for content, message in (
        (b"", r"bad\.onnx is empty; export the ONNX file again\.$"),
        (b"hello\n", r"bad\.onnx is not an ONNX file, or it is cut short\.$"),
        (onnx.ModelProto(ir_version=10).SerializeToString(), "holds no graph with outputs"),
        (whole.SerializeToString(), r"bad\.onnx is not valid ONNX: .*nowhere"),
    ):
        path.write_bytes(content)
        with pytest.raises(BrushportError, match=message) as caught:
            read_model(path)
        assert "\n" not in str(caught.value)
    with path.open("wb") as file:
        file.truncate(2**31 + 10)  # sparse: takes no space
    with pytest.raises(BrushportError, match="2 GB at most"):
        read_model(path)
    with pytest.raises(BrushportError, match="There is no file"):
        read_model(tmp_path / "missing.onnx")
    with pytest.raises(BrushportError, match="is a folder"):
        read_model(tmp_path)


def test_metadata():
    model = ir.from_proto(doubling())
    assert read_metadata(model) == {}
    assert read_value_range(model) is None
    model.metadata_props[METADATA_KEY] = '{"styles": ["a"]}'
    assert read_metadata(model) == {"styles": ["a"]}
    assert read_value_range(model) is None
    model.metadata_props[METADATA_KEY] = '{"value_range": [0, 255]}'
    assert read_value_range(model) == (0.0, 255.0)


@pytest.mark.parametrize(
    "metadata, message",
    [
        ("no json", "are no JSON: "),
        ("[]", "are no JSON object"),
        ('{"value_range": 3}', "two numbers such as 0 and 255, not 3"),
        ('{"value_range": [1, 0]}', "from black up to white, not from 1 to 0"),
    ],
)
def test_metadata_that_make_no_sense(metadata, message):
    model = ir.from_proto(doubling())
    model.metadata_props[METADATA_KEY] = metadata
    with pytest.raises(BrushportError, match=message):
        read_value_range(model)
