"""Training: the curve, selection on the validation split, seeds, and losses that are no numbers."""

import dataclasses
import json
import math
from itertools import islice

import pytest
import torch

from hsal_bench.method.gradient import cosine
from hsal_bench.training import train as training
from hsal_bench.training.batches import training_batches


@pytest.mark.parametrize(("updates", "evaluated"), [(12, [0, 4, 8, 12]), (10, [0, 4, 8, 10])])
def test_the_curve_has_every_evaluation_from_update_0_to_the_last(toy, folder, updates, evaluated):
    run = toy.train(updates=updates)
    assert [line["update"] for line in run.curve] == evaluated
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert lines == run.curve


def test_the_best_state_on_the_validation_split_is_kept(toy):
    method = toy.method(learning_rate=0.3)
    run = toy.train(method)
    scores = {line["update"]: line["valid_exact_match"] for line in run.curve}
    assert run.best_score == max(scores.values())
    assert method.updates_done == run.best_update == max(scores, key=scores.get)


def test_scalars_are_averaged_over_the_updates_that_have_them(toy):
    class Talkative(toy.Method):
        def loss(self, batch):
            losses = super().loss(batch)
            return losses | {"even": torch.tensor(3)} if self.updates_done % 2 else losses

    last = toy.train(toy.method(Talkative), updates=4).curve[-1]
    assert last["even"] == 2 * 3 / 4
    plain = toy.train(folder="plain", updates=4).curve[-1]
    assert last["loss"] == pytest.approx(plain["loss"], abs=1e-6)


def test_the_clock_covers_every_evaluation(toy):
    run = toy.train()
    assert run.seconds >= run.validating > 0.0
    assert run.cpu_seconds > 0.0


def test_a_curve_without_a_number_stays_json():
    scores = {"exact_match": 0.5, "macro_f1": 0.5, "attn_saliency": float("nan")}
    assert training.validation(scores) == {"valid_exact_match": 0.5, "valid_macro_f1": 0.5}


@pytest.mark.parametrize(("save_every", "noticed_at"), [(training.SAVE_EVERY, 8), (0.0, 5)])
def test_a_checkpoint_is_never_of_a_diverged_state(
    toy, folder, monkeypatch, save_every, noticed_at
):
    monkeypatch.setattr(training, "SAVE_EVERY", save_every)
    monkeypatch.setattr(training, "SAVE_SHARE", math.inf)
    message = f"loss is nan between updates 4 and {noticed_at}"
    with pytest.raises(training.Diverged, match=message):
        toy.train(toy.method(diverge_at=5))
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert state["run"]["update"] == 4
    assert all(torch.isfinite(v).all() for v in state["method"]["network"].values())


def test_a_gradient_that_is_not_finite_is_noticed(toy):
    class Steep(toy.Method):
        def loss(self, batch):
            total = super().loss(batch)["loss"]
            # The square root's slope at zero is infinite; its value is not.
            return {"loss": total + (self.network.weight * 0.0).abs().sum().sqrt()}

    # One update, so that no loss is computed with the weights it spoils.
    with pytest.raises(training.Diverged, match="gradient_norm is nan between updates 0 and 1"):
        toy.train(toy.method(Steep), updates=1)


def test_a_loss_too_large_for_a_record_is_reported_as_diverged(toy):
    method = toy.method()
    method.update = lambda batch: {"loss": torch.tensor(1e300, dtype=torch.float64)}
    with pytest.raises(training.Diverged, match=r"loss is 1e\+300 between updates 0 and 4"):
        toy.train(method)


def test_dropout_is_seeded_on_a_gpu_as_on_a_cpu(toy, monkeypatch):
    """Before every update, on the GPU of the method, from the seed and the update."""
    seeds = []
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: seeds.append(("gpu", index)))
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    method = toy.method()
    method.setup = dataclasses.replace(method.setup, seed=3, device=torch.device("cuda", 1))
    for batch in islice(training_batches(toy.data["train"], 8, 0), 2):
        method.update(batch)
    assert seeds == [
        *(("gpu", 1), (3 << 32) + 1, ("gpu", 0)),
        *(("gpu", 1), (3 << 32) + 2, ("gpu", 0)),
    ]


def test_the_same_seed_gives_the_same_network_and_leaves_the_global_state_alone(toy):
    state = torch.random.get_rng_state()
    assert toy.weights(toy.method()) == toy.weights(toy.method())
    assert torch.equal(state, torch.random.get_rng_state())


def test_cosine_falls_from_one_to_zero():
    assert [cosine(x) for x in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.5, 0.0])
