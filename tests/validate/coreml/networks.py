"""Small PyTorch networks that between them use most of what image networks are made of."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F


def randomize_norms(net: nn.Module) -> nn.Module:
    """Give every batch norm statistics and weights that leave a mark when they are mixed up."""
    for module in net.modules():
        if isinstance(
            module,
            nn.BatchNorm2d | nn.BatchNorm3d | nn.InstanceNorm1d | nn.InstanceNorm2d | nn.GroupNorm | nn.LayerNorm,
        ):
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
                nn.init.uniform_(module.running_mean, -0.2, 0.2)
                nn.init.uniform_(module.running_var, 0.6, 1.5)
            if module.weight is not None:
                nn.init.uniform_(module.weight, 0.7, 1.3)
                nn.init.uniform_(module.bias, -0.3, 0.3)
    return net.eval()


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=True),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def johnson(width: int = 8, blocks: int = 2) -> nn.Module:
    """Johnson et al.'s style network: reflection padding, instance norm, residuals, nearest upsampling."""
    layers: list[nn.Module] = []
    for before, after, kernel, stride in ((3, width, 9, 1), (width, 2 * width, 3, 2), (2 * width, 4 * width, 3, 2)):
        layers += [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(before, after, kernel, stride)]
        layers += [nn.InstanceNorm2d(after, affine=True), nn.ReLU()]
    layers += [Residual(4 * width) for _ in range(blocks)]
    for before, after in ((4 * width, 2 * width), (2 * width, width)):
        layers += [nn.Upsample(scale_factor=2, mode="nearest"), nn.ReflectionPad2d(1), nn.Conv2d(before, after, 3)]
        layers += [nn.InstanceNorm2d(after, affine=True), nn.ReLU()]
    return nn.Sequential(*layers, nn.ReflectionPad2d(4), nn.Conv2d(width, 3, 9), nn.Sigmoid())


class UNet(nn.Module):
    """Depthwise-separable encoder and decoder with skips, hard-swish and bilinear upsampling."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.ModuleList(self._block(width * 2**i, width * 2 ** (i + 1), 2) for i in range(3))
        self.up = nn.ModuleList(
            self._block(width * 2 ** (i + 1) + width * 2**i, width * 2**i, 1) for i in reversed(range(3))
        )
        self.head = nn.Conv2d(width, 3, 1)

    @staticmethod
    def _block(before: int, after: int, stride: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
            nn.Conv2d(before, after, 1),
            nn.BatchNorm2d(after),
            nn.Hardswish(),
        )

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.stem(x)]
        for block in self.down:
            skips.append(block(skips[-1]))
        x = skips.pop()
        for block in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skips.pop()], dim=1))
        return torch.tanh(self.head(x)) * 0.5 + 0.5


def espcn() -> nn.Module:
    """Super-resolution by pixel shuffle."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2),
        nn.Tanh(),
        nn.Conv2d(16, 12, 3, padding=1),
        nn.PixelShuffle(2),
        nn.PixelUnshuffle(2),
        nn.Conv2d(12, 27, 3, padding=1),
        nn.PixelShuffle(3),
    )


