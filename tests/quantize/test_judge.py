import numpy as np
import pytest

from quantize.judge import FLOOR, FLOOR_PSNR, Judge, Score
from tests.quantize.graphs import Builder, ports, samples
from validate.errors import BrushportError
from validate.ports import Port


def adding(offset, side=48):
    b = Builder([1, 3, side, side])
    return b.build(b.op("Add", "image", b.constant(np.array(offset, np.float32)), name="sum"))


@pytest.fixture(scope="module")
def judge():
    model = adding(0.0)
    feeds = [{"image": feed["image"] * 0.5} for feed in samples(model, 3)]
    return Judge(model, feeds, ports(model)["outputs"])


def test_error_is_the_mean_square(judge):
    assert judge.error(adding(0.1)) == pytest.approx(0.01, rel=1e-4)
    assert judge.error(adding(0.0), limit=1) == 0.0


def test_scores(judge):
    same, off = judge.score(adding(0.0)), judge.score(adding(0.1))
    assert (same.ssim, same.psnr, same.photos) == (pytest.approx(1.0), float("inf"), 3)
    assert off.psnr == pytest.approx(20.0, abs=1e-3)
    assert off.worst_ssim <= off.ssim < 1


def test_what_is_not_finite_is_the_worst(judge):
    assert judge.error(adding(np.nan)) == float("inf")
    assert judge.score(adding(np.nan)).ssim == 0.0


def test_pictures_too_small_for_ssim_are_judged_by_psnr():
    feeds = [{"image": feed["image"] * 0.5} for feed in samples(adding(0.0, 8), 3)]
    judge = Judge(adding(0.0, 8), feeds, ports(adding(0.0, 8))["outputs"])
    score = judge.score(adding(0.1, 8))
    assert (score.ssim, score.worst_ssim) == (None, None)
    assert score.psnr == pytest.approx(FLOOR_PSNR, abs=1e-3)
    assert score.quality == pytest.approx(FLOOR, abs=1e-4)
    assert judge.score(adding(0.0, 8)).quality == 1.0
    assert judge.score(adding(np.nan, 8)).quality == 0.0


def test_psnr_is_that_of_the_mean_error():
    """One sample that comes out right must not hide, by its infinite PSNR, the others that do not."""

    def clipped(ceiling):
        b = Builder([1, 3, 8, 8])
        return b.build(b.op("Min", "image", b.constant(np.array(ceiling, np.float32)), name="out"))

    feeds = [{"image": np.full((1, 3, 8, 8), value, np.float32)} for value in (0.5, 1.0)]
    score = Judge(clipped(1.0), feeds, ports(clipped(1.0))["outputs"]).score(clipped(0.5))
    assert score.psnr == pytest.approx(-10 * np.log10(0.25 / 2))


def test_outputs_that_are_no_pictures_are_judged_by_their_own_range():
    def scaled(offset):
        b = Builder([1, 3, 8, 8])
        mean = b.op("ReduceMean", "image", b.constant(np.array([2, 3])), keepdims=0)
        return b.build(b.op("Add", b.op("Mul", mean, b.constant(np.float32(1000))), b.constant(np.float32(offset))))

    picture = np.zeros((1, 3, 8, 8), np.float32)
    picture[:, 1], picture[:, 2] = 0.5, 1.0  # so the outputs are 0, 500 and 1000
    judge = Judge(scaled(0.0), [{"image": picture}], [Port(scaled(0.0).graph.outputs[0].name, (1, 3))])
    assert judge.error(scaled(100.0)) == pytest.approx(0.01, rel=1e-4)
    assert judge.score(scaled(100.0)).psnr == pytest.approx(20.0, abs=1e-3)
    assert judge.score(scaled(100.0)).ssim is None


def test_beside_a_picture_other_outputs_do_not_count(judge):
    other = Port("other", (1, 4))
    assert [port.name for port in Judge(adding(0.0), judge.samples, [other, *judge.outputs]).outputs] == ["sum_out"]


def test_no_samples():
    with pytest.raises(BrushportError, match="no photos"):
        Judge(adding(0.0), [], ports(adding(0.0))["outputs"])


def test_a_score_reads_well():
    assert str(Score(0.5, 20.0, 0.4, 19.0, 3)) == "SSIM 0.5000, PSNR 20.0 dB"
    assert str(Score(None, 20.0, None, 19.0, 3)) == "PSNR 20.0 dB"
