"""Activation models: the shapes of V, their weights, what is refused."""

import pytest
import torch

from hsal_bench.errors import UsageError
from hsal_bench.training import backbones


@pytest.mark.parametrize(
    ("name", "channels", "volume"),
    [
        ("small", 1, (192, 7, 7)),
        ("resnet34", 3, (512, 7, 7)),
        ("resnet34-layer3", 3, (256, 14, 14)),
        ("resnet34-dilated", 1, (512, 14, 14)),
    ],
)
@torch.no_grad()
def test_volumes_have_the_paper_s_grid_and_are_not_negative(name, channels, volume):
    model = backbones.build(name, channels, 10).eval()
    images = torch.rand(2, channels, 100, 100, generator=torch.Generator().manual_seed(0))
    V = model.volume(images)
    assert V.shape == (2, *volume)
    assert float(V.min()) >= 0.0
    assert model(images).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "size", "grid"),
    [("resnet34", 224, 7), ("resnet34", 112, 4), ("resnet34-layer3", 112, 7)],
)
@torch.no_grad()
def test_the_input_size_decides_the_grid_and_nothing_else(name, size, grid):
    torch.manual_seed(0)
    model = backbones.build(name, 1, 10, input_size=size).eval()
    torch.manual_seed(0)
    usual = backbones.build(name, 1, 10).eval()
    assert usual.state_dict().keys() == model.state_dict().keys()
    images = torch.rand(1, 1, 100, 100, generator=torch.Generator().manual_seed(0))
    assert model.volume(images).shape[2:] == (grid, grid)
    assert torch.equal(model.volume(images), usual.volume(images)) == (size == 224)


@torch.no_grad()
def test_bfloat16_volumes_are_near_those_of_float32():
    images = torch.rand(2, 1, 100, 100, generator=torch.Generator().manual_seed(0))
    volumes = {}
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        model = backbones.build("small", 1, 10, precision=precision).eval()
        volumes[precision] = model.volume(images)
    exact, rough = volumes["float32"], volumes["bfloat16"]
    assert exact.dtype == rough.dtype == torch.float32
    assert not torch.equal(exact, rough)
    assert (exact - rough).norm() < 0.02 * exact.norm()


@torch.no_grad()
def test_a_grey_image_is_seen_by_resnet_as_the_same_image_in_rgb():
    model = backbones.build("resnet34", 1, 10).eval()
    grey = torch.rand(1, 1, 100, 100, generator=torch.Generator().manual_seed(0))
    V = model.volume(grey)
    assert torch.allclose(V, model.volume(grey.expand(1, 3, 100, 100)), rtol=1e-4, atol=1e-2)


@torch.no_grad()
def test_every_other_cell_of_the_dilated_network_is_a_cell_of_the_strided_one():
    torch.manual_seed(0)
    strided = backbones.build("resnet34", 1, 10).eval()
    dilated = backbones.build("resnet34-dilated", 1, 10).eval()
    dilated.load_state_dict(strided.state_dict())
    images = torch.rand(1, 1, 100, 100, generator=torch.Generator().manual_seed(0))
    fine, coarse = dilated.volume(images), strided.volume(images)
    assert torch.allclose(fine[:, :, ::2, ::2], coarse, rtol=1e-3, atol=1e-3 * coarse.max())


def test_weights_are_loaded_from_a_file(tmp_path):
    from torchvision.models import resnet34

    torch.manual_seed(0)
    network = resnet34(weights=None)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    model = backbones.build("resnet34", 3, 10, tmp_path / "weights.pth")
    assert torch.equal(model.trunk[0][0].weight, network.conv1.weight)


@torch.no_grad()
def test_weights_are_loaded_from_a_model_of_another_input_size(tmp_path):
    path = tmp_path / "model.pt"
    trained = backbones.build("resnet34", 1, 10, input_size=64).eval()
    torch.save(trained.half().state_dict(), path)
    model = backbones.build("resnet34-dilated", 3, 10, path, input_size=96).eval()
    assert model.state_dict().keys() == trained.state_dict().keys()
    for name, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[name], value.to(model.state_dict()[name].dtype))
    with pytest.raises(UsageError, match=r"a model\.pt of the same backbone and number of classes"):
        backbones.build("resnet34", 1, 7, path)
    with pytest.raises(UsageError, match=r"a model\.pt of the same backbone and number of classes"):
        backbones.build("resnet34-layer3", 1, 10, path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("resnet34", None, "no weights file .*weights.pth: give torchvision's"),
        ("resnet34", b"nonsense", "does not contain ResNet-34 weights"),
        ("small", b"", "the model 'small' has no pretrained weights"),
        ("resnet50", b"", "no activation model 'resnet50': did you mean 'resnet34'"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(tmp_path, name, content, message):
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        backbones.build(name, 3, 10, path)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("small", 112, "input size 112: the backbone 'small' does not resize images"),
        ("resnet34", 63, "input size 63: resnet34 needs 64 or more"),
    ],
)
def test_an_input_size_that_does_not_fit_is_refused(name, size, message):
    with pytest.raises(UsageError, match=message):
        backbones.build(name, 3, 10, input_size=size)


def test_other_weights_than_resnet_s_are_refused(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "weights.pth")
    with pytest.raises(UsageError, match="does not contain ResNet-34 weights"):
        backbones.build("resnet34", 3, 10, tmp_path / "weights.pth")
