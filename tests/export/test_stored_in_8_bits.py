"""Users' own files whose weights are in 8 bits already: on both targets, in the precision that they hold."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from export import export_model
from export.hub import load_hub
from export.targets import TARGETS
from quantize.dynamic import make_dynamic
from quantize.weights_only import quantize_weights, weight_nodes
from tests.quantize.graphs import style_net
from validate.errors import BrushportError

STORED = {"coreml": "float16 x int8", "tflite": "float32 x int8"}


@pytest.fixture(scope="module")
def network():
    return style_net()


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_weights_only(network, tmp_path, target):
    ir.save(quantize_weights(network), tmp_path / "own.onnx")
    result = export_model(tmp_path / "own.onnx", target, output=tmp_path)
    assert result.path.stem == "own-w8"
    assert result.comparison.mean_psnr > 50  # the hub has the same weights
    assert result.manifest["census"]["macs_share"] == {STORED[target]: 1.0}
    assert "w8" not in result.manifest  # nothing was chosen here


def made_by_onnxruntime(network, path, **options):
    onnx.save(ir.to_proto(network), path.with_name("float.onnx"))
    quantize_dynamic(path.with_name("float.onnx"), path, op_types_to_quantize=["Conv"], **options)


@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("options", [None, {}, {"weight_type": QuantType.QInt8, "per_channel": True}])
def test_dynamic(network, tmp_path, target, options):
    path = tmp_path / "own.onnx"
    if options is None:
        ir.save(make_dynamic(network, [node.name for node in weight_nodes(network)]), path)
    else:
        made_by_onnxruntime(network, path, **options)
        assert any(node.op_type == "ConvInteger" for node in onnx.load(path).graph.node)
    hub = load_hub(path)
    assert not {node.op_type for node in hub.model.graph} & {"ConvInteger", "MatMulInteger", "Cast"}
    result = export_model(path, target, output=tmp_path)
    assert result.path.stem == {"coreml": "own-w8", "tflite": "own-dynamic"}[target]
    assert result.comparison.mean_ssim > 0.99
    shares = result.manifest["census"]["macs_share"]
    if target == "tflite":
        assert shares == {"dynamic int8 x int8": 1.0}
        assert result.share_in_8_bit == 1.0
    elif options is None:
        assert shares == {STORED[target]: 1.0}


def test_products_of_whole_numbers_in_another_form_are_refused_by_name(tmp_path):
    make = onnx.helper.make_node
    values = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 3, 32, 32]) for n in ("image", "y")]
    weight = onnx.numpy_helper.from_array(np.ones((3, 3, 1, 1), np.uint8), "w")
    nodes = [
        make("DynamicQuantizeLinear", ["image"], ["q", "s", "z"]),
        make("ConvInteger", ["q", "w", "z"], ["whole"], name="products"),
        make("Cast", ["whole"], ["y"], to=onnx.TensorProto.FLOAT),
    ]
    graph = onnx.helper.make_graph(nodes, "g", values[:1], values[1:], [weight])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)]), tmp_path / "own.onnx")
    for target in TARGETS:
        with pytest.raises(BrushportError, match="ConvInteger"):
            export_model(tmp_path / "own.onnx", target, output=tmp_path, verify=False)
