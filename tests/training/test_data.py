import numpy as np
import pytest
import torch
from PIL import Image

from training.data import PhotoBatches, list_photos, read_picture
from validate.errors import BrushportError


def test_a_batch_depends_on_its_number_alone(photos):
    batches = PhotoBatches(list_photos(photos), steps=10, batch=3, crop=64, styles=2, seed=7)
    first = batches[4]
    torch.rand(5)
    again = batches[4]
    assert torch.equal(first.photos, again.photos)
    assert not torch.equal(first.photos, batches[5].photos)
    assert first.photos.shape == (3, 3, 64, 64)
    assert first.photos.min() >= 0
    assert 0.5 < first.photos.max() <= 1


def test_every_style_gets_its_turn(photos):
    batches = PhotoBatches(list_photos(photos), steps=10, batch=2, crop=64, styles=4, seed=0)
    assert [batches[step].styles.tolist() for step in range(3)] == [[0, 1], [2, 3], [0, 1]]


def test_exif_orientation_is_honored(tmp_path):
    picture = Image.new("RGB", (20, 10), "red")
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").shape == (3, 20, 10)


def test_bad_input_is_named(tmp_path):
    with pytest.raises(BrushportError, match="does not exist"):
        list_photos(tmp_path / "none")
    with pytest.raises(BrushportError, match="holds no photos"):
        list_photos(tmp_path)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(BrushportError, match=r"text\.png"):
        read_picture(tmp_path / "text.png")


def test_sixteen_bits_become_eight(tmp_path):
    Image.fromarray(np.full((8, 8), 32768, np.uint16)).save(tmp_path / "deep.png")
    picture = read_picture(tmp_path / "deep.png")
    assert picture.dtype == torch.uint8
    assert (picture == 128).all()


def test_photos_are_listed_below_the_folder_too_and_only_what_can_be_decoded(tmp_path):
    (tmp_path / "below").mkdir()
    for name in ("b.PNG", "below/a.jpg", "c.tiff", "README", ".d.png"):
        (tmp_path / name).touch()
    assert [path.name for path in list_photos(tmp_path)] == ["b.PNG", "a.jpg"]
