import pytest

from validate.files import replacing


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


def test_a_folder_replaces_a_folder_with_other_contents(tmp_path):
    path = tmp_path / "model.mlpackage"
    for name in ("first", "second"):
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [entry.name for entry in path.iterdir()] == ["second"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.mlpackage"]
