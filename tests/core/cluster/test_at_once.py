"""Commands that are started together: every run and every input is made once."""

import pytest

pytestmark = pytest.mark.slow

COUNTING = '''
"""A method on activations, whose import notes each input that its process makes."""
from pathlib import Path
from hsal_bench.baselines.counting import CountClassifier
from hsal_bench.training import activations

class Counting(CountClassifier):
    pass

def _noting(name, make):
    def noting(*arguments):
        with Path(__file__).with_name("made").open("a") as file:
            file.write(f"{name}\\n")
        return make(*arguments)
    return noting

for name in ("_train_model", "_write_volumes"):
    setattr(activations, name, _noting(name, getattr(activations, name)))
'''


def _together(commands):
    """Wait for commands; return the output of each."""
    texts = [command.communicate(timeout=900)[0] for command in commands]
    assert [command.returncode for command in commands] == [0] * len(commands), texts
    return texts


def test_two_grids_in_one_folder_make_each_run_once(bench, alone):
    _together([bench.start("--on", "local:2") for _ in range(2)])
    assert bench.results() == alone
    logs = [log.read_text() for log in (bench.folder / "runs/.grid/logs").rglob("seed-*.log")]
    assert [log.count(": 30 updates, batches of 8") for log in logs] == [1, 1]


def test_eight_runs_on_a_cold_cache_make_each_input_once(bench):
    (bench.folder / "counting.py").write_text(COUNTING)
    options = {"models": "counting.py:Counting", "out": "runs"}
    texts = _together(
        [bench.start("--fine-tune-updates", "4", seeds=str(seed), **options) for seed in range(8)]
    )
    made = (bench.folder / "made").read_text().split()
    assert sorted(made) == ["_train_model", *["_write_volumes"] * 3]
    assert sum(text.count(" images/s), ") for text in texts) == 1  # of synthetic-single
    results = bench.results()
    assert len(results) == 8
    assert {result["status"] for result in results.values()} == {"ok"}
