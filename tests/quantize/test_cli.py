import re
import sys

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from PIL import Image

from quantize import cli
from tests.export.painter import save_painter
from tests.quantize.graphs import Builder, style_net


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs ``python -m quantize`` with ``arguments`` in ``tmp_path``: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["quantize", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.app(prog_name="python -m quantize")
        return caught.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def network(tmp_path):
    ir.save(style_net(), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_writes_an_int8_model_and_says_so(command, network, tmp_path):
    status, out, _ = command("net.onnx", "--range", "0..1", "--limit", 3, "--min-ssim", 0.5, "--min-psnr", 10)
    assert status == 0
    assert "100.0% of the multiply-accumulates are int8; 3 calibration photos" in out
    assert "Next: python -m export net-int8.onnx" in out
    assert sum("int8" in line and "Conv" in line for line in out.splitlines()) == 6
    proto = onnx.load(tmp_path / "net-int8.onnx")
    onnx.checker.check_model(proto, full_check=True)
    assert any(node.op_type == "QuantizeLinear" for node in proto.graph.node)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net-int8.onnx", "net.onnx"]


def test_a_plan_is_saved_drawn_and_followed(command, network, tmp_path):
    arguments = ("net.onnx", "--range", "0..1", "--limit", 3)
    status, out, _ = command(*arguments, "--min-ssim", 0.985, "--save-plan", "plan.yaml", "--pareto", "front.png")
    assert status == 0
    assert "Wrote plan.yaml" in out
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    first = (tmp_path / "net-int8.onnx").read_bytes()
    status, out, _ = command(*arguments, "--plan", "plan.yaml")
    assert status == 0
    assert (tmp_path / "net-int8.onnx").read_bytes() == first
    (tmp_path / "plan.yaml").write_text((tmp_path / "plan.yaml").read_text().replace("  Conv_17: ", "  Conv_18: "))
    status, _, err = command(*arguments, "--plan", "plan.yaml")
    assert status == 2
    assert "plan.yaml names the node 'Conv_18', which the model does not have; the nearest is" in err


def test_calibrates_on_a_folder(command, network, tmp_path):
    (tmp_path / "photos").mkdir()
    for index in range(2):
        noise = np.random.default_rng(index).integers(0, 255, (60, 50, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "photos" / f"{index}.png")
    status, out, _ = command(
        "net.onnx",
        "--range",
        "0..1",
        "--calibration",
        "photos",
        "--output",
        "out/q.onnx",
        "--min-ssim",
        "0",
        "--min-psnr",
        "0",
    )
    assert status == 0
    assert "2 calibration photos" in out
    assert (tmp_path / "out" / "q.onnx").stat().st_size > 0


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(4):
        noise = np.random.default_rng(index).integers(0, 255, (16, 16, 3), np.uint8)
        Image.fromarray(noise).resize((64, 64)).save(folder / f"{index}.png")
    return folder


def test_what_is_rounded_is_trained(command, network, photos, tmp_path):
    arguments = ("net.onnx", "--range", "0..1", "--calibration", photos, "--min-ssim", 0.5, "--min-psnr", 10)
    assert command(*arguments)[0] == 0
    plain = onnx.load(tmp_path / "net-int8.onnx")
    status, out, err = command(*arguments, "--learn", 20, "--save-plan", "plan.yaml")
    assert status == 0, err
    said = r"^20 steps of learning on 2 photos took SSIM 0\.\d+, PSNR .* to SSIM 0\.\d+, .*: (kept|no better, so .*)\.$"
    assert re.search(said, out, re.M)
    assert "100.0% of the multiply-accumulates are int8; 4 calibration photos" in out
    learned = onnx.load(tmp_path / "net-int8.onnx")
    onnx.checker.check_model(learned, full_check=True)
    assert [node.op_type for node in learned.graph.node] == [node.op_type for node in plain.graph.node]
    assert "int8" in (tmp_path / "plan.yaml").read_text()


def test_prune_writes_a_smaller_float_model(command, photos, tmp_path):
    save_painter(tmp_path / "open.onnx", metadata=False)
    arguments = ("open.onnx", "--prune", 0.7, "--calibration", photos, "--range", "0..1", "--steps", 2)
    status, _, err = command(*arguments)
    assert status == 2
    assert "--size" in err
    status, out, err = command(*arguments, "--size", "48x32", "--output", "small.onnx")
    assert status == 0, err
    assert re.search(r"^[56]\d\.\d% of the multiply-accumulates are left .* on 1 photo outside training$", out, re.M)
    assert "Next: python -m export small.onnx --target tflite" in out
    model = onnx.load(tmp_path / "small.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert not any("Quantize" in node.op_type for node in model.graph.node)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["open.onnx", "photos", "small.onnx"]


def test_prune_takes_what_export_takes(command, monkeypatch):
    seen = []
    monkeypatch.setattr("training.shrink_command.prune", lambda *args, **options: seen.append((args, options)))
    assert command("unet", "--prune", 0.5)[0] == 0
    names = ("student", "photos", "output", "steps", "size", "value_range")
    assert seen == [(("unet", 0.5), dict.fromkeys(names))]


@pytest.mark.parametrize("arguments", [["--learn", "2"], ["--prune", "0.5"]])
def test_without_torch_it_says_what_to_install(command, network, monkeypatch, arguments):
    for module in ("learn", "shrink_command"):
        monkeypatch.setitem(sys.modules, f"training.{module}", None)
    status, _, err = command("net.onnx", "--range", "0..1", *arguments)
    assert status == 2
    assert f"{arguments[0]} needs the package" in err
    assert "install it with: pip install 'brushport[training]'." in err


def test_what_bears_no_int8_is_not_written(command, tmp_path):
    b = Builder([1, 3, 48, 48])
    x = b.op("Mul", b.conv("image", 3, 3), b.constant(np.float32(1000)))
    ir.save(b.build(b.op("Sigmoid", b.op("Sin", x))), tmp_path / "net.onnx")
    status, _, err = command("net.onnx", "--range", "0..1", "--limit", 3)
    assert status == 2
    assert "does not bear int8" in err
    assert "--learn 300" in err
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_two_pictures_of_different_sizes(command, tmp_path):
    b = Builder([1, 3, 48, 48])
    b.inputs.append(onnx.helper.make_tensor_value_info("painting", onnx.TensorProto.FLOAT, [1, 3, 24, 24]))
    tone = b.op("GlobalAveragePool", "painting")
    ir.save(b.build(b.op("Sigmoid", b.op("Add", b.conv("image", 3, 3), tone))), tmp_path / "net.onnx")
    status, out, _ = command("net.onnx", "--range", "0..1", "--limit", 3)
    assert status == 0
    assert "100.0% of the multiply-accumulates are int8" in out


def test_a_small_picture_is_scored_by_psnr(command, tmp_path):
    b = Builder([1, 3, 8, 8])
    ir.save(b.build(b.op("Sigmoid", b.conv("image", 3, 3))), tmp_path / "net.onnx")
    status, out, _ = command("net.onnx", "--range", "0..1", "--limit", 3)
    assert status == 0
    assert "SSIM" not in out
    assert re.search(r"^PSNR \d+\.\d dB against the float model on 3 held-out photos \(worst \d+\.\d dB\)$", out, re.M)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["missing.onnx", "--range", "0..1"], "There is no file missing.onnx."),
        (["net.onnx"], "does not say what values its pictures have; add --range"),
        (["net.onnx", "--range", "1"], "--range 1 is no range"),
        (["net.onnx", "--range", "1..0"], "--range 1..0 is no range"),
        (["net.onnx", "--range", "0..1", "--calibration", "nowhere"], "The photo folder nowhere does not exist."),
        (["net.onnx", "--range", "0..1", "--plan", "nowhere.yaml"], "There is no plan nowhere.yaml"),
        (["net.onnx", "--range", "0..1", "--output", "net.onnx"], "is the model itself"),
        (["net.onnx", "--prune", "0.5", "--plan", "p.yaml"], "--prune quantizes nothing, so it has no use for --plan;"),
        (["net.onnx", "--prune", "0.5", "--save-plan", "p.yaml"], "it has no use for --save-plan;"),
        (["net.onnx", "--prune", "0.5", "--pareto", "p.png", "--learn", "3"], "it has no use for --learn, --pareto;"),
        (["net.onnx", "--prune", "0.5", "--min-ssim", "0.97"], "it has no use for --min-ssim;"),
        (["net.onnx", "--prune", "1.5", "--range", "0..1"], "between 0 and 1"),
        (["net.onnx", "--prune", "0.5", "--size", "big"], "such as 512 or 480x640"),
        (["net.onnx", "--prune", "0.5", "--range", "0..1", "--output", "net.onnx"], "is the model itself"),
        (["net.onnx", "--range", "0..1", "--steps", "3"], "--steps means nothing without --prune"),
        (["net.onnx", "--range", "0..1", "--size", "64"], "--size means nothing without --prune"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(command, network, arguments, sentence, tmp_path):
    status, out, err = command(*arguments)
    assert status == 2
    assert err.startswith("error: ")
    assert sentence in err
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_ctrl_c_leaves_nothing(command, network, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("quantize.quantizer.quantize_hub", interrupted)
    status, _, err = command("net.onnx", "--range", "0..1")
    assert status == 2
    assert "Stopped" in err
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_help_names_the_options(command):
    status, out, _ = command("-h")
    assert status == 0
    for option in ("--calibration", "--output", "--min-ssim", "--min-psnr", "--range", "--learn", "--prune"):
        assert option in out
