import subprocess
import sys

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from quantize import quantize_hub
from quantize.candidates import Candidates
from quantize.judge import GLANCE, Aim, Judge
from tests.quantize.graphs import Builder, decibels, ports, run, samples, style_net
from validate.errors import BrushportError, UnsupportedError
from validate.ports import Port


@pytest.fixture(scope="module")
def model():
    return style_net(spread=2.0)


@pytest.fixture(scope="module")
def result(model):
    held_out = samples(model, 3, "verification")
    return quantize_hub(model, iter(samples(model, 6)), **ports(model), held_out=held_out, aim=Aim(0.9))


def test_the_result_paints_the_hubs_picture(model, result):
    assert result.score.ssim > 0.9
    assert result.calibration_score.ssim >= 0.9
    for sample in samples(model, 3, "verification"):
        assert decibels(run(model, sample)[0], run(result.model, sample)[0]) > 20


def test_the_result_says_what_it_did(model, result):
    rows = {row.node: row for row in result.plan}
    assert len(rows) == 6
    assert result.calibrated == 6
    assert result.preparation["equalized_convolutions"] == 5
    stored = {node for node in result.model.graph if node.op_type == "Conv" and node.inputs[1].producer() is not None}
    dynamic = {node.name for node in stored if node.inputs[0].producer().inputs[0].name.endswith("_dynamic")}
    int8 = {node.name for node in stored} - dynamic
    assert int8 == {name for name, row in rows.items() if row.precision == "int8"}
    assert dynamic == {name for name, row in rows.items() if row.precision == "dynamic"}
    total = sum(row.macs for row in rows.values())
    assert result.int8_share == pytest.approx(sum(rows[name].macs for name in int8 | dynamic) / total)
    assert result.facts()["int8_share_of_macs"] == pytest.approx(result.int8_share, abs=1e-4)
    assert result.facts()["held_out_ssim"] == pytest.approx(result.score.ssim, abs=1e-4)


def test_the_score_is_that_of_the_model_returned(model, result):
    judge = Judge(model, samples(model, 3, "verification"), ports(model)["outputs"])
    assert judge.score(result.model) == result.score


def test_onnx_runtimes_int8_kernels_paint_it_too(model, result):
    import onnxruntime

    session = onnxruntime.InferenceSession(ir.to_proto(result.model).SerializeToString())
    sample = samples(model, 1, "verification")[0]
    assert decibels(run(result.model, sample)[0], session.run(None, sample)[0]) > 30


def test_the_plan_keeps_in_float_what_int8_spoils(model):
    """Out of reach for all int8, so some of it stays float, and the target is met."""
    all_int8 = quantize_hub(model, samples(model), **ports(model), aim=Aim(0.0, 0.0))
    assert {row.precision for row in all_int8.plan} == {"int8"}
    target = (1 + all_int8.calibration_score.ssim) / 2
    mixed = quantize_hub(model, samples(model), **ports(model), aim=Aim(target))
    assert mixed.calibration_score.ssim >= target
    assert 0 < mixed.int8_share < 1
    assert all(row.cost > 0 for row in mixed.plan)
    floats = [row for row in mixed.plan if row.precision == "float"]
    assert all(row.reason for row in floats)


def test_a_share_that_is_asked_for_is_reached_by_rounding_more_at_run_time(model, monkeypatch):
    feeds, fixed = list(samples(model)), ports(model)
    aim = 0.97
    plain = quantize_hub(model, feeds, **fixed, aim=Aim(aim))
    asked = plain.int8_share + 0.01
    result = quantize_hub(model, feeds, **fixed, aim=Aim(aim, share=asked))
    assert result.int8_share >= asked > plain.int8_share
    assert result.dynamic_share > plain.dynamic_share
    assert result.calibration_score.ssim >= aim
    assert decibels(run(model, feeds[0])[0], run(result.model, feeds[0])[0]) > 20
    monkeypatch.setattr(Candidates, "settle", lambda self, start, *_: start)
    unsettled = quantize_hub(model, feeds, **fixed, aim=Aim(aim, share=asked))
    assert result.dynamic_share < unsettled.dynamic_share
    with pytest.raises(UnsupportedError, match=r"where --min-share 1 is asked for"):
        quantize_hub(model, feeds, **fixed, aim=Aim(0.999, share=1.0))
    with pytest.raises(UnsupportedError, match=r"where --min-share .* is asked for"):
        quantize_hub(model, feeds, **fixed, aim=Aim(aim, share=asked), hybrid=False)


