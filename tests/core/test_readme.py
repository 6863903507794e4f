"""The README's example method runs as it is printed, and its commands are commands."""

import re
from pathlib import Path

import pytest

from hsal_bench import cli
from hsal_bench.record import read_record

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_example_method_trains_and_is_scored(
    tmp_path, toy_file, known_generators, monkeypatch, capsys
):
    (example,) = (
        block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "class " in block
    )
    (tmp_path / "count.py").write_text(example)
    monkeypatch.chdir(tmp_path)
    line = "hsal-bench run --model count.py:MyCounter --set hidden=16 --device cpu"
    line += f" --preset quick --updates 4 --fine-tune-updates 2 --dataset {toy_file}"
    monkeypatch.setattr("sys.argv", line.split())
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0, capsys.readouterr().err
    (path,) = (tmp_path / "runs").rglob("record.json")
    assert read_record(path).metrics["exact_match"] >= 0.0


def test_every_command_it_shows_exists():
    shown = set(re.findall(r"(?:^|`)hsal-bench ([a-z]+)", README, re.M)) - {"builds"}
    assert {"run", "generate"} <= shown
    assert shown - set(cli.COMMANDS) == set()


def test_every_option_it_shows_exists():
    from click.testing import CliRunner

    for name in ("generate", "run", "table", "verify", "preview"):
        lines = re.findall(rf"hsal-bench {name} [^\n`]*", README)
        help_text = CliRunner().invoke(cli.hsal_bench, [name, "--help"]).output
        for option in {word for line in lines for word in re.findall(r"--[a-z-]+", line)}:
            assert option in help_text, f"{name} {option}"
