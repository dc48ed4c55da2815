import re

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from PIL import Image

from quantize import cli
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


def test_what_bears_no_int8_is_not_written(command, tmp_path):
    b = Builder([1, 3, 48, 48])
    x = b.op("Mul", b.conv("image", 3, 3), b.constant(np.float32(1000)))
    ir.save(b.build(b.op("Sigmoid", b.op("Sin", x))), tmp_path / "net.onnx")
    status, _, err = command("net.onnx", "--range", "0..1", "--limit", 3)
    assert status == 2
    assert "does not bear int8" in err
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
    for option in ("--calibration", "--output", "--min-ssim", "--min-psnr", "--range"):
        assert option in out
