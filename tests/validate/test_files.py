import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from validate.errors import BrushportError
from validate.files import replacing, sha256, size_of


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "model.bin"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.name == path.name
    assert path.read_text() == "new"
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "new"
    assert [entry.name for entry in path.parent.iterdir()] == ["model.bin"]


def test_a_package_replaces_a_package(tmp_path):
    path = tmp_path / "model.mlpackage"
    for name in ("first", "second"):
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / "Manifest.json").write_text("{}")
            (temporary / name).write_text(name)
    assert sorted(entry.name for entry in path.iterdir()) == ["Manifest.json", "second"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.mlpackage"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_folder_of_other_things_is_never_replaced(tmp_path, kind):
    precious = tmp_path / "results" / "precious"
    precious.parent.mkdir()
    precious.write_text("kept")
    with pytest.raises(BrushportError, match="folder of other things"), replacing(precious.parent) as temporary:
        temporary.mkdir() if kind == "folder" else temporary.write_text("new")
    assert precious.read_text() == "kept"
    assert [entry.name for entry in tmp_path.iterdir()] == ["results"]


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path):
    finished = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead, alive = (tmp_path / f".partial-{pid}-x" for pid in (int(finished.stdout), os.getppid()))
    dead.mkdir()
    alive.mkdir()
    with replacing(tmp_path / "model.bin") as temporary:
        temporary.write_text("new")
    assert not dead.exists()
    assert alive.exists()


def test_sha256_sees_names_and_contents(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b")
    (tmp_path / "b" / "x").rename(tmp_path / "b" / "y")
    assert sha256(tmp_path / "a") != sha256(tmp_path / "b")
    assert sha256(tmp_path / "a" / "x") == hashlib.sha256(b"1").hexdigest()
    assert size_of(tmp_path) == 2


def package(path, content):
    path.mkdir(parents=True)
    (path / "Manifest.json").write_text(content)
    return path


def test_a_package_survives_an_interrupted_swap(tmp_path, monkeypatch):
    path, renames = package(tmp_path / "model.mlpackage", "old"), []

    def interrupted(source, destination, replace=os.replace):
        renames.append(source)
        if len(renames) == 2:
            raise KeyboardInterrupt
        replace(source, destination)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        package(temporary, "new")
    assert (path / "Manifest.json").read_text() == "old"


def test_a_package_whose_swap_was_killed_comes_back(tmp_path):
    finished = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    package(tmp_path / f".partial-{int(finished.stdout)}-x" / ".previous" / "model.mlpackage", "old")
    with replacing(tmp_path / "other.bin") as temporary:
        temporary.write_text("other")
    assert (tmp_path / "model.mlpackage" / "Manifest.json").read_text() == "old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model.mlpackage", "other.bin"]