def decoder() -> nn.Module:
    """Transposed convolutions: strides, output padding, groups, dilation, odd kernels."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, 4),
        nn.ConvTranspose2d(16, 16, 3, 2, 1, output_padding=1),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(16, 16, 4, 2, 1, groups=4),
        nn.PReLU(16),
        nn.ConvTranspose2d(16, 8, 5, 3, 2, output_padding=(2, 1), bias=False),
        nn.ELU(),
        nn.ConvTranspose2d(8, 3, 3, 1, 2, dilation=2),
    )


class Generator(nn.Module):
    """A DCGAN generator, its noise drawn from the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.latent = nn.Linear(48, 32)
        layers: list[nn.Module] = [nn.ConvTranspose2d(32, 32, 4, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
        for before, after in ((32, 16), (16, 16), (16, 8)):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        noise = self.latent(F.adaptive_avg_pool2d(x, 4).flatten(1) * 8 - 4)
        return self.net(noise[:, :, None, None])


class Atrous(nn.Module):
    """DeepLab's pyramid: dilated, grouped and asymmetric convolutions, global pooling, a bilinear way back."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU6())
        self.branches = nn.ModuleList(
            nn.Conv2d(16, 8, 3, padding=rate, dilation=rate, groups=groups) for rate, groups in ((1, 1), (3, 2), (6, 8))
        )
        self.wide = nn.Conv2d(16, 8, (1, 5), padding=(0, 2))
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 8, 1), nn.ReLU())
        self.head = nn.Conv2d(40, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        parts = [branch(y) for branch in self.branches] + [self.wide(y)]
        parts.append(F.interpolate(self.pool(y), size=y.shape[-2:], mode="bilinear", align_corners=False))
        return F.interpolate(self.head(torch.cat(parts, 1)), size=x.shape[-2:], mode="bilinear", align_corners=True)


class Attention(nn.Module):
    """Non-local block and squeeze-and-excitation over convolutional features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 8, 8)
        self.attend = nn.MultiheadAttention(16, 4, batch_first=True)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.SiLU(), nn.Conv2d(4, 16, 1))
        self.head = nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x) * 3
        tokens = y.flatten(2).transpose(1, 2)
        tokens = tokens + self.attend(tokens, tokens, tokens, need_weights=False)[0]
        tokens = tokens + F.scaled_dot_product_attention(tokens, tokens, tokens)
        y = tokens.transpose(1, 2).reshape(y.shape)
        return self.head(y * torch.sigmoid(self.gate(y)))


class ShiftedWindows(nn.Module):
    """A Swin block: windows shifted by a roll, multi-head attention with a position bias and a mask."""

    def __init__(self, channels: int = 16, heads: int = 2, window: int = 4) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.patches = nn.Conv2d(3, channels, 4, 4)
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.bias = nn.Parameter(torch.randn(heads, window**2, window**2))
        self.register_buffer("mask", torch.where(torch.rand(16, 1, 16, 16) > 0.2, 0.0, -100.0))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.roll(self.norm(self.patches(x).permute(0, 2, 3, 1)), (-2, -2), (1, 2))
        w, c = self.window, 16
        tokens = y.reshape(1, 4, w, 4, w, c).permute(0, 1, 3, 2, 4, 5).reshape(16, w * w, c)
        q, k, v = self.qkv(tokens).reshape(16, w * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5 + self.bias + self.mask
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(1, 4, 4, w, w, c)
        return torch.roll(mixed.permute(0, 1, 3, 2, 4, 5).reshape(1, 16, 16, c), (2, 2), (1, 2)).permute(0, 3, 1, 2)


class LayerScale(nn.Module):
    """A ConvNeXt block: 7×7 depthwise, layer norm over channels, exact GELU."""

    def __init__(self, channels: int, approximate: str) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-5)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(approximate), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.mlp(y).permute(0, 3, 1, 2)


def convnext() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 24, 4, 4), LayerScale(24, "none"), LayerScale(24, "tanh"))


class Norms(nn.Module):
    """Every normalization, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.norms = nn.ModuleList(
            [
                nn.BatchNorm2d(16),
                nn.InstanceNorm2d(16, affine=True),
                nn.InstanceNorm2d(16),
                nn.GroupNorm(4, 16),
                nn.LayerNorm([16, 32, 32]),
                nn.LocalResponseNorm(5, alpha=0.1, k=2.0),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x) * 2
        parts = [norm(y) for norm in self.norms]
        return torch.cat([*parts, F.normalize(y, dim=1) * 3], 1)


class Upsampling(nn.Module):
    """Every interpolation."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 2)
        parts = [
            F.interpolate(x, scale_factor=2, mode="nearest"),
            F.interpolate(x, size=(64, 64), mode="nearest"),
            F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
            F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
            F.interpolate(x, size=(64, 64), mode="bilinear", align_corners=False),
            F.interpolate(x, size=(64, 64), mode="bilinear", align_corners=True),
            F.interpolate(F.interpolate(x, size=(48, 80), mode="nearest"), size=(64, 64), mode="bilinear"),
            F.interpolate(F.interpolate(x, size=(20, 44), mode="bilinear"), size=(64, 64), mode="nearest"),
        ]
        return torch.cat(parts, 1)


