"""How plans and learning go together; what learning itself does is tested in tests/training/test_learn.py."""

from dataclasses import replace

import onnx_ir as ir
import pytest

from quantize import learned
from quantize.judge import Aim
from quantize.learned import KEPT, NO_BETTER, TOO_LITTLE, quantize_and_learn
from quantize.planfile import Plan
from quantize.quantizer import quantize_hub
from tests.quantize.graphs import ports, style_net
from validate.errors import BrushportError, UnsupportedError
from validate.photos import default_photos, photo_samples


@pytest.fixture(scope="module")
def model():
    return style_net()


@pytest.fixture(scope="module")
def photos():
    return default_photos(8, 48, use="calibration")


@pytest.fixture(scope="module")
def all_int8(model, photos):
    """The hub with everything in int8."""
    return quantize_hub(model, photo_samples(photos, ports(model)["inputs"]), aim=Aim(0, 0), **ports(model))


@pytest.fixture(scope="module")
def aim(all_int8):
    """One that the hub with everything in int8 misses, but not by as much as :data:`learned.GRACE`."""
    return Aim(1 - 0.9 * (1 - all_int8.calibration_score.ssim), 0)


@pytest.fixture(scope="module")
def plain(model, photos, aim):
    """What reaches it without learning."""
    return quantize_hub(model, photo_samples(photos, ports(model)["inputs"]), aim=aim, **ports(model))


@pytest.fixture
def taught(monkeypatch):
    """Lets learning give what ``teach`` makes of the model; lists the photos learned on and the steps of each run."""
    runs = []

    def use(teach):
        def learn_rounding(quantized, dense, inputs, outputs, photos, *, steps, watch):
            runs.append((len(photos), steps))
            watch(1, 0.25)
            return teach(quantized, dense)

        monkeypatch.setattr(learned, "_training", lambda: (learn_rounding, lambda model, inputs: None))
        return runs

    return use


def learn(model, photos, **options):
    return quantize_and_learn(model, photos, 7, **ports(model), **options)


def names(plan):
    return {row.node for row in plan if row.precision == "int8"}


def test_a_plan_gets_grace_and_is_kept_where_learning_reaches_the_aim(model, photos, all_int8, plain, aim, taught):
    runs, told = taught(lambda quantized, dense: dense), []
    held_out = list(photo_samples(default_photos(2, 48), ports(model)["inputs"]))
    got = learn(model, photos, aim=aim, held_out=held_out, report=told.append)
    assert plain.int8_share < 1
    assert names(got.result.plan) == names(all_int8.plan)
    assert runs == [(4, 7)]  # of 8 photos, 4 are judged by
    assert got.learning.became == KEPT
    assert got.result.model is model
    assert got.planned.model is not model
    assert got.learning.before.ssim < aim.ssim < got.learning.after.ssim
    assert got.result.calibration_score == got.learning.after
    assert got.result.score.photos == 2
    assert got.result.score.psnr == float("inf")
    assert got.result.aim == aim
    assert "learning, step 1 of 7, loss 0.2500" in told
    facts = got.facts()["learning"]
    assert (facts["steps"], facts["photos"], facts["kept"], facts["became"]) == (7, 4, True, KEPT)
    assert facts["before"] == {
        "ssim": round(got.learning.before.ssim, 4),
        "psnr_db": round(got.learning.before.psnr, 2),
    }
    assert facts["after"] == {"ssim": 1.0}
    assert (
        str(got.learning)
        == f"7 steps of learning on 4 photos took {got.learning.before} to SSIM 1.0000, PSNR inf dB: kept"
    )


def worse(quantized, dense):
    """Its last convolution's weights, turned."""
    model = quantized.clone()
    name = next(name for name in reversed(list(model.graph.initializers)) if name.endswith("_quantized"))
    value = model.graph.initializers[name]
    value.const_value = ir.tensor(-value.const_value.numpy(), name=name)
    return model


def test_what_paints_worse_is_not_kept(model, photos, taught):
    taught(worse)
    got = learn(model, photos, aim=Aim(0, 0))
    assert got.learning.became == NO_BETTER
    assert got.learning.after.ssim < got.learning.before.ssim
    assert got.result.model is got.planned.model
    assert got.result.calibration_score == got.learning.before
    assert got.result.score is None


def test_short_of_the_aim_it_falls_back_to_a_plan_that_reaches_it(model, photos, all_int8, plain, aim, taught):
    taught(lambda quantized, dense: quantized)
    got = learn(model, photos, aim=aim)
    assert got.learning.became == TOO_LITTLE
    assert not got.learning.facts()["kept"]
    assert names(got.result.plan) == names(plain.plan) != names(all_int8.plan)
    assert got.result.calibration_score == plain.calibration_score
    assert aim.excess(got.result.calibration_score) <= 1
    assert got.planned.model is got.result.model


def test_where_nothing_reaches_the_aim_it_says_how_far_learning_went(model, photos, taught, monkeypatch):
    taught(worse)
    real = learned.quantize_hub

    def bears_nothing_without_grace(*args, aim, **options):
        if aim.grace == 1:
            raise UnsupportedError("This model does not bear int8.")
        return real(*args, aim=replace(aim, ssim=0, psnr=0), **options)

    monkeypatch.setattr(learned, "quantize_hub", bears_nothing_without_grace)
    with pytest.raises(
        UnsupportedError, match=r"^7 steps of learning reached SSIM 0\.\d+.*\. This model does not bear"
    ):
        learn(model, photos, aim=Aim(0.9999))


def test_a_plan_is_followed_whatever_it_gives(model, photos, all_int8, taught):
    plan = Plan({row.node: "int8" for row in all_int8.plan})
    runs = taught(lambda quantized, dense: quantized)
    got = learn(model, photos, aim=Aim(0.9999), plan=plan)
    assert got.learning.became == NO_BETTER
    assert names(got.result.plan) == names(all_int8.plan)
    assert len(runs) == 1


def test_few_photos_are_halved_and_one_is_both(model, taught):
    runs = taught(lambda quantized, dense: quantized)
    for count in (1, 3):
        learn(model, default_photos(count, 48, use="calibration"), aim=Aim(0, 0))
    assert [count for count, _ in runs] == [1, 2]


def test_torch_is_asked_for_by_name(model, photos, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "training.learn", None)
    with pytest.raises(
        BrushportError, match=r"--learn needs the package '.*'; install it with: pip install 'brushport"
    ):
        learn(model, photos)


def test_a_network_that_cannot_be_trained_is_refused_before_anything_else(photos, monkeypatch):
    from tests.training.hubs import one_node

    odd = one_node("Det", [(1, 3, 48, 48)])
    monkeypatch.setattr(learned, "quantize_hub", lambda *args, **options: pytest.fail("searched"))
    with pytest.raises(UnsupportedError, match="Det node 'node'"):
        learn(odd, photos)


def test_grace_allows_for_so_many_times_the_loss(all_int8):
    score = all_int8.calibration_score
    assert Aim(0.97, 32, grace=2).excess(score) == pytest.approx(Aim(0.97, 32).excess(score) / 2)
