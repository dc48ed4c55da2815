"""Every operator that can be trained is compared with ONNX Runtime, because it is registered."""

import numpy as np
import pytest

from tests.training.hubs import in_onnxruntime, in_torch, one_node, random_inputs
from training import hub_operators
from training.hub_network import HubNetwork
from validate.errors import UnsupportedError

X = (1, 4, 6, 8)
RANDOM = np.random.default_rng(1)


def floats(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def integers(*values):
    return np.array(values, np.int64)


SCALE, ZERO = np.float32(0.05), np.int8(3)
INT8 = RANDOM.integers(-120, 120, size=(4, 4, 3, 3)).astype(np.int8)

# (inputs, attributes): tuples are shapes of graph inputs, arrays constants, None is left out.
CASES = {
    "Add": [([X, X], {}), ([X, floats(4, 1, 1)], {}), ([floats(1), X], {})],
    "Sub": [([X, X], {}), ([floats(1), X], {})],
    "Mul": [([X, (1, 4, 1, 1)], {}), ([X, floats(1, 4, 1, 1)], {})],
    "Div": [([X, np.abs(floats(4, 1, 1)) + 1], {}), ([np.float32(2.0), X], {})],
    "Pow": [([X, np.array(2.0, np.float32)], {})],
    "Min": [([X, X], {})],
    "Max": [([X, X], {})],
    "PRelu": [([X, floats(4, 1, 1)], {})],
    "HardSigmoid": [([X], {}), ([X], {"alpha": 1 / 6, "beta": 0.5})],
    "LeakyRelu": [([X], {"alpha": 0.2}), ([X], {})],
    "Elu": [([X], {"alpha": 1.5})],
    "Gelu": [([X], {}), ([X], {"approximate": "tanh"})],
    "Clip": [([X, np.float32(-0.5), np.float32(0.5)], {}), ([X, None, np.float32(0.5)], {}), ([X], {})],
    "Softmax": [([X], {"axis": 1}), ([X], {})],
    "Conv": [
        ([X, floats(6, 4, 3, 3), floats(6)], {"pads": [1, 1, 1, 1]}),
        ([X, floats(6, 4, 3, 3)], {"pads": [0, 1, 2, 1], "strides": [2, 2]}),
        ([X, floats(4, 1, 3, 3)], {"group": 4, "dilations": [2, 2], "pads": [2, 2, 2, 2]}),
        ([X, (6, 4, 3, 3), (6,)], {"pads": [0, 0, 1, 1]}),
    ],
    "ConvTranspose": [
        ([X, floats(4, 5, 3, 3), floats(5)], {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
        ([X, floats(4, 5, 3, 3)], {"strides": [2, 2], "pads": [0, 0, 1, 1]}),
        ([X, floats(4, 2, 2, 2)], {"strides": [2, 2], "group": 2}),
    ],
    "MatMul": [([(2, 4), floats(4, 5)], {})],
    "Gemm": [([(2, 4), floats(4, 5), floats(5)], {}), ([(2, 4), floats(5, 4)], {"transB": 1})],
    "InstanceNormalization": [([X, floats(4), floats(4)], {"epsilon": 1e-3})],
    "Pad": [
        ([X, integers(0, 0, 1, 2, 0, 0, 3, 1)], {"mode": "reflect"}),
        ([X, integers(0, 0, 1, 2, 0, 0, 3, 1)], {"mode": "edge"}),
        ([X, integers(0, 1, 1, 2, 0, 0, 3, 1), np.float32(0.5)], {}),
        ([X, integers(1, 2, 3, 1), None, integers(2, 3)], {}),
    ],
    "Resize": [
        (
            [X, None, np.array([1, 1, 2, 3], np.float32)],
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        ),
        ([X, None, np.array([1, 1, 3, 2], np.float32)], {}),
        ([X, None, np.array([1, 1, 2, 2], np.float32)], {"mode": "linear"}),
        ([X, None, np.array([1, 1, 0.5, 0.5], np.float32)], {"mode": "linear"}),
        (
            [X, None, None, integers(1, 4, 11, 17)],
            {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        ),
        ([X, None, np.array([1, 1, 2, 2], np.float32)], {"mode": "cubic"}),
    ],
    "MaxPool": [
        ([X], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ([X], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
    ],
    "AveragePool": [
        ([X], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ([X], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ],
    "GlobalAveragePool": [([X], {})],
    "ReduceMean": [([X, integers(2, 3)], {}), ([X, integers(1)], {"keepdims": 0})],
    "ReduceSum": [([X, integers(-1)], {})],
    "ReduceMax": [([X, integers(1)], {})],
    "ReduceMin": [([X, integers(2, 3)], {})],
    "Concat": [([X, X], {"axis": 1}), ([X, X, X], {"axis": 3})],
    "Slice": [
        ([X, integers(1), integers(3), integers(1)], {}),
        ([X, integers(1, -5), integers(100, -1), integers(2, 3), integers(2, 1)], {}),
    ],
    "Reshape": [([X, integers(1, 2, 2, 48)], {}), ([X, integers(4, -1)], {})],
    "Flatten": [([X], {})],
    "Transpose": [([X], {"perm": [0, 2, 3, 1]}), ([X], {})],
    "Unsqueeze": [([(1, 4), integers(2, 3)], {}), ([(1, 4), integers(-1)], {})],
    "Squeeze": [([(1, 4, 1, 1), integers(2, 3)], {}), ([(1, 4, 1, 1)], {})],
    "DepthToSpace": [([X], {"blocksize": 2, "mode": "CRD"}), ([(1, 8, 3, 4)], {"blocksize": 2})],
    "SpaceToDepth": [([X], {"blocksize": 2})],
    "QuantizeLinear": [],  # these three are tested in test_hub_rounding.py
    "DequantizeLinear": [],
    "DynamicQuantizeLinear": [],
    "Reciprocal": [([X], {})],
}
POSITIVE = ("Log", "Sqrt")
ALL = [
    pytest.param(op_type, inputs, attributes, id=f"{op_type}-{index}")
    for op_type in hub_operators._FACTORIES
    for index, (inputs, attributes) in enumerate(CASES.get(op_type, [([X], {})]))
]


@pytest.mark.parametrize(("op_type", "inputs", "attributes"), ALL)
def test_as_onnxruntime(op_type, inputs, attributes):
    model = one_node(op_type, inputs, attributes)
    fed = random_inputs(model)
    if op_type in POSITIVE:
        fed = [np.abs(x) + 0.1 for x in fed]
    network = HubNetwork(model)
    expected, got = in_onnxruntime(model, fed)[0], in_torch(network, fed)[0]
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(in_onnxruntime(network.to_model(), fed)[0], expected)


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes"),
    [
        ("Einsum", [X, X], {"equation": "bchw,bchw->bchw"}),
        ("Resize", [X, None, np.array([1, 1, 1.5, 1.5], np.float32)], {}),
        ("Resize", [X, None, np.array([1, 1, 4, 4], np.float32)], {"coordinate_transformation_mode": "asymmetric"}),
        ("MatMul", [(2, 4), (4, 5)], {}),
        ("AveragePool", [X], {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}),
    ],
)
def test_what_cannot_be_trained_is_named(op_type, inputs, attributes):
    with pytest.raises(UnsupportedError, match=f"The {op_type} node 'node'"):
        HubNetwork(one_node(op_type, inputs, attributes))


def test_two_factories_of_one_operator_are_a_mistake():
    with pytest.raises(ValueError, match="two factories"):
        hub_operators.operator("Conv")(lambda node: None)
