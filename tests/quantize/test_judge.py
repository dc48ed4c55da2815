import numpy as np
import pytest

from quantize.judge import Judge
from tests.quantize.graphs import Builder, ports, samples
from validate.errors import BrushportError
from validate.ports import Port


def adding(offset):
    b = Builder([1, 3, 48, 48])
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


def test_outputs_that_are_no_pictures_do_not_count(judge):
    with pytest.raises(BrushportError, match="No output of the model is a picture"):
        Judge(adding(0.0), judge.samples, [Port("sum_out", (1, 3, 48, 48))])
    with pytest.raises(BrushportError, match="no photos"):
        Judge(adding(0.0), [], ports(adding(0.0))["outputs"])
