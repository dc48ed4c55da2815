import onnx_ir as ir
import pytest

from quantize import quantize_hub
from quantize.judge import Aim
from quantize.planfile import Plan, plan_text, read_plan, write_plan
from tests.quantize.graphs import ports, samples, style_net
from validate.errors import BrushportError


@pytest.fixture(scope="module")
def model():
    return style_net(spread=2.0)


@pytest.fixture(scope="module")
def mixed(model):
    """A plan in which something is float."""
    all_int8 = quantize_hub(model, samples(model), **ports(model), aim=Aim(0.0, 0.0))
    aim = Aim((1 + all_int8.calibration_score.ssim) / 2, 0.0)
    return quantize_hub(model, samples(model), **ports(model), aim=aim)


def follow(model, plan):
    return quantize_hub(model, samples(model), **ports(model), plan=plan)


def test_a_plan_given_back_makes_the_same_model_without_a_search(model, mixed, tmp_path):
    write_plan(tmp_path / "plan.yaml", mixed)
    again = follow(model, read_plan(tmp_path / "plan.yaml"))
    assert 0 < mixed.int8_share < 1
    assert ir.to_proto(again.model) == ir.to_proto(mixed.model)
    assert again.calibration_score == mixed.calibration_score
    assert [row.precision for row in again.plan] == [row.precision for row in mixed.plan]
    assert len(again.trials) == 1


def test_an_edited_plan_is_followed(model, mixed):
    text = plan_text(mixed)
    assert text.count(": float  #") == sum(row.precision == "float" for row in mixed.plan)
    nodes = {row.node: "float" for row in mixed.plan} | {"Conv_17": "int8"}
    result = follow(model, Plan(nodes, {"Conv_17_out": (-3.0, 5.0)}))
    assert [row.node for row in result.plan if row.precision == "int8"] == ["Conv_17"]
    quantize = next(
        n for n in result.model.graph if n.op_type == "QuantizeLinear" and n.inputs[0].name == "Conv_17_out"
    )
    assert float(quantize.inputs[1].const_value.numpy()) == pytest.approx(8 / 255)


def test_a_node_may_be_rounded_at_run_time(model, mixed):
    nodes = {row.node: "int8" for row in mixed.plan} | {"Conv_7": "dynamic"}
    result = follow(model, Plan(nodes))
    assert {row.node: row.precision for row in result.plan} == nodes
    dynamic = next(node for node in result.model.graph if node.op_type == "DynamicQuantizeLinear")
    assert dynamic.outputs[0].consumers()[0].outputs[0].consumers()[0].name == "Conv_7"
    assert result.dynamic_share == pytest.approx(mixed.plan[2].macs / sum(row.macs for row in mixed.plan))
    assert "Conv_7: dynamic" in plan_text(result)


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            {"Conv_18": "int8"},
            r"names the node 'Conv_18', which the model does not have; the nearest is 'Conv_1\d?'\.$",
        ),
        ({"Conv_1": None}, r"does not say what becomes of the node 'Conv_1'\.$"),
        (dict.fromkeys(("Conv_1", "Conv_4")), r"what becomes of the node 'Conv_1' and 1 more\.$"),
        (
            dict.fromkeys(("Conv_1", "Conv_4", "Conv_7", "Conv_10", "Conv_14", "Conv_17"), "float"),
            "keeps every node out",
        ),
    ],
)
def test_a_plan_of_another_model_is_refused(model, mixed, change, sentence):
    nodes = {row.node: "int8" for row in mixed.plan} | change
    with pytest.raises(BrushportError, match=sentence):
        follow(model, Plan({name: kind for name, kind in nodes.items() if kind}))


def test_a_range_of_no_tensor_is_refused(model, mixed):
    nodes = {row.node: "int8" for row in mixed.plan}
    with pytest.raises(BrushportError, match=r"a range of the tensor 'Conv_17_ouf', which .* nearest is 'Conv_17_out'"):
        follow(model, Plan(nodes, {"Conv_17_ouf": "mse"}))


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("nodes: {a: int9}", "says 'int9' of 'a'; say int8, dynamic, float"),
        ("nodes: {a: int8}\nranges: {x: median}", "gives the tensor 'x' no range: say minmax"),
        ("nodes: {a: int8}\nranges: {x: [1, 0]}", "gives the tensor 'x' no range"),
        ("nodes: {a: int8}\nranges: {x: [0, .nan]}", "gives the tensor 'x' no range"),
        ("nodes: {a: int8}\nranges: {x: [0, 1, 2]}", "gives the tensor 'x' no range"),
        ("nodes: {a: int8}\nranges: [x]", "'ranges' in the plan .* is no list"),
        ("nodes: {a: int8, a: float}", "'a' is there twice"),
        ("nodes: {a: int8}\nknots: {b: int8}", "has an entry 'knots'; it knows nodes"),
        ("- a", "has no list 'nodes'"),
        ("nodes: [", "is no YAML"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(BrushportError, match=sentence) as caught:
        read_plan(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(BrushportError, match=r"There is no plan .*; write one with --save-plan"):
        read_plan(tmp_path / "plan.yaml")


@pytest.mark.parametrize("name", ["12", "on", "a: b # c", "- x", "é" * 300, "[0]", "null", "a'b\"c"])
def test_any_name_survives(tmp_path, mixed, name):
    from dataclasses import replace

    renamed = replace(mixed, plan=(replace(mixed.plan[0], node=name), *mixed.plan[1:]))
    renamed = replace(renamed, ranges={name: ("mse", (0.0, 1.0)), "x": ((-0.1, 1e-7), (-0.1, 1e-7))})
    write_plan(tmp_path / "plan.yaml", renamed)
    plan = read_plan(tmp_path / "plan.yaml")
    assert dict(plan.nodes) == {row.node: row.precision for row in renamed.plan}
    assert dict(plan.ranges) == {name: "mse", "x": (-0.1, 1e-7)}
