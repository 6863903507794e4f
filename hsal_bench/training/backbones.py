"""Activation models f_A: an image to an activation volume V (P§3, P§5 "Implementation Details").

`resnet34` is the paper's; `resnet34-layer3` and `resnet34-dilated` give it a finer grid, 14 x 14;
`small` is a network of this project's own for machines without a GPU. All take images in [0, 1]
and end in a ReLU, a global average pool and a linear classifier, which fine-tuning on single-object
images trains and the activation volume leaves out.
"""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hsal_bench.errors import UsageError, suggest
from hsal_bench.training.presets import INPUT_SIZE, Precision

VERSION = 2
"""Goes up when the same weights would compute other volumes: kept models and volumes are keyed by
it."""

LEAST_SIZE = 64
_UNREADABLE = (
    *(RuntimeError, ValueError, TypeError, EOFError, AttributeError),
    pickle.UnpicklingError,
)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ActivationModel(nn.Module):
    """Preprocessing, a convolutional `trunk` that ends in V, and the classifier on its mean."""

    def __init__(
        self,
        trunk: nn.Module,
        channels: int,
        num_classes: int,
        prepare: nn.Module,
    ) -> None:
        super().__init__()
        self.trunk, self.prepare = trunk, prepare
        self.precision = torch.float32
        self.classifier = nn.Linear(channels, num_classes)

    def volume(self, images: Float[Tensor, "batch c H W"]) -> Float[Tensor, "batch C h w"]:
        """Return V, post-ReLU, so >= 0; computed in `precision`, float32 all the same."""
        x = self.prepare(images)
        with torch.autocast(x.device.type, self.precision, self.precision != torch.float32):
            return self.trunk(x).float()

    def forward(self, images: Float[Tensor, "batch c H W"]) -> Float[Tensor, "batch classes"]:
        """Return class scores."""
        return self.classifier(self.volume(images).mean((2, 3)))


def build(
    name: str,
    image_channels: int,
    num_classes: int,
    weights: Path | None = None,
    precision: Precision = "float32",
    input_size: int | None = None,
) -> ActivationModel:
    """Return the activation model `name`, loaded from the file `weights` if given.

    weights: torchvision's of ResNet-34, or a model.pt of the same backbone, at any input size.
    input_size: pixels of the side to which it resizes images, None for the usual one.

    Raises:
        UsageError: no such model or size; a weights file that is missing or does not fit.
    """
    require(name, input_size)
    model = BACKBONES[name](image_channels, num_classes, weights)
    model.precision = getattr(torch, precision)
    if input_size is not None:
        cast(_ImagenetInput, model.prepare).size = input_size
    return model


def require(name: str, input_size: int | None = None) -> None:
    """Raise UsageError if there is no activation model of that name, or not of that input size."""
    if name not in BACKBONES:
        raise UsageError(f"no activation model {name!r}: {suggest(name, BACKBONES)}")
    if input_size is None:
        return
    if not name.startswith("resnet34"):
        raise UsageError(f"input size {input_size}: the backbone {name!r} takes images as they are")
    if input_size < LEAST_SIZE:
        raise UsageError(f"input size {input_size}: {name} takes {LEAST_SIZE} or more")


