import socket
import warnings

import numpy as np
import pytest
from PIL import Image

from validate import photos
from validate.errors import BrushportError
from validate.ports import Port

RGB = Port("image", (1, 3, 24, 32), (0.0, 1.0))


def write(path, size=(64, 48), color=(200, 30, 10), **options):
    Image.new("RGB", size, color).save(path, **options)
    return path


def test_default_photos_are_the_same_every_time_and_need_no_network(monkeypatch):
    def connect(self, address):
        raise AssertionError(f"connects to {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)
    first, again = photos.default_photos(4, (48, 64)), photos.default_photos(4, (48, 64))
    assert [p.shape for p in first] == [(48, 64, 3)] * 4
    assert all(p.dtype == np.uint8 for p in first)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("use", ["verification", "calibration"])
def test_default_photos_are_all_different(use):
    most = len(photos.DEFAULT_PHOTOS[use]) * len(photos.VARIANTS)
    every = photos.default_photos(most, 32, use=use)
    assert len({p.tobytes() for p in every}) == most
    with pytest.raises(BrushportError, match=f"{most} bundled {use} photos"):
        photos.default_photos(most + 1, 32, use=use)


def test_calibration_and_verification_share_no_scene():
    assert not set(photos.DEFAULT_PHOTOS["verification"]) & set(photos.DEFAULT_PHOTOS["calibration"])


def test_load_photos_in_name_order_and_only_photos(tmp_path):
    for index, name in enumerate(["b.png", "c.JPG", "a.jpeg"]):
        write(tmp_path / name, color=(index * 100, 0, 0), format="PNG")
    (tmp_path / "readme.txt").write_text("not a photo")
    (tmp_path / ".hidden.png").write_text("not a photo")
    (tmp_path / "folder.png").mkdir()
    loaded = photos.load_photos(tmp_path, 16)
    assert [int(p[0, 0, 0]) for p in loaded] == [200, 0, 100]
    assert len(photos.load_photos(tmp_path, 16, limit=2)) == 2


def test_of_many_photos_those_at_even_distances(tmp_path):
    for index in range(10):
        write(tmp_path / f"{index}.png", color=(index, 0, 0))
    taken = {limit: [int(p[0, 0, 0]) for p in photos.load_photos(tmp_path, 16, limit)] for limit in (1, 3, 4, 10, 99)}
    assert taken == {1: [0], 3: [0, 3, 6], 4: [0, 2, 5, 7], 10: list(range(10)), 99: list(range(10))}


def test_list_photos_of_the_folders_below_and_of_some_endings(tmp_path):
    for name in ("b/c/2.png", "b/1.JPG", "3.tiff", "README", "b/README", ".cache/4.png", "b/.5.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = lambda **options: [  # noqa: E731
        path.relative_to(tmp_path).as_posix() for path in photos.list_photos(tmp_path, **options)
    ]
    assert names() == ["3.tiff", "README"]
    assert names(recursive=True) == ["3.tiff", "README", "b/1.JPG", "b/README", "b/c/2.png"]
    assert names(recursive=True, endings=(".jpg", ".png")) == ["b/1.JPG", "b/c/2.png"]


def test_iterate_photos_reads_when_asked_to(tmp_path):
    write(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"broken")
    stream = photos.iterate_photos(tmp_path, 16)
    assert next(stream).shape == (16, 16, 3)
    with pytest.raises(BrushportError, match=r"b\.png cannot be read"):
        next(stream)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0 no jpeg"])
def test_unreadable_photo_is_named(tmp_path, content):
    (tmp_path / "torn.jpg").write_bytes(content)
    with pytest.raises(BrushportError, match=r"torn\.jpg cannot be read: .*\.$") as caught:
        photos.load_photos(tmp_path, 16)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_truncated_photo_is_named(tmp_path, kind):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "torn", kind)
    whole = (tmp_path / "torn").read_bytes()
    (tmp_path / "torn").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BrushportError, match="torn cannot be read"):
        photos.load_photos(tmp_path, 16)


def test_bad_folders(tmp_path):
    with pytest.raises(BrushportError, match="nowhere does not exist"):
        photos.load_photos(tmp_path / "nowhere", 16)
    with pytest.raises(BrushportError, match="holds no photos"):
        photos.iterate_photos(tmp_path, 16)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BrushportError, match="holds no photos"):
        photos.load_photos(tmp_path, 16)
    with pytest.raises(BrushportError, match="is a file, not a folder"):
        photos.load_photos(tmp_path / "notes.txt", 16)


def test_exif_orientation_is_honored(tmp_path):
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, :32] = 255  # white on the left; turned by 90 degrees clockwise, white on top
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture).save(tmp_path / "phone.jpg", exif=exif, quality=100)
    photo = photos.read_photo(tmp_path / "phone.jpg", (64, 32))
    assert photo[:28].min() > 240
    assert photo[36:].max() < 15


def test_center_crop_keeps_the_aspect_ratio():
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[:, 30:70] = 255  # exactly the middle square
    assert photos.fit(Image.fromarray(picture), 40).min() == 255
    upright = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 0, 2)))
    assert photos.fit(upright, 20).min() > 230  # Lanczos looks a little past the edge of the crop


def test_shrinking_does_not_alias():
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    assert np.abs(photos.fit(Image.fromarray(board), 32).astype(int) - 127).max() <= 2


def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path):
    Image.fromarray(np.full((20, 20), 32768, np.uint16)).save(tmp_path / "deep.png")
    assert (photos.read_photo(tmp_path / "deep.png", 16) == 128).all()


