"""Reading trained weights: torchvision's by name, or a file; one sentence when that cannot be done."""

import pickle
from pathlib import Path
from urllib.error import URLError

import torch
from torchvision.models import WeightsEnum

from validate.errors import BrushportError


def weights_by_name(weights: WeightsEnum, option: str) -> dict[str, torch.Tensor]:
    """The state dict of torchvision's ``weights``, downloaded once and then cached.

    Raises BrushportError when there is no network, naming the ``option`` that takes a file instead.
    """
    try:
        return weights.get_state_dict(progress=False, check_hash=True, map_location="cpu")
    except (URLError, OSError, RuntimeError) as error:
        raise BrushportError(
            f"torchvision's weights {weights} could not be downloaded ({error}); "
            f"give a file with {option} FILE instead."
        ) from error


def load_state(path: str | Path) -> dict[str, torch.Tensor]:
    """The state dict in a ``.pt`` or ``.pth`` file, on the CPU; nothing in the file is executed.

    Raises BrushportError when the file is missing or holds no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise BrushportError(f"The weights file '{path}' does not exist; check the path.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise unusable(path, "it is no PyTorch state dict") from error
    state = state.get("state_dict", state.get("model", state)) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise unusable(path, "it is no PyTorch state dict")
    return state


def unusable(path: str | Path, reason: str) -> BrushportError:
    """The error for a weights file that does not fit."""
    return BrushportError(f"The weights '{path}' cannot be used: {reason}; give another file.")
