import numpy as np
import onnx_ir as ir
import pytest

from quantize import quantize_hub
from quantize.gates import gates, take_apart, without_idle
from quantize.judge import Aim, Judge
from quantize.planfile import plan_text, read_plan
from quantize.prepare import prepare
from tests.quantize.graphs import Builder, decibels, ports, run, samples
from validate.errors import BrushportError

SPREAD = 3.0


def network(activation="HardSwish"):
    b = Builder([1, 3, 48, 48])
    limits = (b.constant(np.float32(0)), b.constant(np.float32(6))) if activation == "Clip" else ()
    x = b.op(activation, b.conv("image", 3, 8, spread=SPREAD), *limits)
    x = b.op(activation, b.conv(x, 8, 8, spread=SPREAD), *limits)
    return b.build(b.op("Sigmoid", b.conv(x, 8, 3)), opset=18)


@pytest.mark.parametrize("activation", ["HardSwish", "Clip", "Elu", "Softplus"])
def test_the_picture_stays_and_names_too(activation):
    model = network(activation)
    names = gates(model)
    assert len(names) == 2
    apart = take_apart(model, names)
    known = {value.name for node in apart.graph for value in node.outputs}
    assert {node.outputs[0].name for node in model.graph} <= known
    for sample in samples(model, 2, "verification"):
        np.testing.assert_array_equal(run(model, sample)[0], run(apart, sample)[0])
    assert ir.to_proto(without_idle(apart)).graph.node == ir.to_proto(model).graph.node


def test_a_relu_written_as_clip_hands_units_on_already():
    b = Builder([1, 3, 48, 48])
    x = b.op("Clip", b.conv("image", 3, 8), b.constant(np.float32(0)))
    assert gates(b.build(b.conv(x, 8, 3))) == []


def test_channels_get_units_of_their_own_and_int8_paints_closer():
    model = network()
    feeds = samples(model)
    judge = Judge(model, feeds, ports(model)["outputs"])
    whole, apart = prepare(model, feeds, judge, ()), prepare(model, feeds, judge)
    assert whole.apart == ()
    assert apart.apart
    assert apart.channels > whole.channels
    sample = samples(model, 1, "verification")[0]
    assert decibels(run(model, sample)[0], run(apart.model, sample)[0]) > 70


def test_a_plan_remembers_what_was_taken_apart(tmp_path):
    model = network()
    feeds = samples(model)
    result = quantize_hub(model, feeds, **ports(model), aim=Aim(0.9))
    assert result.apart
    path = tmp_path / "plan.yaml"
    path.write_text(plan_text(result))
    plan = read_plan(path)
    assert plan.apart == result.apart
    followed = quantize_hub(model, feeds, **ports(model), plan=plan)
    assert followed.calibration_score.psnr == pytest.approx(result.calibration_score.psnr, abs=0.2)
    path.write_text(plan_text(result).replace(f'"{result.apart[0]}"', '"nobody"'))
    with pytest.raises(BrushportError, match="takes 'nobody' apart"):
        quantize_hub(model, feeds, **ports(model), plan=read_plan(path))
