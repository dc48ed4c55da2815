import numpy as np
import onnx_ir as ir
import pytest

from quantize import Aim, quantize_hub
from quantize.judge import Judge
from tests.training.hubs import one_node, painter
from training.learn import learn_rounding, require_trainable
from validate.errors import BrushportError, UnsupportedError
from validate.photos import default_photos, photo_samples
from validate.ports import Port


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return painter(tmp_path_factory.mktemp("hub") / "painter.onnx", wide=8)


@pytest.fixture(scope="module")
def judge(hub):
    return Judge(hub.model, photo_samples(default_photos(3, 32), hub.inputs), hub.outputs)


@pytest.fixture(scope="module")
def learned_on():
    return default_photos(8, 32, use="calibration")


@pytest.fixture(scope="module")
def quantized(hub, learned_on):
    ports = {"inputs": hub.inputs, "outputs": hub.outputs}
    return quantize_hub(hub.model, photo_samples(learned_on, hub.inputs), aim=Aim(0, 0), **ports).model


def learn(hub, quantized, photos, steps=60, **options):
    return learn_rounding(quantized, hub.model, hub.inputs, hub.outputs, photos, steps=steps, **options)


def constants(model):
    return {name: value.const_value.numpy() for name, value in model.graph.initializers.items()}


def clipped(quantized):
    """With ranges of activations that are a third too narrow."""
    model = quantized.clone()
    ports = {value.name for value in (*model.graph.inputs, *model.graph.outputs)}
    scales = {node.inputs[1] for node in model.graph if node.op_type == "QuantizeLinear"}
    for scale in scales:
        if scale.name.removesuffix("_scale") not in ports:
            scale.const_value = ir.tensor(scale.const_value.numpy() * np.float32(0.66), name=scale.name)
    return model


def test_what_was_clipped_learns_to_paint_better(hub, quantized, learned_on, judge):
    told, worse = [], clipped(quantized)
    model = learn(hub, worse, learned_on, watch=lambda done, loss: told.append(done))
    before, after = judge.score(worse), judge.score(model)
    assert told == list(range(1, 61))
    assert after.psnr > before.psnr + 2
    assert 1 - after.ssim < 0.7 * (1 - before.ssim)


def test_it_stays_the_same_graph_of_the_same_types(hub, quantized, learned_on):
    model = learn(hub, quantized, learned_on, steps=2)
    assert [node.op_type for node in model.graph] == [node.op_type for node in quantized.graph]
    for ours, theirs in zip(model.graph, quantized.graph, strict=True):
        if ours.op_type in ("QuantizeLinear", "DequantizeLinear"):
            held = [[(v.dtype, v.shape) for v in node.inputs if v.is_initializer()] for node in (ours, theirs)]
            assert held[0] == held[1], ours.name
        elif ours.op_type in ("MatMul", "Mul", "Add", "InstanceNormalization"):  # what is float stays
            for a, b in zip(ours.inputs, theirs.inputs, strict=True):
                if b.is_initializer():
                    np.testing.assert_array_equal(a.const_value.numpy(), b.const_value.numpy())
    assert any(
        not np.array_equal(a.inputs[0].const_value.numpy(), b.inputs[0].const_value.numpy())
        for a, b in zip(model.graph, quantized.graph, strict=True)
        if a.op_type == "DequantizeLinear" and a.inputs[0].is_initializer()
    )


def test_the_same_seed_learns_the_same_and_an_interrupted_run_goes_on(hub, quantized, learned_on, tmp_path):
    whole = learn(hub, quantized, learned_on, steps=6)

    def stop(done, loss):
        if done == 6:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "c.pt"
    with pytest.raises(KeyboardInterrupt):
        learn(hub, quantized, learned_on, steps=6, checkpoint=checkpoint, watch=stop)
    assert not checkpoint.exists()  # the first would come after 100 steps, or the last
    again = learn(hub, quantized, learned_on, steps=6, checkpoint=checkpoint)
    assert checkpoint.exists()
    for name, array in constants(whole).items():
        np.testing.assert_array_equal(constants(again)[name], array)


def test_what_is_not_quantized_is_refused(hub, learned_on):
    with pytest.raises(BrushportError, match="no quantized weights"):
        learn(hub, hub.model, learned_on)


def test_what_cannot_be_trained_is_known_beforehand(hub):
    require_trainable(hub.model, hub.inputs)
    with pytest.raises(UnsupportedError, match="Only networks of one picture"):
        require_trainable(hub.model, [*hub.inputs, Port("other", (1, 3, 8, 8), (0.0, 1.0))])
    odd = one_node("Det", [(1, 3, 8, 8)])
    with pytest.raises(UnsupportedError, match="Det node 'node'"):
        require_trainable(odd, [Port("x0", (1, 3, 8, 8), (0.0, 1.0))])
