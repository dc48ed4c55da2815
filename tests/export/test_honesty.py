import pytest

import export.api
from export import export_model
from export.honesty import require_planned
from export.photos import calibration_samples
from quantize import quantize_hub
from quantize.planfile import Plan
from tests.export.painter import save_painter
from validate.errors import QualityError

PLAN = [
    {"node": "stem", "macs": 60, "precision": "int8"},
    {"node": "body", "macs": 30, "precision": "int8"},
    {"node": "gate", "macs": 5, "precision": "dynamic"},
    {"node": "head", "macs": 5, "precision": "float"},
]


def census(*products):
    total = sum(macs for macs, _ in products)
    shares = {}
    for macs, form in products:
        shares[form] = shares.get(form, 0) + macs / total
    return {"macs": total, "macs_share": shares, "products": [{"macs": macs, "form": form} for macs, form in products]}


HONEST = [(60, "int8 x int8"), (30, "uint8 x int8"), (5, "float32 x int8"), (5, "float32 x float32")]


def test_a_file_as_planned_passes():
    require_planned(PLAN, census(*HONEST), "net.tflite")


@pytest.mark.parametrize(
    "at, form, names",
    [
        (0, "float32 x float32", "'stem' became float32 x float32"),
        (1, "float32 x int8", "'body' became float32 x int8;"),
        (2, "float32 x float32", "'gate' became"),
    ],
)
def test_what_is_secretly_float_is_named(at, form, names):
    products = list(HONEST)
    products[at] = (products[at][0], form)
    with pytest.raises(QualityError, match=rf"^net\.tflite is not int8 where its plan says so: {names}"):
        require_planned(PLAN, census(*products), "net.tflite")


def test_an_operator_in_another_form_passes_while_nothing_of_it_is_float():
    require_planned(PLAN, census((31, "int8 x int8"), (31, "int8 x int8"), *HONEST[1:]), "net.tflite")
    require_planned(PLAN, census((80, "int8 x int8"), *HONEST[1:]), "net.tflite")
    require_planned(PLAN, census(*HONEST[:3], (7, "float32 x float32")), "net.tflite")
    blocks = (int(5 * 16 / 9), "dynamic int8 x int8")
    require_planned(PLAN, census(*HONEST[:2], blocks, HONEST[3]), "net.tflite")
    with pytest.raises(QualityError, match="'stem'"):
        require_planned(PLAN, census((31, "int8 x int8"), (31, "float32 x float32"), *HONEST[1:]), "net.tflite")
    with pytest.raises(QualityError, match="'body' became"):
        require_planned(PLAN, census((80, "int8 x int8"), (30, "float32 x float32"), *HONEST[2:]), "net.tflite")


@pytest.mark.parametrize("target", ["coreml", "tflite"])
def test_a_float_kernel_in_an_int8_file_is_not_kept(tmp_path, monkeypatch, target):
    """Planted: the compiler gets a hub with a convolution less in int8; the file's own census gives it away."""
    painter = save_painter(tmp_path / "painter.onnx", size=(64, 64))
    real = export.api.prepare

    def forgetful(hub, precision, options, report):
        plan = Plan({"conv1": "int8", "conv2": "int8", "conv3": "float"})
        quantized = quantize_hub(hub.model, calibration_samples(hub, None, 4), plan=plan)
        return hub.with_model(quantized.model), real(hub, precision, options, report)[1]

    monkeypatch.setattr(export.api, "prepare", forgetful)
    with pytest.raises(QualityError, match=r"is not int8 where its plan says so: .*'conv3' became"):
        export_model(painter, target, precision="int8", output=tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
