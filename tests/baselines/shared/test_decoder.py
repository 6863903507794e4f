"""The plain decoder: what its steps depend on."""

import torch

from hsal_bench.baselines.shared.decoder import RecurrentDecoder

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


def _cell_by_cell(decoder, V, fed, gru):
    """The decoder of one volume [C, h, w], as its formulas are written: lists of scores and stops.

    e = embedding of the label before; q = W_q [h, e]; a = softmax over cells of q . k_i / sqrt(d);
    c = sum_i a_i v_i; h' = GRU([e, c], h).
    """
    cells = V.flatten(1).T
    keys = [
        decoder.key.weight @ v + decoder.key.bias + at
        for v, at in zip(cells, decoder.place, strict=True)
    ]
    h = torch.tanh(decoder.start.weight @ cells.mean(0) + decoder.start.bias)
    scores, stops, before = [], [], decoder.embed.weight[CLASSES]
    for label in fed:
        q = decoder.query.weight @ torch.cat([h, before]) + decoder.query.bias
        a = torch.softmax(torch.stack([q @ key for key in keys]) / len(q) ** 0.5, 0)
        x = torch.cat([before, sum(share * v for share, v in zip(a, cells, strict=True))])
        h = gru(decoder.gru, x, h)
        scores.append(decoder.classify.weight @ h + decoder.classify.bias)
        stops.append(decoder.stop.weight[0] @ h + decoder.stop.bias[0])
        before = decoder.embed.weight[label]
    return torch.stack(scores), torch.stack(stops)


def test_the_decoder_is_its_formulas(gru):
    decoder, V, fed = _decoder(), _volumes(2), torch.tensor([[2, 0, 3], [1, 1, 0]])
    decoded = decoder(V, 3, lambda t, scores: fed[:, t])
    for n in range(2):
        scores, stops = _cell_by_cell(decoder, V[n], fed[n], gru)
        assert torch.allclose(decoded.scores[n], scores, atol=1e-6)
        assert torch.allclose(decoded.stop[n], stops, atol=1e-6)


def test_where_an_object_lies_is_seen():
    decoder, V = _decoder(), _volumes(2)
    shifted = V.roll(1, dims=3)
    one, other = (decoder(x, 2, lambda t, scores: scores.argmax(1)) for x in (V, shifted))
    assert not torch.allclose(one.scores, other.scores)
