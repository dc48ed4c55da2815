from dataclasses import replace

import pytest

from quantize.candidates import Candidates, spans_of
from quantize.closest import closest_weights
from quantize.dynamic import is_hybrid
from quantize.judge import GLANCE, Aim, Judge
from quantize.macs import count_macs
from quantize.qdq import calibrated_values, why_not
from quantize.ranges import calibrate
from tests.quantize.graphs import ports, samples, style_net


@pytest.fixture(scope="module")
def made():
    """A function that makes the :class:`Candidates` of a style network, and its photos and ranges by method."""
    model = style_net(size=48)
    feeds = samples(model, GLANCE + 1)
    nodes = [node for node in model.graph if why_not(node) is None]
    macs = count_macs(model)
    work = {node.name: macs[node.name] for node in nodes}
    histograms = calibrate(model, calibrated_values(nodes), feeds)[0]
    ranges = {
        method: {name: (method, one.span(method)) for name, one in histograms.items()} for method in ("minmax", "mse")
    }
    judge = Judge(model, feeds, ports(model)["outputs"])
    closest = closest_weights(model, list(work), feeds)

    def make(ssim=0.9, **settings):
        options = {"static": False, "patient": False, "report": lambda step: None} | settings
        found = Candidates(model, dict(work), sum(macs.values()), closest, judge, Aim(ssim), **options)
        found.ranges = ranges["minmax"]
        return found

    return make, ranges


def operators(model):
    return [node.op_type for node in model.graph]


def test_what_stays_float_is_not_rounded(made):
    one = made[0]()
    last = one.names[-1]
    everything, but_one = one.hub(frozenset()), one.hub(frozenset([last]))
    weights = {
        model: [n.name for n in model.graph if n.op_type == "Conv" and n.inputs[1].producer() is not None]
        for model in (everything, but_one)
    }
    assert weights[everything] == [*weights[but_one], last]


def test_dynamic_nodes_are_rounded_at_run_time_unless_everything_is_static(made):
    make, _ = made
    for static, expected in ((False, True), (True, False)):
        one = make(static=static)
        one.dynamic = frozenset([one.names[2]])
        assert ("DynamicQuantizeLinear" in operators(one.hub(frozenset()))) is expected
        assert "DynamicQuantizeLinear" not in operators(one.hub(one.dynamic))


def test_what_has_no_static_kernel_stays_dynamic(made):
    """A product that a plan calls dynamic is none of the nodes that may be int8 in advance."""
    make, _ = made
    for static in (False, True):
        one = make(static=static)
        del one.work[last := one.names[-1]]
        one.dynamic = frozenset([last])
        assert "DynamicQuantizeLinear" in operators(one.hub(frozenset()))


def test_the_method_that_paints_best_is_chosen(made):
    make, ranges = made
    one = make()
    scores = {
        method: one.judge.score(one.hub(frozenset(), spans_of(of_method))) for method, of_method in ranges.items()
    }
    best = min(scores, key=lambda method: one.aim.excess(scores[method]))
    assert one.best_method(ranges, frozenset()) == best
    narrow = {name: (how, (low / 50, high / 50)) for name, (how, (low, high)) in ranges[best].items()}
    assert one.best_method({"narrow": narrow, "wide": ranges[best]}, frozenset()) == "wide"


def test_a_trial_says_what_it_measured_and_is_remembered(made):
    one = made[0]()
    floats = frozenset(one.names[:1])
    trial = one.measure(floats)
    assert trial.share == pytest.approx(sum(one.work[name] for name in one.names[1:]) / one.total)
    assert trial.score == one.judge.score(one.hub(floats))
    assert trial.excess == one.aim.excess(trial.score)
    one.dynamic = frozenset(one.names[2:3])
    other = one.measure(floats)
    assert one.trials == {(floats, frozenset()): trial, (floats, one.dynamic): other}


def test_hopeless_trials_are_given_up_by_all_but_the_patient(made):
    make, _ = made
    for patient in (False, True):
        one = make(ssim=0.99999, patient=patient)
        seen = [one.measure(floats).score.photos for floats in (frozenset(), frozenset(one.names[:1]))]
        assert seen == [GLANCE + 1, GLANCE + 1 if patient else GLANCE]


def test_a_trial_that_was_given_up_is_scaled_until_losses_are_forgotten(made):
    make, _ = made
    one = make(ssim=0.99999)
    first = one.measure(frozenset())
    glance = one.aim.excess(one.judge.score(one.hub(frozenset()), GLANCE))
    floats = frozenset(one.names[:1])
    scaled = one.measure(floats)
    assert scaled.excess == pytest.approx(one.aim.excess(scaled.score) * first.excess / glance)
    one.forget_losses()
    plain = one.measure(floats)
    assert plain.excess == one.aim.excess(plain.score)


def at_run_time(one):
    """Let all of ``one`` that can be rounded at run time be so; its trial, what that saves of the aim, and times."""
    able = {node.name for node in one.prepared.graph if is_hybrid(node)} & one.work.keys()
    one.dynamic = frozenset(able)
    start = one.measure(frozenset())
    return start, dict.fromkeys(able, 0.1), {name: one.work[name] for name in able}


def test_what_the_aim_has_room_for_is_rounded_in_advance(made):
    one = made[0]()
    one.aim = Aim(0.5, 20.0)
    start, savings, times = at_run_time(one)
    found = one.settle(start, savings, times)
    assert one.dynamic == frozenset()
    assert found.floats == frozenset()
    assert found.score == one.judge.score(one.hub(frozenset()))


def test_a_plan_may_lose_less_than_the_one_it_began_from(made):
    one = made[0]()
    one.aim = Aim(0.5, one.measure(frozenset()).score.psnr + 0.5)
    start, savings, times = at_run_time(one)
    found = one.settle(replace(start, excess=0.999), savings, times)
    assert found.excess < 0.999
    assert len(one.dynamic) < len(times)


def test_what_it_has_no_room_for_stays_at_run_time(made):
    one = made[0](ssim=0.999999)
    start, savings, times = at_run_time(one)
    before = one.dynamic
    assert start.excess > 1
    assert one.settle(start, savings, times) is start
    assert one.dynamic == before


def test_it_stays_as_it_was_where_no_plan_reaches_the_aim(made):
    one = made[0]()
    one.aim = Aim(0.5, one.measure(frozenset()).score.psnr + 8)
    start, _, times = at_run_time(one)
    before = one.dynamic
    costly = max(times, key=lambda name: _alone(one, name).excess)
    assert start.excess < 1 < _alone(one, costly).excess
    assert one.settle(start, {costly: _alone(one, costly).excess}, {costly: times[costly]}) is start
    assert one.dynamic == before


def test_a_part_is_rounded_in_advance_and_the_aim_still_reached(made):
    one = made[0]()
    in_advance = one.measure(frozenset()).score.psnr
    start = at_run_time(one)[0]
    one.aim = Aim(0.5, (in_advance + start.score.psnr) / 2)
    start, _, times = at_run_time(one)
    stays = sorted(times)[0]
    savings = {name: one.aim.excess(_alone(one, name).score) for name in times}
    del times[stays]
    found = one.settle(start, savings, times)
    assert found.excess <= 1
    assert stays in one.dynamic
    assert len(one.dynamic) < len(times) + 1
    assert found.score == one.judge.score(one.hub(frozenset()))


def _alone(one, name):
    """The trial with ``name`` alone rounded in advance, all else at run time."""
    before, one.dynamic = one.dynamic, one.dynamic - {name}
    trial = one.measure(frozenset())
    one.dynamic = before
    return trial
