import json

import numpy as np
import onnx_ir as ir
import pytest

from export import export_model
from export.hub import load_hub, zoo_names
from export.hub.source import PRUNED, ZOO_FOLDER, pruned_names
from quantize import count_macs
from validate.compare import SSIM_FLOORS, as_pictures
from validate.metrics import ssim
from validate.photos import default_photos, photo_to_tensor
from validate.runners import OnnxRunner

NAMES = ("unet", "mobilenetv3")
each_network = pytest.mark.parametrize("name", NAMES)


def test_the_names_are_those_of_the_networks():
    assert set(zoo_names()) == set(NAMES)
    assert pruned_names() == ("unet-half",)


@pytest.mark.parametrize("name", [*NAMES, "unet-half"])
def test_the_card_tells_the_truth(name):
    folder = ZOO_FOLDER / PRUNED if name in pruned_names() else ZOO_FOLDER
    hub = load_hub(name)
    card = json.loads((folder / f"{name}.json").read_text())
    assert tuple(card["styles"]) == hub.styles
    assert card["bytes"] == (folder / f"{name}.onnx").stat().st_size
    assert card["macs_at_512"] == pytest.approx(sum(count_macs(hub.model).values()), rel=0.01)
    for painting in card["styles"].values():
        assert painting["artist"]
        assert painting["died"] < 1955
    for key in ("description", "license", "data", "losses", "training", "parameters"):
        assert card[key]


def test_half_of_the_unet_paints_as_all_of_it():
    """In each style, at the size it was distilled for, on photos that it did not learn on."""
    dense, half = load_hub("unet"), load_hub("unet-half")
    work = [sum(count_macs(hub.model).values()) for hub in (dense, half)]
    assert work[1] <= 0.5 * work[0]
    runners = [OnnxRunner(ir.to_proto(hub.model).SerializeToString(), hub.inputs, hub.outputs) for hub in (dense, half)]
    scores = []
    for photo in default_photos(3, 512):
        picture = photo_to_tensor(photo, dense.inputs[0])
        for style in np.eye(len(dense.styles), dtype=np.float32):
            painted = [runner.run({"image": picture, "style": style[None]})["painting"] for runner in runners]
            scores.append(ssim(*as_pictures(*painted, dense.outputs[0])))
    assert np.mean(scores) >= 0.95
    assert min(scores) >= 0.93


@each_network
def test_every_style_is_another_painting_of_the_same_photo(name):
    hub = load_hub(name, size=(128, 128))
    runner = OnnxRunner(ir.to_proto(hub.model).SerializeToString(), hub.inputs, hub.outputs)
    photo = photo_to_tensor(default_photos(1, 128)[0], hub.inputs[0])
    styles = np.eye(len(hub.styles), dtype=np.float32)
    painted = [runner.run({"image": photo, "style": style[None]})["painting"] for style in styles]
    for index, one in enumerate(painted):
        assert np.abs(one - photo).mean() > 0.05
        for other in painted[:index]:
            assert np.abs(one - other).mean() > 0.05


@each_network
@pytest.mark.parametrize(("target", "precision"), [("coreml", "fp16"), ("tflite", "fp16"), ("tflite", "int8")])
def test_it_reaches_the_phone_formats(name, target, precision, tmp_path):
    result = export_model(name, target, precision=precision, size=(128, 128), output=tmp_path)
    assert result.comparison.mean_ssim >= SSIM_FLOORS[precision]
    assert "transpose" not in {operator.lower() for operator in result.manifest["census"]["operators"]}
    assert result.manifest["card"]["license"]
