"""The document about the operators says what the registries say."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.operators import FOLDED, SECTION, read_section, table, write_section


def test_document_holds_the_table():
    assert read_section(SECTION) == table(), "run python -m export.operators"


@pytest.mark.parametrize("op_type", FOLDED)
def test_computed_operators_are_said_to_be(op_type):
    row = next(line for line in table().splitlines() if line.startswith(f"| `{op_type}`"))
    assert row.endswith("| computed |")


def test_sections_are_replaced_and_nothing_else(tmp_path: Path):
    document = tmp_path / "document.md"
    document.write_text("before\n<!-- a: generated -->\nold\n<!-- end of a -->\nafter\n")
    write_section("a", "new | table", document)
    write_section("a", "new | table", document)
    assert read_section("a", document) == "new | table"
    assert document.read_text().startswith("before\n<!-- a")
    assert document.read_text().endswith("end of a -->\nafter\n")
    with pytest.raises(ValueError, match="substring not found"):
        read_section("b", document)
