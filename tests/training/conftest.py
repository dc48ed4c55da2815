import os

# Before torch starts its threads: the suite runs in several processes, each is given one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from PIL import Image
from skimage import data


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory):
    """A VGG of the normalized layout, a few channels wide, with random weights."""
    torch.manual_seed(0)
    shapes = {"0": (3, 3, 1), "2": (4, 3, 3), "5": (4, 4, 3), "9": (8, 4, 3), "12": (8, 8, 3), "16": (8, 8, 3)}
    state = {}
    for key, (outputs, inputs, kernel) in shapes.items():
        state[f"{key}.weight"] = torch.randn(outputs, inputs, kernel, kernel) / (inputs * kernel**2) ** 0.5
        state[f"{key}.bias"] = torch.zeros(outputs)
    path = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of four small photos."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(data, name)()).resize((160, 128)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def paintings(tmp_path_factory):
    """Two pictures that serve as paintings: one red with stripes, one of random blue blocks."""
    folder = tmp_path_factory.mktemp("paintings")
    torch.manual_seed(0)
    stripes = torch.zeros(96, 128, 3, dtype=torch.uint8)
    stripes[::8, :, 0] = 255
    blocks = torch.zeros(96, 128, 3, dtype=torch.uint8)
    blocks[..., 2] = torch.randint(0, 255, (12, 16), dtype=torch.uint8).repeat_interleave(8, 0).repeat_interleave(8, 1)
    paths = []
    for name, picture in (("stripes", stripes), ("blocks", blocks)):
        paths.append(folder / f"{name}.png")
        Image.fromarray(picture.numpy()).save(paths[-1])
    return paths
