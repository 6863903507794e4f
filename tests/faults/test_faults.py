"""No trial of the harness ends with a wrong number, a lost run, or an error for developers."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, HERE / "faults.py", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def test_damage_changes_the_file(tmp_path: Path) -> None:
    import damage

    content = np.random.default_rng(0).integers(1, 256, 5000, np.uint8).tobytes()
    for how, change in damage.KINDS.items():
        file = tmp_path / re.sub(r"\W", "-", how)
        file.write_bytes(content)
        change(file, np.random.default_rng(1))
        unreadable = how == "no permission"
        assert unreadable or not file.is_file() or file.read_bytes() != content, how


def test_a_target_without_a_file_is_an_error(tmp_path: Path) -> None:
    import trials
    import worlds

    of = worlds.Worlds(tmp_path)
    of.building = tmp_path / "building"  # where all has been cleared
    (of.building / "data").mkdir(parents=True)
    with pytest.raises(RuntimeError, match="no file of the kind 'parts of generate'"):
        trials.damaged(of, tmp_path / "trial", np.random.default_rng(0), "parts of generate")


def test_table_counts_outcomes_by_row() -> None:
    import faults
    from process import Ended
    from trials import Result

    ended = Ended(0, "", 0.0)
    ends = [("best.pt", "identical"), ("best.pt", "lost"), ("activations", "silently wrong")]
    text = faults.table([Result(row, "", outcome, ended) for row, outcome in ends])
    assert "| best.pt | 2 | 1 | 0 | 0 | 0 | 0 | 0 | 1 |" in text
    assert "| **all** | 3 | 1 | 0 | 0 | 0 | 0 | 1 | 1 |" in text


@pytest.mark.parametrize(
    "change",
    [
        lambda results: results["metrics"].update(exact_match=0.5),
        lambda results: results.update(predictions_sha256="0"),
        lambda results: results.update(predictions=results["predictions"].replace("1", "2", 1)),
        lambda results: results["curve"][0].update(loss=0.0),
    ],
)
def test_a_different_number_is_silently_wrong(
    change: Callable[[dict], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import copy

    import trials
    import worlds
    from process import Ended

    result = {"metrics": {"exact_match": 0.25}, "data": "a", "predictions": '{"id": 1}'}
    right = {"record.json": result | {"predictions_sha256": "b", "curve": [{"loss": 1.0}]}}
    after = copy.deepcopy(right)
    of = worlds.Worlds(tmp_path)
    of.numbers = right
    monkeypatch.setattr(worlds, "numbers", lambda folder: after)
    file = tmp_path / "best.pt"
    assert trials.judged(of, tmp_path, Ended(0, "", 0), "run", file) == trials.IDENTICAL
    change(after["record.json"])
    assert trials.judged(of, tmp_path, Ended(0, "", 0), "run", file) == trials.WRONG


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("error: runs/best.pt is damaged: run again\n", "refused with one line"),
        ("error: something is damaged\n", "raw error"),
        ("error: KeyError: 'best.pt' (--debug shows the traceback)\n", "raw error"),
        ("Traceback (most recent call last):\nerror: best.pt\n", "raw error"),
    ],
)
def test_an_error_names_the_file_in_one_line(text: str, outcome: str, tmp_path: Path) -> None:
    import trials
    import worlds
    from process import Ended

    file = tmp_path / "best.pt"
    ended = Ended(2, text, 0)
    assert trials.judged(worlds.Worlds(tmp_path), tmp_path, ended, "run", file) == outcome


def test_sample_of_damage() -> None:
    ended = _run("--damaged", "2", "--target", "activations: rows zeroed")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "trials",
    [
        ["--damaged", "60"],
        ["--damaged", "12", "--target", "parts of generate"],
        ["--kills", "12"],
        ["--starts", "6"],
    ],
)
def test_many(trials: list[str]) -> None:
    ended = _run(*trials)
    assert ended.returncode == 0, ended.stderr