class Pooling(nn.Module):
    """Pools whose windows overhang, overlap and are padded."""

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :63, :61] - 0.3
        parts = [
            F.max_pool2d(x, 3, 2, 1),
            F.max_pool2d(x, 3, 2, ceil_mode=True)[..., :31, :30],
            F.avg_pool2d(x, 3, 2, 1),
            F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
            F.avg_pool2d(x, 2, 2, ceil_mode=True),
            F.avg_pool2d(x, 4, 2, 1, ceil_mode=True),
            F.max_pool2d(x, (5, 3), (2, 2), (2, 1)),
        ]
        return torch.cat([part[..., :31, :30] for part in parts], 1)


class Activations(nn.Module):
    """Every activation."""

    def __init__(self) -> None:
        super().__init__()
        self.all = nn.ModuleList(
            [
                nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.1), nn.PReLU(3), nn.ELU(0.7), nn.GELU(), nn.GELU("tanh"),
                nn.Sigmoid(), nn.Hardsigmoid(), nn.Hardswish(), nn.SiLU(), nn.Mish(), nn.Softplus(),
                nn.Softplus(beta=2.0, threshold=50), nn.Softsign(), nn.Tanh(), nn.Hardtanh(-0.5, 0.8),
                nn.Threshold(0.1, 0.0), nn.LogSoftmax(1), nn.Softmax(1), nn.SELU(), nn.Softmax(3),
            ]
        )  # fmt: skip
        nn.init.uniform_(self.all[3].weight, 0.1, 0.4)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, ::4, 1::4] * 6 - 3
        return torch.cat([activation(x) for activation in self.all], 1)


