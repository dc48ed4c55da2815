"""The vectors that both apps are held against are those that the script writes."""

import json
import zlib

import pytest

from tests.demos.vectors import FILES, FOLDER, text


@pytest.mark.parametrize("name", FILES)
def test_they_are_as_python_computes_them(name):
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text(name)


def test_there_are_no_others():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(FILES)


def test_the_streams_are_those_that_zlib_reads():
    cases = json.loads((FOLDER / "streams.json").read_text(encoding="utf-8"))
    whole = [case for case in cases if "stream" in case]
    assert len(whole) >= 3
    assert all(zlib.decompress(bytes(case["stream"])) == bytes(case["content"]) for case in whole)