def test_float_gray_is_scaled_or_refused(tmp_path):
    Image.fromarray(np.full((20, 20), 0.5, np.float32)).save(tmp_path / "float.tiff")
    assert np.abs(photos.read_photo(tmp_path / "float.tiff", 16).astype(int) - 127.5).max() < 1
    for value in (-0.5, 200.0, np.nan):
        Image.fromarray(np.full((20, 20), value, np.float32)).save(tmp_path / "float.tiff")
        with pytest.raises(BrushportError, match=r"float\.tiff cannot be read: its gray values .*, not from 0 to 1;"):
            photos.read_photo(tmp_path / "float.tiff", 16)


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    palette = Image.new("RGB", (20, 20), (200, 30, 10)).quantize(4)
    palette.save(tmp_path / "palette.png", transparency=bytes([128, 255, 255, 255]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        photo = photos.read_photo(tmp_path / "palette.png", 16)
        photos.fit(Image.open(tmp_path / "palette.png"), 16)
    assert np.abs(photo.astype(int) - (200, 30, 10)).max() <= 4
    assert [str(warning.message) for warning in caught if warning.category is UserWarning] == []


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_every_mode_becomes_rgb(mode):
    assert photos.fit(Image.new(mode, (20, 20)), 16).shape == (16, 16, 3)


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tensor_and_back(value_range, channels):
    port = Port("image", (1, channels, 24, 32), value_range)
    photo = photos.default_photos(1, (24, 32))[0]
    photo[0, 0], photo[0, 1] = 0, 255
    tensor = photos.photo_to_tensor(photo, port)
    assert tensor.shape == port.shape
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor[0, :, 0, 0], value_range[0], atol=1e-4)
    np.testing.assert_allclose(tensor[0, :, 0, 1], value_range[1], rtol=1e-6)
    expected = photo / 255.0 if channels == 3 else np.asarray(Image.fromarray(photo).convert("L"))[..., None] / 255
    np.testing.assert_allclose(photos.tensor_to_picture(tensor, port), expected, atol=1e-6 if channels == 3 else 0.003)


def test_photo_samples_go_through_the_styles():
    samples = list(photos.photo_samples(photos.default_photos(3, (24, 32)), (RGB, Port("style", (1, 2)))))
    assert [s["style"].tolist() for s in samples] == [[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]]
    assert all(s["image"].shape == RGB.shape for s in samples)
    assert not np.array_equal(samples[0]["image"], samples[2]["image"])


def test_photo_samples_give_numbers_to_other_ports():
    ports = (RGB, Port("strength", ()), Port("noise", (1, 500)), Port("style", (4,)))
    shown = photos.default_photos(2, (24, 32))
    samples, again = (list(photos.photo_samples(shown, ports)) for _ in range(2))
    assert [list(sample) for sample in samples] == [["image", "strength", "noise", "style"]] * 2
    for sample, same in zip(samples, again, strict=True):
        assert sample["strength"].shape == ()
        assert sample["strength"] == 1.0
        assert abs(sample["noise"].mean()) < 0.2
        assert abs(sample["noise"].std() - 1) < 0.1
        assert sample["style"].shape == (4,)
        assert all(sample[name].dtype == np.float32 for name in sample)
        assert all(np.array_equal(sample[name], same[name]) for name in sample)
    assert not np.array_equal(samples[0]["noise"], samples[1]["noise"])


def test_every_picture_port_gets_a_photo_of_its_own():
    ports = (RGB, Port("painting", (1, 3, 16, 20), (0.0, 255.0)), Port("third", (1, 1, 24, 32), (0.0, 1.0)))
    shown = photos.default_photos(3, (24, 32))
    samples = list(photos.photo_samples(iter(shown), ports))
    pictures = [[photos.tensor_to_picture(sample[port.name], port) * 255 for sample in samples] for port in ports]
    expected = [shown[0][:, ::-1], shown[0], shown[1]]
    for picture, photo in zip(pictures[1], expected, strict=True):
        fitted = photos.fit(Image.fromarray(np.ascontiguousarray(photo)), (16, 20))
        np.testing.assert_allclose(picture, fitted, atol=1e-3)
    for index, photo in enumerate([shown[0][::-1], shown[1][::-1], shown[0]]):
        np.testing.assert_allclose(pictures[2][index][..., 0], photo.astype(np.float32) @ photos.LUMA, atol=1e-3)


def test_one_photo_again_and_again_is_still_two_pictures():
    ports = (RGB, Port("painting", RGB.shape, (0.0, 1.0)))
    for sample in photos.photo_samples(photos.default_photos(1, (24, 32)) * 2, ports):
        np.testing.assert_array_equal(sample["painting"], sample["image"][..., ::-1])


def test_picture_is_clipped_and_never_hides_what_is_not_finite():
    tensor = np.zeros(RGB.shape, np.float32)
    tensor[0, 0, 0, :4] = [-0.5, 1.5, np.inf, np.nan]
    picture = photos.tensor_to_picture(tensor, RGB)
    assert list(picture[0, :2, 0]) == [0.0, 1.0]
    assert np.isnan(picture[0, 2:4, 0]).all()


def test_wrong_size_and_wrong_port():
    with pytest.raises(BrushportError, match=r"image takes pictures of 24x32, this photo is 32x24"):
        photos.photo_to_tensor(np.zeros((32, 24, 3), np.uint8), RGB)
    with pytest.raises(BrushportError, match="style of shape"):
        photos.photo_to_tensor(np.zeros((24, 32, 3), np.uint8), Port("style", (1, 4)))
    with pytest.raises(BrushportError, match="is no picture"):
        photos.tensor_to_picture(np.zeros((1, 4)), Port("style", (1, 4)))
