"""The plain decoder: what its steps depend on."""

import torch

from hsal_bench.baselines.decoder import RecurrentDecoder

SHAPE, CLASSES = (6, 3, 3), 4


def _decoder(seed=0):
    torch.manual_seed(seed)
    return RecurrentDecoder(SHAPE, CLASSES, hidden=8, embedding=5).eval()


def _volumes(size, seed=0):
    return torch.rand(size, *SHAPE, generator=torch.Generator().manual_seed(seed))


def test_each_sequence_of_an_image_is_decoded_as_if_alone():
    decoder, V = _decoder(), _volumes(3)
    fed = torch.randint(CLASSES, (6, 4), generator=torch.Generator().manual_seed(1))
    together = decoder(V, 4, lambda t, scores: fed[:, t], sequences=2)
    alone = decoder(V.repeat_interleave(2, 0), 4, lambda t, scores: fed[:, t])
    assert torch.allclose(together.scores, alone.scores, atol=1e-6)
    assert torch.allclose(together.stop, alone.stop, atol=1e-6)


def test_a_step_depends_on_the_labels_before_it_alone():
    decoder, V = _decoder(), _volumes(1)
    one, other = torch.tensor([[0, 1, 2, 3]]), torch.tensor([[0, 1, 3, 3]])
    first, second = (decoder(V, 4, lambda t, scores, y=y: y[:, t]) for y in (one, other))
    assert torch.equal(first.scores[:, :3], second.scores[:, :3])
    assert not torch.allclose(first.scores[:, 3], second.scores[:, 3])


def test_where_an_object_lies_is_seen():
    decoder, V = _decoder(), _volumes(2)
    shifted = V.roll(1, dims=3)
    one, other = (decoder(x, 2, lambda t, scores: scores.argmax(1)) for x in (V, shifted))
    assert not torch.allclose(one.scores, other.scores)
