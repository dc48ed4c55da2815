"""A small network in the shape of the real ones: convolutions, conditional instance norm, any size, two styles."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save_painter(path, *, size=("height", "width"), metadata=True, op="Sigmoid", channels=8):
    """Write the network to ``path``; ``op`` is its last operator, ``size`` its height and width.

    From 19 ``channels`` on, the weights of its first and last convolution are worth a small form of their own
    (:data:`quantize.weights.LEAST_SIZE`).
    """
    random = np.random.default_rng(3)

    def constant(name, value):
        return numpy_helper.from_array(np.asarray(value, np.float32), name)

    weights = [
        constant("first", random.standard_normal((channels, 3, 3, 3)) * 0.3),
        constant("first_bias", random.standard_normal(channels) * 0.1),
        constant("depthwise", random.standard_normal((channels, 1, 3, 3)) * 0.4),
        constant("last", random.standard_normal((3, channels, 3, 3)) * 0.15 * (8 / channels) ** 0.5),
        constant("last_bias", [0.3, -0.2, 0.1]),
        constant("ones", np.ones(channels)),
        constant("zeros", np.zeros(channels)),
        constant("scales", 1 + 0.5 * random.standard_normal((2, channels))),
        constant("shifts", 0.3 * random.standard_normal((2, channels))),
        numpy_helper.from_array(np.array([2, 3], np.int64), "plane"),
    ]
    pads = {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
    nodes = [
        helper.make_node("Conv", ["image", "first", "first_bias"], ["a"], "conv1", **pads),
        helper.make_node("InstanceNormalization", ["a", "ones", "zeros"], ["b"], "norm", epsilon=1e-3),
        helper.make_node("MatMul", ["style", "scales"], ["scale2"], "scale"),
        helper.make_node("Unsqueeze", ["scale2", "plane"], ["scale4"], "scale4d"),
        helper.make_node("Mul", ["b", "scale4"], ["c"], "scaled"),
        helper.make_node("MatMul", ["style", "shifts"], ["shift2"], "shift"),
        helper.make_node("Unsqueeze", ["shift2", "plane"], ["shift4"], "shift4d"),
        helper.make_node("Add", ["c", "shift4"], ["d"], "shifted"),
        helper.make_node("Relu", ["d"], ["e"], "relu"),
        helper.make_node("Conv", ["e", "depthwise"], ["f"], "conv2", group=channels, **pads),
        helper.make_node("Conv", ["f", "last", "last_bias"], ["g"], "conv3", **pads),
        helper.make_node(op, ["g"], ["painting"], "paint"),
    ]
    graph = helper.make_graph(
        nodes,
        "painter",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size]),
            helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 2]),
        ],
        [helper.make_tensor_value_info("painting", TensorProto.FLOAT, [1, 3, *size])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if metadata:
        facts = {"value_range": [0, 1], "styles": ["dawn", "dusk"], "default_size": 64, "size_multiple": 8}
        helper.set_model_props(model, {"brushport": json.dumps(facts)})
    onnx.save(model, path)
    return path
