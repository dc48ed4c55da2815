import numpy as np
import pytest
import torch
from PIL import Image

from training.hub_batches import HubBatches, Photos
from validate.errors import BrushportError, UnsupportedError
from validate.ports import Port

PICTURE, STYLE = Port("image", (1, 3, 24, 32), (-1.0, 1.0)), Port("style", (1, 3), None)
RAMP = np.arange(24 * 32 * 3, dtype=np.int64).reshape(24, 32, 3).astype(np.uint8)


def batches(inputs=(PICTURE, STYLE), crop=16, batch=2, seed=0, photos=(RAMP, 255 - RAMP)):
    return HubBatches(inputs, list(photos), crop, batch, seed)


def test_a_batch_depends_on_seed_and_step_alone():
    for one, other in zip(batches()(3), batches()(3), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(batches()(3)[0], batches()(4)[0])
    assert not torch.equal(batches()(3)[0], batches(seed=1)(3)[0])


def test_pictures_are_crops_in_the_range_of_the_port():
    picture, style = batches(photos=[RAMP])(0)
    assert picture.shape == (2, 3, 16, 16)
    assert style.shape == (2, 3)
    values = ((picture + 1) * 127.5).round().to(torch.uint8).numpy().transpose(0, 2, 3, 1)
    windows = np.lib.stride_tricks.sliding_window_view(RAMP, (16, 16, 3))[:, :, 0]
    for cut in values:
        assert any((windows == turned).all(axis=(2, 3, 4)).any() for turned in (cut, cut[:, ::-1]))


def test_inputs_come_in_the_order_of_the_hub():
    style, picture = batches(inputs=(STYLE, PICTURE))(0)
    assert (style.ndim, picture.ndim) == (2, 4)


def test_styles_are_pure_or_blends_that_sum_to_1():
    weights = torch.cat([batches()(step)[1] for step in range(30)])
    torch.testing.assert_close(weights.sum(1), torch.ones(60))
    pure = weights.max(1).values == 1
    assert 15 < pure.sum() < 45
    assert set(weights[pure].argmax(1).tolist()) == {0, 1, 2}


def test_whole_photos_come_in_every_style_or_in_turn():
    every = list(batches().whole([RAMP, RAMP]))
    assert [weights.argmax().item() for _, weights in every] == [0, 1, 2, 0, 1, 2]
    assert all(picture.shape == (1, 3, 24, 32) for picture, _ in every)
    turn = list(batches().whole([RAMP] * 4, styles=False))
    assert [weights.argmax().item() for _, weights in turn] == [0, 1, 2, 0]


def test_from_a_step_on_crops_are_larger():
    inputs = (PICTURE, STYLE)
    one, other = HubBatches(inputs, [RAMP], 8, 2, 0), HubBatches(inputs, [RAMP], 8, 2, 0, 3, 16)
    assert torch.equal(one(2)[0], other(2)[0])
    assert other(3)[0].shape == (2, 3, 16, 16)
    picture, style = HubBatches(inputs, [RAMP], 8, 2, 0, 3, 64)(3)  # larger than the photo: all of it
    assert (picture.shape, style.shape) == ((2, 3, 24, 32), (2, 3))
    values = ((picture + 1) * 127.5).round().to(torch.uint8).numpy().transpose(0, 2, 3, 1)
    assert all((value == RAMP).all() or (value == RAMP[:, ::-1]).all() for value in values)


def test_two_pictures_cannot_be_distilled():
    with pytest.raises(UnsupportedError, match=r"takes image .*, other "):
        batches(inputs=(PICTURE, Port("other", (1, 3, 8, 8), (0.0, 1.0))))


def test_photos_to_judge_by_are_not_learned_on(tmp_path):
    for index in range(20):
        Image.fromarray(RAMP).save(tmp_path / f"{index:02}.png")
    photos = Photos.of(tmp_path, (24, 32))
    assert (len(photos.learned), len(photos.judged)) == (18, 2)
    assert not set(photos.learned) & set(photos.judged)
    with pytest.raises(BrushportError, match="does not exist"):
        Photos.of(tmp_path / "none", (24, 32))


def test_a_single_photo_is_both(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "one.png")
    photos = Photos.of(tmp_path, (24, 32))
    assert photos.learned == photos.judged == [tmp_path / "one.png"]


def test_bundled_photos_are_learned_on_where_no_folder_is_named(monkeypatch):
    monkeypatch.setattr("training.hub_batches.BUNDLED", 2)
    photos = Photos.of(None, (24, 32))
    assert (len(photos.learned), len(photos.judged)) == (2, 3)
    assert photos.judged[0].shape == (24, 32, 3)