def test_a_share_that_no_plan_can_have_is_refused_though_int8_loses_nothing():
    b = Builder([1, 3, 16, 16])
    x = b.op("Reshape", b.conv("image", 3, 3), b.constant(np.array([1, 768], np.int64)))
    x = b.op("MatMul", x, b.constant(np.eye(768, dtype=np.float32)))
    model = b.build(b.op("Reshape", x, b.constant(np.array([1, 3, 16, 16], np.int64))))
    feeds = samples(model)
    result = quantize_hub(model, feeds, **ports(model), aim=Aim(0.5, 1.0))
    assert result.int8_share < 0.5
    with pytest.raises(
        UnsupportedError, match=r"All that can be int8 is .* of this model's work, where --min-share 0.9"
    ):
        quantize_hub(model, feeds, **ports(model), aim=Aim(0.5, 1.0, share=0.9))


def test_an_aim_out_of_reach_is_refused(model):
    with pytest.raises(UnsupportedError, match=r"at best SSIM 0\.99\d\d, PSNR .* SSIM 1 and 34 dB is asked for; train"):
        quantize_hub(model, samples(model), **ports(model), aim=Aim(1.0))


def brittle(side=48):
    """One convolution whose result, multiplied by 1000, shows every rounding step as noise."""
    b = Builder([1, 3, side, side])
    x = b.op("Mul", b.conv("image", 3, 3), b.constant(np.float32(1000)))
    return b.build(b.op("Sigmoid", b.op("Sin", x)))


def test_what_does_not_bear_int8_is_refused():
    sentence = (
        r"^This model does not bear int8: at best SSIM -?0\.\d{4}, .* where SSIM 0\.97 and 34 dB is asked for; train"
    )
    with pytest.raises(UnsupportedError, match=sentence):
        quantize_hub(brittle(), samples(brittle()), **ports(brittle()))
    sentence = r"at best PSNR \d+\.\d dB was reached .* where 25\.2 dB is asked for"
    with pytest.raises(UnsupportedError, match=sentence):
        quantize_hub(brittle(8), samples(brittle(8)), **ports(brittle(8)))


def test_pictures_too_small_for_ssim():
    b = Builder([1, 3, 8, 8])
    model = b.build(b.op("Sigmoid", b.conv("image", 3, 3)))
    result = quantize_hub(model, samples(model), **ports(model), held_out=samples(model, 2, "verification"))
    assert result.int8_share == 1.0
    assert result.calibration_score.psnr > 30
    assert result.facts()["calibration_psnr"] == pytest.approx(result.calibration_score.psnr, abs=0.01)
    assert "held_out_ssim" not in result.facts()


def test_outputs_that_are_no_pictures():
    b = Builder([1, 3, 48, 48])
    x = b.op("GlobalAveragePool", b.op("Relu", b.conv("image", 3, 8)))
    model = b.build(b.op("Flatten", x))
    output = Port(model.graph.outputs[0].name, (1, 8))
    result = quantize_hub(model, samples(model), inputs=ports(model)["inputs"], outputs=[output])
    assert result.int8_share == 1.0
    assert result.calibration_score.psnr > 30


def test_ports_are_found_out_when_they_are_not_given(model):
    with_ports = quantize_hub(model, samples(model), **ports(model), aim=Aim(0.0, 0.0))
    without = quantize_hub(model, samples(model), aim=Aim(0.0, 0.0))
    assert ir.to_proto(without.model) == ir.to_proto(with_ports.model)


def test_a_picture_input_keeps_every_pixel():
    b = Builder([1, 3, 48, 48])
    model = b.build(b.conv("image", 3, 3))
    port = {"inputs": [Port("image", (1, 3, 48, 48), (0.0, 1.0))], "outputs": [Port("c", (1, 3, 48, 48), (-2.0, 2.0))]}
    port["outputs"] = [Port(model.graph.outputs[0].name, (1, 3, 48, 48), (-2.0, 2.0))]
    feeds = [{"image": feed["image"] / 2} for feed in samples(model)]  # calibration never reaches white
    result = quantize_hub(model, feeds, **port)
    quantize = next(n for n in result.model.graph if n.op_type == "QuantizeLinear" and n.inputs[0].name == "image")
    assert quantize.inputs[1].const_value.numpy() == np.float32(1 / 255)
    assert quantize.inputs[2].const_value.numpy() == -128


