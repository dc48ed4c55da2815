import pytest

from quantize.judge import Score
from quantize.plan import TRIALS, PlanRow, choose, keep_float

COSTS = {"a": 1e-5, "b": 5e-3, "c": 2e-5, "d": 1e-3, "e": 1e-6}
MACS = {"a": 100, "b": 100, "c": 10, "d": 1000, "e": 1}


def painting(asked):
    """SSIM falls by 100 times the summed cost, which is what ``choose`` assumes, but for a half too much."""

    def score(floats):
        asked.append(floats)
        return Score(1 - 150 * sum(cost for name, cost in COSTS.items() if name not in floats), 0, 0, 0, 1)

    return score


def test_keep_float_takes_the_dearest_for_their_work():
    assert keep_float(COSTS, MACS, 1.0) == frozenset()
    assert keep_float(COSTS, MACS, 1.1e-3) == {"b"}
    assert keep_float(COSTS, MACS, 0.0) == set(COSTS)


def test_keep_float_gives_back_what_still_fits():
    # By cost for work, c leaves before d; but with d gone c fits again, and is worth having back.
    assert keep_float({"c": 2e-5, "d": 1e-3}, {"c": 10, "d": 1000}, 5e-4) == {"d"}


@pytest.mark.parametrize("target", [0.5, 0.9, 0.99, 0.998])
def test_choose_reaches_the_target_with_few_trials(target):
    asked = []
    floats = choose(COSTS, MACS, painting(asked), target)
    assert painting([])(floats).ssim >= target
    assert floats != set(COSTS)
    assert len(asked) <= TRIALS + 1


def test_choose_never_takes_all_for_float():
    """Out of reach, the best of what was tried is taken, at the very last with the cheapest node alone in int8."""
    only_e = set(COSTS) - {"e"}
    assert choose(COSTS, MACS, lambda floats: Score(0.93 if floats == only_e else 0.1, 0, 0, 0, 1), 0.95) == only_e
    assert choose(COSTS, MACS, lambda floats: Score(0.1, 0, 0, 0, 1), 0.95) != set(COSTS)


def test_choose_takes_the_best_when_none_reaches_the_target():
    asked = {}

    def score(floats):
        asked[floats] = 0.9 + 0.01 * len(floats)
        return Score(asked[floats], 0, 0, 0, 1)

    floats = choose(COSTS, MACS, score, 0.95)
    assert len(asked) > 1
    assert asked[floats] == max(asked.values()) < 0.95


def test_choose_keeps_all_int8_when_that_is_good():
    assert choose(COSTS, MACS, lambda floats: Score(0.99, 0, 0, 0, 1), 0.95) == frozenset()


def test_a_node_that_breaks_the_picture_is_float():
    costs = COSTS | {"a": float("inf")}

    def score(floats):
        lost = 0.9 if "a" not in floats else 100 * sum(c for n, c in COSTS.items() if n not in floats)
        return Score(1 - lost, 0, 0, 0, 1)

    floats = choose(costs, MACS, score, 0.9)
    assert "a" in floats
    assert score(floats).ssim >= 0.9
    assert floats != set(costs)


def test_cost_in_decibels():
    row = PlanRow("a", "Conv", (1, 3, 8, 8), 10, "int8", 1e-4, "")
    assert row.psnr == pytest.approx(40.0)
    assert PlanRow("a", "Conv", (1, 3, 8, 8), 10, "int8", None, "").psnr is None
