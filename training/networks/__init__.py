"""The networks, by name."""

from torch import nn

from training.networks.mobilenetv3 import MobileNetV3
from training.networks.unet import UNet

NETWORKS: dict[str, type[nn.Module]] = {"unet": UNet, "mobilenetv3": MobileNetV3}
