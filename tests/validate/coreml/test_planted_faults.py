"""A program that is a little wrong must be seen to be wrong: faults planted in what Apple's frontend wrote."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.validate.coreml.networks import johnson, randomize_norms
from tests.validate.coreml.torch_frontend import INPUT, capture, convert, psnr
from validate.coreml import CoreMLModel

FLOOR_DB = 60.0


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    torch.manual_seed(0)
    net = randomize_norms(johnson())
    x = torch.rand(INPUT)
    path = convert(capture(net, x), tmp_path_factory.mktemp("sound") / "m.mlpackage", "fp16")
    with torch.no_grad():
        return path, x.numpy(), net(x).numpy()


def _measure(path, x, reference):
    (result,) = CoreMLModel(path, engine="onnxruntime").predict({"x": x}).values()
    return psnr(result, reference)


def _constants(block, name):
    """The ``const`` operators that feed the parameter ``name`` of any operator of ``block``."""
    by_output = {op.outputs[0].name: op for op in block.operations if op.type == "const"}
    for op in block.operations:
        if op.type != "const" and name in op.inputs:
            yield by_output[op.inputs[name].arguments[0].name].attributes["val"].immediateValue.tensor


def _replicate_instead_of_reflect(block):
    tensors = [t for t in _constants(block, "mode") if t.strings.values[0] == "reflect"]
    tensors[0].strings.values[0] = "replicate"


def _shift_the_padding(block):
    for tensor in _constants(block, "pad"):
        values = tensor.ints.values
        if len(values) == 8 and values[6] == 4:
            values[6], values[7] = 3, 5
            return
    raise AssertionError("no padding of 4 found")


def _larger_epsilon(block):
    for tensor in _constants(block, "epsilon"):
        tensor.bytes.values = np.float16(0.05).tobytes()


def _tanh_instead_of_sigmoid(block):
    next(op for op in block.operations if op.type == "sigmoid").type = "tanh"


def test_sound_program_passes(sound):
    assert _measure(*sound) > FLOOR_DB


@pytest.mark.parametrize(
    "fault", [_replicate_instead_of_reflect, _shift_the_padding, _larger_epsilon, _tanh_instead_of_sigmoid]
)
def test_fault_is_seen(sound, tmp_path, fault):
    import shutil

    from coremltools.proto import Model_pb2

    path, x, reference = sound
    copy = shutil.copytree(path, tmp_path / "m.mlpackage")
    (file,) = copy.rglob("model.mlmodel")
    spec = Model_pb2.Model()
    spec.ParseFromString(file.read_bytes())
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    fault(block)
    file.write_bytes(spec.SerializeToString())
    assert _measure(copy, x, reference) < FLOOR_DB - 5
