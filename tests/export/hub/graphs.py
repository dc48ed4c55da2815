"""Small graphs for the hub's tests: ONNX text with random weights, and a comparison by ONNX Runtime."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from export.hub.folding import clean_up, fold_constants
from export.hub.model import HUB_OPSET
from export.hub.shapes import infer_shapes, require_static


def build(signature: str, body: str, weights: dict[str, np.ndarray] | None = None, opset: int = HUB_OPSET) -> ir.Model:
    """A model from ONNX text; ``weights`` become initializers, float64 ones (NumPy's default) float32.

    Outputs may leave their shape open, as in ``float[] y``.
    """
    text = f'<ir_version: 8, opset_import: ["": {opset}]>\n{signature} {{ {body.replace("<>", "")} }}'
    proto = onnx.parser.parse_model(text)
    for name, given in (weights or {}).items():
        array = np.asarray(given)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    if all(value.type.tensor_type.HasField("shape") for value in proto.graph.output):
        onnx.checker.check_model(proto)
    return ir.from_proto(proto)


def prepared(*args: object, **kwargs: object) -> ir.Model:
    """The same model as :func:`load_hub` hands it to the passes."""
    model = build(*args, **kwargs)
    fold_constants(model)
    infer_shapes(model)
    require_static(model)
    return model


def run(model: ir.Model, seed: int = 1) -> list[np.ndarray]:
    """The outputs for random inputs that ``seed`` decides."""
    rng = np.random.default_rng(seed)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), options)
    feeds = {v.name: (2 * rng.standard_normal(v.shape)).astype(np.float32) for v in session.get_inputs()}
    return session.run(None, feeds)


def ops(model: ir.Model) -> Counter:
    """How often each operator occurs."""
    return Counter(node.op_type for node in model.graph)


def apply(rewrite: Callable[[ir.Model], int], model: ir.Model, tolerance: float = 2e-5) -> int:
    """Apply one pass; fail if an output, its name or its shape changes. Returns how often the pass fired."""
    before = run(model)
    fired = rewritten(rewrite, model)
    after = run(model)
    for old, new in zip(before, after, strict=True):
        scale = max(1.0, float(np.abs(old[np.isfinite(old)]).max()))
        np.testing.assert_allclose(new / scale, old / scale, atol=tolerance)
    return fired


def rewritten(rewrite: Callable[[ir.Model], int], model: ir.Model) -> int:
    """Apply one pass; fail if the name of an input or output changes. Returns how often the pass fired."""
    names = [value.name for value in (*model.graph.inputs, *model.graph.outputs)]
    fired = rewrite(model)
    clean_up(model)
    infer_shapes(model)
    require_static(model)
    assert [value.name for value in (*model.graph.inputs, *model.graph.outputs)] == names
    return fired


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Random weights."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)
