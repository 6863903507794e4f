"""The class reward of a sequence, against the paper's reward in plain Python."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.baselines.shared import losses
from hsal_bench.metrics.multiset import counts_from_labels

NUM_CLASSES, STOP = 4, 4
quick = settings(deadline=None, max_examples=60)
rows = st.lists(st.integers(-1, STOP), min_size=1, max_size=7)
predictions = st.lists(st.integers(0, STOP), min_size=1, max_size=7)
same_width = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, NUM_CLASSES - 1), min_size=width, max_size=width),
        min_size=1,
        max_size=5,
    )
)
batches = same_width.map(torch.tensor)


def reward_of_the_paper(truth, predicted):
    """P§4.2, as it is written there."""
    available, rewards = list(truth), []
    for label in predicted:
        rewards.append(1.0 if label in available else -1.0)
        if label in available:
            available.remove(label)
    return rewards


@quick
@given(batches, st.data())
def test_reward_is_the_papers(truth, data):
    row = st.lists(st.integers(0, STOP), min_size=5, max_size=5)
    y_hat = torch.tensor(data.draw(st.lists(row, min_size=len(truth), max_size=len(truth))))
    counts = counts_from_labels(truth, NUM_CLASSES)
    pairs = zip(truth.tolist(), y_hat.tolist(), strict=True)
    expected = [reward_of_the_paper(*pair) for pair in pairs]
    assert losses.sequence_reward(counts, y_hat).tolist() == expected


@quick
@given(rows, st.randoms(use_true_random=False), st.data())
def test_order_of_labels_and_of_predictions_does_not_matter(truth, random, data):
    y_hat = data.draw(predictions)
    other_truth, other_y_hat = random.sample(truth, len(truth)), random.sample(y_hat, len(y_hat))
    counts = counts_from_labels(torch.tensor([truth]), NUM_CLASSES)
    other_counts = counts_from_labels(torch.tensor([other_truth]), NUM_CLASSES)
    reward = losses.sequence_reward(counts, torch.tensor([y_hat]))
    assert torch.equal(reward, losses.sequence_reward(other_counts, torch.tensor([y_hat])))
    assert reward.sum() == losses.sequence_reward(counts, torch.tensor([other_y_hat])).sum()


def test_reward_by_hand():
    counts = torch.tensor([[0, 2, 1]])
    y_hat = torch.tensor([[1, 1, 1, 0, 3, 2]])
    assert losses.sequence_reward(counts, y_hat).tolist() == [[1, 1, -1, -1, -1, 1]]