class Arithmetic(nn.Module):
    """Elementwise functions, comparisons, reductions and indexing."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 1.5 + 0.25
        parts = [
            torch.exp(-y), torch.log(y), torch.sqrt(y), torch.rsqrt(y), 1 / y, torch.sin(y), torch.cos(y), y**1.5,
            torch.erf(y), torch.abs(x - 0.5), torch.where(x > 0.5, x, -y), torch.clamp(y, 0.4, 1.2),
            torch.maximum(x, 1 - x), torch.minimum(x, 1 - x), torch.floor(y * 4) / 4, x.flip(3), torch.atan(y),
            x - x.mean((2, 3), keepdim=True), x / x.amax((2, 3), keepdim=True), x.roll(3, 2),
            torch.stack(x.chunk(4, dim=2)).sum(0).repeat(1, 1, 4, 1), torch.cumsum(x / 16, 3),
            x.std((2, 3), keepdim=True) + x, F.pad(x[..., 2:-3], (2, 3), value=0.5),
            F.pad(x[:, :, 4:], (0, 0, 1, 3), "replicate"),
            x.gather(3, torch.arange(63, -1, -1).expand(1, 3, 64, 64)), x.index_select(1, torch.tensor([2, 0, 1])),
            F.unfold(x, 2, stride=2).reshape(1, 3, 64, 64), x.topk(64, dim=3)[0], (x > 0.3).float() * (x <= 0.7),
            torch.remainder(y, 0.3) * 0 + torch.sign(x - 0.5),
            torch.einsum("bchw,bwhu->bchu", x, x.transpose(1, 3)[:, :, :, :2]).mean(3, keepdim=True) + x,
        ]  # fmt: skip
        return torch.cat(parts, 1)


class GridSample(nn.Module):
    """Warping by an affine map and by a fixed flow that leads out of the picture."""

    def __init__(self) -> None:
        super().__init__()
        y, x = torch.meshgrid(torch.linspace(-1.2, 1.1, 48), torch.linspace(-0.9, 1.3, 56), indexing="ij")
        self.register_buffer("flow", torch.stack([x + 0.1 * y, y - 0.2 * x], -1)[None])

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 8)  # fp16 coordinates are off by a share of the picture, so keep it coarse
        theta = torch.tensor([[[0.9, 0.2, 0.1], [-0.15, 1.1, -0.05]]])
        parts = [F.grid_sample(x, F.affine_grid(theta, [1, 3, 48, 56], align_corners=True), align_corners=True)]
        for padding in ("zeros", "border", "reflection"):
            parts += [F.grid_sample(x, self.flow, "bilinear", padding, align) for align in (True, False)]
        return torch.cat(parts, 1)


class Volumes(nn.Module):
    """Convolutions, poolings and norms over three dimensions, and over one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(1, 6, 3, (1, 2, 2), 1), nn.BatchNorm3d(6), nn.ReLU())
        self.body = nn.Conv3d(6, 6, (2, 3, 3), dilation=(1, 2, 2), padding=(0, 2, 2), groups=3)
        self.up = nn.ConvTranspose3d(6, 4, (2, 4, 4), (1, 2, 2), (0, 1, 1))
        self.line = nn.Sequential(nn.Conv1d(4, 6, 5, 2, 2), nn.InstanceNorm1d(6, affine=True), nn.MaxPool1d(3, 2, 1))
        self.back = nn.ConvTranspose1d(6, 4, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(self.body(self.stem(x[:, None])))
        z = F.max_pool3d(y, (2, 3, 3), 2, (1, 1, 1)) + F.avg_pool3d(y, 2, 2, ceil_mode=True, count_include_pad=False)
        lines = self.back(self.line(z.flatten(2)[..., :1024]))
        return z.flatten(2)[..., :1024] + F.avg_pool1d(lines, 3, 1, 1)


def _vit() -> nn.Module:
    net = torchvision.models.VisionTransformer(64, 16, 2, 4, 48, 96, num_classes=20)
    nn.init.normal_(net.heads.head.weight, std=0.2)  # torchvision starts it at zero
    return net


def _densenet() -> nn.Module:
    return torchvision.models.DenseNet(8, (2, 2), 16, num_classes=20)


def _lraspp() -> nn.Module:
    from torchvision.models.segmentation.lraspp import LRASPPHead

    class Segment(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.Hardswish())
            self.high = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.Hardswish())
            self.head = LRASPPHead(8, 16, 5, 16)

        def forward(self, x: Tensor) -> Tensor:
            low = self.low(x)
            return F.interpolate(self.head({"low": low, "high": self.high(low)}), size=(64, 64), mode="bilinear")

    return Segment()


EXPORTED = ("atrous", "attention", "vit", "activations", "shufflenet_v2_x0_5")
"""Networks that go through ``torch.export``, the others through ``torch.jit.trace``."""

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "johnson": johnson,
    "unet": UNet,
    "espcn": espcn,
    "decoder": decoder,
    "generator": Generator,
    "atrous": Atrous,
    "attention": Attention,
    "convnext": convnext,
    "norms": Norms,
    "upsampling": Upsampling,
    "pooling": Pooling,
    "activations": Activations,
    "arithmetic": Arithmetic,
    "grid_sample": GridSample,
    "volumes": Volumes,
    "shifted_windows": ShiftedWindows,
    "vit": _vit,
    "densenet": _densenet,
    "shufflenet_v2_x0_5": torchvision.models.shufflenet_v2_x0_5,
    "lraspp": _lraspp,
    "mobilenet_v3_small": torchvision.models.mobilenet_v3_small,
    "squeezenet1_1": torchvision.models.squeezenet1_1,
    "resnet18": torchvision.models.resnet18,
}