def test_a_conditional_network_with_a_style_input():
    b = Builder([1, 3, 48, 48])
    b.inputs.append(onnx.helper.make_tensor_value_info("style", onnx.TensorProto.FLOAT, [1, 2]))
    x = b.op("Relu", b.conv("image", 3, 8))
    gain = b.op("Gemm", "style", b.constant(b.random.uniform(0.5, 2, (2, 8)).astype(np.float32)))
    x = b.op("Mul", x, b.op("Reshape", gain, b.constant(np.array([1, 8, 1, 1]))))
    model = b.build(b.op("Sigmoid", b.conv(x, 8, 3)))
    inputs = [Port("image", (1, 3, 48, 48), (0.0, 1.0)), Port("style", (1, 2))]
    outputs = ports(model)["outputs"]
    from validate.photos import default_photos, photo_samples

    feeds = list(photo_samples(default_photos(4, 48, use="calibration"), inputs))
    result = quantize_hub(model, feeds, inputs=inputs, outputs=outputs)
    assert [row.precision for row in result.plan] == ["int8", "float", "int8"]
    assert result.plan[1].reason == "not a convolution"
    assert result.calibration_score.ssim > 0.95


def test_bad_input(model):
    with pytest.raises(BrushportError, match="no photos"):
        quantize_hub(model, [], **ports(model))
    with pytest.raises(BrushportError, match="ONNX Runtime cannot run"):
        quantize_hub(model, [{"image": np.zeros((1, 3, 8, 8), np.float32)}], **ports(model))


def test_nothing_to_quantize(model, result):
    with pytest.raises(UnsupportedError, match="quantized already"):
        quantize_hub(result.model, samples(model), **ports(model))
    b = Builder([1, 3, 48, 48])
    with pytest.raises(UnsupportedError, match="nothing can be int8"):
        quantize_hub(b.build(b.op("Relu", "image")), samples(model))
    b = Builder([1, 3, 48, 48])
    old = b.build(b.conv("image", 3, 3), opset=12)
    with pytest.raises(UnsupportedError, match="opset 12"):
        quantize_hub(old, samples(model))


def test_the_room_imports_neither_torch_nor_another_room():
    code = "import quantize, quantize.cli, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "quantize" in loaded
    assert not {"torch", "tensorflow", "export", "training", "coremltools"} & set(loaded)


@pytest.fixture(scope="module")
def hardest_first(model):
    """Calibration photos; those on which int8 costs the most come first, so that a glance sees more than the mean."""
    feeds = samples(model, 6)
    all_int8 = quantize_hub(model, feeds, **ports(model), aim=Aim(0.0, 0.0)).model
    return sorted(feeds, key=lambda feed: Judge(model, [feed], ports(model)["outputs"]).score(all_int8).ssim)


def test_a_trial_that_is_given_up_counts_as_if_all_photos_had_been_seen(model, hardest_first, monkeypatch):
    """What the first photos lose is set against what they lost in the first trial, which saw all of them."""
    compared = []
    for ssim in (0.985, 0.99, 0.993, 0.995):
        with monkeypatch.context() as hasty:
            hasty.setattr("quantize.candidates.HOPELESS", 0.0)  # each plan with floats is given up
            trials = quantize_hub(model, hardest_first, **ports(model), aim=Aim(ssim, 0.0)).trials
        given_up = {trial.floats: trial for trial in trials if trial.score.photos == GLANCE}
        if given_up:
            patient = quantize_hub(model, hardest_first, **ports(model), aim=Aim(ssim, 0.0), survey=True).trials
            wholes = {trial.floats: trial.excess for trial in patient if trial.score.photos == 6}
            compared += [
                (np.log(Aim(ssim, 0.0).excess(trial.score) / wholes[floats]), np.log(trial.excess / wholes[floats]))
                for floats, trial in given_up.items()
                if floats in wholes
            ]
    assert compared
    seen, counted = np.abs(compared).mean(axis=0)
    assert counted < 0.75 * seen


def test_hard_photos_in_front_do_not_make_a_plan_hopeless(model, hardest_first):
    """A plan that reaches the aim in the mean is found, though the first photos alone lose more than is allowed."""
    aim = Aim(0.991, 0.0)
    result = quantize_hub(model, hardest_first, **ports(model), aim=aim)
    glance = Judge(model, hardest_first[:GLANCE], ports(model)["outputs"]).score(result.model)
    assert result.chosen.excess <= 1
    assert result.chosen.score.photos == 6
    assert aim.excess(glance) > 1.1 * result.chosen.excess
    assert result.int8_share > 0.5
