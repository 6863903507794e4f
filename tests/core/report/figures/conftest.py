"""A finished run of a toy method that shows where it looks, and figures drawn from it."""

import dataclasses

import pytest
import torch

from hsal_bench.data.file import open_data
from hsal_bench.method.contract import Prediction, Trace
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.record import DataSet, write_record
from hsal_bench.report.figures import paper, style
from hsal_bench.training import states

CURVE = (
    {"update": 0, "valid_exact_match": 0.0, "valid_macro_f1": 0.1, "valid_attn_saliency": 5.0},
    {"update": 10, "valid_exact_match": 0.4, "valid_macro_f1": 0.5, "valid_attn_saliency": 9.0},
)
METRICS = {"macro_f1": 0.5, "attn_saliency": 9.5, "attn_saliency_chance": 4.0}


@dataclasses.dataclass(frozen=True)
class Config:
    breaks: bool = False


class Looker:
    """Predicts the class it has learnt, then stop; where it looks is its state, too."""

    Config = Config
    inputs = "images"

    def __init__(self, task, config, setup):
        self.task, self.breaks, self.learnt = task, config.breaks, None

    def load_state_dict(self, state):
        self.learnt = state["learnt"]

    def predict(self, batch, *, trace=False):
        if self.breaks:
            raise RuntimeError("no such\n\x1b[2Jlook")
        count = len(batch.inputs)
        maps = torch.full((count, 2, 3, 2), 0.5)
        S = torch.tensor([9.0, 2.0]).expand(count, 3, 2)
        glimpses = torch.full((count, 2, 2), 4)
        labels = torch.tensor([self.learnt, self.task.num_classes]).expand(count, 2)
        counts = torch.zeros(count, self.task.num_classes, dtype=torch.int64)
        return Prediction(counts, None, Trace(S, maps, maps, maps, glimpses, labels))


class Frozen(Looker):
    inputs = "activations"


@pytest.fixture
def of_toy(ok, toy_file, tmp_path, monkeypatch):
    """Return a function that writes a finished run on the toy set and returns its record's path."""
    method = {"looker": Looker, "act": Frozen}
    monkeypatch.setattr("hsal_bench.training.restore.load_method", method.__getitem__)
    with open_data(toy_file) as data:
        header, sizes = data.header, dict(data.layout.sizes)
        alone = data.read("test", "counts")[:, 0] == data.read("test", "counts").sum(1)
    data_set = DataSet(header.name, header.content_sha256, sizes, toy_file.name)

    def leave(folder="seed-0", state=True, seed=0, **changes):
        known = {"config": {"breaks": False}, "curve": CURVE, "metrics": METRICS}
        given = {"data_set": data_set, "correct": pack_correct(alone), "selected_update": 10}
        record = ok(**{"method": "looker", "seed": seed, **known, **given, **changes})
        path = tmp_path / "runs" / folder / "record.json"
        write_record(record, path)
        if state:
            best = {"update": 10, "score": 0.4, "method": {"learnt": 0}}
            states.write(path.with_name("best.pt"), best)
        return path

    return leave


@pytest.fixture
def draw(monkeypatch, hsal_bench, tmp_path):
    """Return a function that draws figures, by default PNG of those named: (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(style, "DPI", 50)
    monkeypatch.setitem(paper.GLIMPSES, 12, ((True, False),))  # the whole grid takes seconds

    def draw(only=None, *arguments, form="png"):
        line = ["figures", "--datasets", ".", "--device", "cpu", *arguments]
        line += ["--only", only] if only is not None else []
        code, out, err = hsal_bench(*line, *(["--format", form] if form is not None else []))
        return code, out.splitlines(), err.splitlines()

    return draw


@pytest.fixture
def captions(draw, tmp_path):
    """Return a function that draws figures and returns their captions."""

    def captions(only):
        code, _, err = draw(only)
        assert code == 0, err
        return [(tmp_path / f"figures/figure-{n}.txt").read_text() for n in only.split(",")]

    return captions
