import numpy as np
import onnx
import onnxruntime
import psutil
from onnx import TensorProto, helper, numpy_helper

from validate.sessions import cpu_session

CHANNELS, SIDE, LAYERS = 16, 512, 6  # 16 MB for each tensor


def chain() -> bytes:
    """Convolutions, each multiplied with what it was given."""
    nodes, constants, last = [], [], "x"
    random = np.random.default_rng(0)
    for index in range(LAYERS):
        weight = random.random((CHANNELS, CHANNELS, 1, 1), np.float32) / CHANNELS
        constants.append(numpy_helper.from_array(weight, f"w{index}"))
        nodes.append(helper.make_node("Conv", [last, f"w{index}"], [f"y{index}"]))
        nodes.append(helper.make_node("Mul", [f"y{index}", last], [f"z{index}"]))
        last = f"z{index}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, CHANNELS, SIDE, SIDE]) for name in ("x", last)]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def test_later_runs_hold_no_more_memory_than_the_first():
    session = cpu_session(chain(), onnxruntime.SessionOptions())
    feed = {"x": np.random.default_rng(1).random((1, CHANNELS, SIDE, SIDE), np.float32)}
    held = []
    for _ in range(3):
        session.run(None, feed)
        held.append(psutil.Process().memory_info().rss / 2**20)
    assert held[-1] - held[0] < CHANNELS  # MB: less than one tensor more
