"""Activation models f_A from an image to a volume V (P§3, P§5 "Implementation Details").

`resnet34` is the paper's; `resnet34-layer3` and `resnet34-dilated` have a finer grid, 14 x 14;
`small` is this project's network for machines without a GPU. All take images in [0, 1] and end in a
ReLU, which gives the activation volume, and a global average pool and a linear classifier, which
are only used to fine-tune on single-object images.
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

from hsal_bench.errors import UsageError, near_path, suggest
from hsal_bench.training.presets import INPUT_SIZE, Precision, is_resnet34

VERSION = 2
"""Increased when the same weights would give different volumes: part of the key of stored models
and volumes."""

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
        """Return V >= 0 (after a ReLU) as float32, computed in `precision`."""
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

    weights: torchvision's for ResNet-34, or a model.pt of the same backbone at any input size.
    input_size: side in pixels to which it resizes images; None: the default.

    Raises:
        UsageError: there is no such model or size, or the weights file is missing or does not fit.
    """
    require(name, input_size)
    model = BACKBONES[name](image_channels, num_classes, weights)
    model.precision = getattr(torch, precision)
    if input_size is not None:
        cast(_ImagenetInput, model.prepare).size = input_size
    return model


def require(name: str, input_size: int | None = None) -> None:
    """Raise UsageError if the model does not exist or does not support the input size."""
    if name not in BACKBONES:
        raise UsageError(f"no activation model {name!r}: {suggest(name, BACKBONES)}")
    if input_size is None:
        return
    if not is_resnet34(name):
        raise UsageError(f"input size {input_size}: the backbone {name!r} does not resize images")
    if input_size < LEAST_SIZE:
        raise UsageError(f"input size {input_size}: {name} needs {LEAST_SIZE} or more")


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
    """Replace a stride by dilation: the same receptive field at twice the resolution."""
    strided = convolution.stride == (2, 2)
    convolution.stride = (1, 1)
    # The first, formerly strided convolution still sees the pixels of the previous stage.
    if convolution.kernel_size == (3, 3) and not strided:
        convolution.dilation, convolution.padding = (2, 2), (2, 2)


def _resnet34_stages(
    image_channels: int, num_classes: int, weights: Path | None, stages: int
) -> ActivationModel:
    from torchvision.models import resnet34

    if image_channels not in (1, 3):
        raise UsageError(f"resnet34 needs grey or RGB images, not {image_channels} channels")
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
    """Return torchvision's ImageNet weights of ResNet-34 as a file, downloaded if needed.

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
    """Load the state dict of the model, or of the network that contains its trunk."""
    if not path.is_file():
        remedy = near_path(path) or "give torchvision's resnet34 state dict (.pth)"
        raise UsageError(f"no weights file {path}: {remedy}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        (model if "classifier.weight" in state else network).load_state_dict(state)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{path} does not contain ResNet-34 weights ({reason}): give torchvision's state dict, "
            "or a model.pt of the same backbone and number of classes"
        ) from error


class _ChannelsLast(nn.Module):
    """Unchanged images: pixels in [0, 1]."""

    def forward(self, images: Tensor) -> Tensor:
        # Black stays 0: if most of an image were -1, batch statistics would fluctuate.
        return images.contiguous(memory_format=torch.channels_last)


class _ImagenetInput(nn.Module):
    """Images as input of ImageNet networks: RGB, `size` x `size` pixels, standardised."""

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