def _small(image_channels: int, num_classes: int, weights: Path | None) -> ActivationModel:
    """Return a residual network of four strided stages: 100 x 100 pixels to 192 x 7 x 7."""
    if weights is not None:
        raise UsageError(
            f"--backbone-weights {weights}: the model 'small' has no pretrained weights"
        )
    widths = (24, 48, 96, 192)
    stem = nn.Sequential(
        nn.Conv2d(image_channels, widths[0], 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(inplace=True),
    )
    blocks = [_Block(inputs, outputs) for inputs, outputs in pairwise(widths)]
    return ActivationModel(nn.Sequential(stem, *blocks), widths[-1], num_classes, _ChannelsLast())


class _Block(nn.Module):
    """A strided 3x3 convolution, then a residual 3x3 one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.norm_down = nn.BatchNorm2d(outputs)
        self.conv = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm_down(self.down(x)), inplace=True)
        return functional.relu(x + self.norm(self.conv(x)), inplace=True)


def _resnet34(image_channels: int, num_classes: int, weights: Path | None) -> ActivationModel:
    """Return ResNet-34 up to its last convolution: 512 x 7 x 7 for images of any size.

    An input size of n pixels gives ceil(n / 32) cells a side, n / 16 without the last stage's
    stride.
    """
    return _resnet34_stages(image_channels, num_classes, weights, 4)


def _resnet34_layer3(
    image_channels: int, num_classes: int, weights: Path | None
) -> ActivationModel:
    """Return ResNet-34 without its last stage: 256 x 14 x 14."""
    return _resnet34_stages(image_channels, num_classes, weights, 3)


def _resnet34_dilated(
    image_channels: int, num_classes: int, weights: Path | None
) -> ActivationModel:
    """Return ResNet-34 whose last stage dilates instead of striding: 512 x 14 x 14.

    Same weights, same receptive field, four times the cells (arXiv 1705.09914).
    """
    model = _resnet34_stages(image_channels, num_classes, weights, 4)
    last_stage = cast(nn.Sequential, model.trunk)[-1]
    for module in last_stage.modules():
        if isinstance(module, nn.Conv2d):
            _dilate(module)
    return model


def _dilate(convolution: nn.Conv2d) -> None:
    """Read every pixel and reach as far as before, on an input of twice the resolution."""
    strided = convolution.stride == (2, 2)
    convolution.stride = (1, 1)
    # The stage's first convolution, where the stride was, sees the previous stage's pixels yet.
    if convolution.kernel_size == (3, 3) and not strided:
        convolution.dilation, convolution.padding = (2, 2), (2, 2)


def _resnet34_stages(
    image_channels: int, num_classes: int, weights: Path | None, stages: int
) -> ActivationModel:
    from torchvision.models import resnet34

    if image_channels not in (1, 3):
        raise UsageError(f"resnet34 takes grey or RGB images, not {image_channels} channels")
    network = resnet34(weights=None)
    stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
    all_stages = (network.layer1, network.layer2, network.layer3, network.layer4)
    trunk = nn.Sequential(stem, *all_stages[:stages])
    model = ActivationModel(trunk, 64 * 2 ** (stages - 1), num_classes, _ImagenetInput())
    if weights is not None:
        _load(network, model, weights)
    return model


BACKBONES = {
    "resnet34": _resnet34,
    "resnet34-layer3": _resnet34_layer3,
    "resnet34-dilated": _resnet34_dilated,
    "small": _small,
}


def imagenet_weights() -> Path:
    """Return torchvision's ImageNet weights of ResNet-34 as a file, downloaded if need be.

    Raises:
        OSError: they are not on this machine and cannot be downloaded.
    """
    from torchvision.models import ResNet34_Weights

    url = ResNet34_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix="b627a593", progress=False)
    return path


def _load(network: nn.Module, model: ActivationModel, path: Path) -> None:
    """Load the model from its own state dict, or the network that its trunk is part of."""
    if not path.is_file():
        raise UsageError(f"no weights file {path}: give torchvision's resnet34 state dict (.pth)")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        (model if "classifier.weight" in state else network).load_state_dict(state)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{path} does not hold ResNet-34's weights ({reason}): give torchvision's state dict, "
            "or a model.pt of the same backbone and number of classes"
        ) from error


class _ChannelsLast(nn.Module):
    """The images as they are: pixels in [0, 1]."""

    def forward(self, images: Tensor) -> Tensor:
        # Black stays 0: with most of an image at -1, batch statistics swing with every update.
        return images.contiguous(memory_format=torch.channels_last)


class _ImagenetInput(nn.Module):
    """The images as ImageNet networks take them: RGB, `size` x `size` pixels, standardised."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.size = INPUT_SIZE
        # Buffers, so that they are on the device: a captured update cannot copy from the host.
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        size = (self.size, self.size)
        x = functional.interpolate(images, size, mode="bilinear", align_corners=False)
        x = (x.expand(-1, 3, -1, -1) - self.mean) / self.std
        return x.contiguous(memory_format=torch.channels_last)
