import numpy as np
from PIL import Image

from quantize import quantize_hub
from quantize.judge import Aim
from quantize.pareto import CHOSEN, draw_pareto, non_dominated
from tests.quantize.graphs import ports, samples, style_net


def test_non_dominated():
    points = [(1.0, 0.9), (0.5, 0.95), (0.6, 0.93), (0.6, 0.94), (0.4, 0.95), (0.2, 0.99)]
    assert non_dominated(points) == [(0.2, 0.99), (0.5, 0.95), (0.6, 0.94), (1.0, 0.9)]


def test_the_picture_shows_more_plans_than_the_search_needs_and_marks_the_chosen_one(tmp_path):
    model = style_net(spread=2.0)
    short = quantize_hub(model, samples(model), **ports(model), aim=Aim(0.0, 0.0))
    result = quantize_hub(model, samples(model), **ports(model), aim=Aim(0.9, 0.0), survey=True)
    assert len(short.trials) == 1 < len(result.trials)
    assert {trial.score.photos for trial in result.trials} == {result.calibration_score.photos}
    assert result.chosen in result.trials
    assert len({(trial.floats, trial.score) for trial in result.trials}) == len(result.trials)  # none is tried twice
    sizes = {trial.weight_bytes for trial in result.trials}
    assert len(sizes) > 1
    draw_pareto(tmp_path / "pareto.png", result, "net")
    pixels = np.asarray(Image.open(tmp_path / "pareto.png").convert("RGB")).astype(int)
    red = np.abs(pixels - [int(CHOSEN[i : i + 2], 16) for i in (1, 3, 5)]).sum(2) < 30
    assert red[:, : red.shape[1] // 2].sum() > 50
    assert red[:, red.shape[1] // 2 :].sum() > 50
