"""`hsal-bench run` on a toy dataset, with the method of constant.py."""

from pathlib import Path

import pytest

from hsal_bench.cli import main as cli

METHOD = Path(__file__).with_name("constant.py").read_text()


@pytest.fixture
def bench(tmp_path, toy_file, known_generators, monkeypatch, capsys):
    """Return a function that runs `hsal-bench run` on the toy dataset: (code, out, err)."""
    (tmp_path / "constant.py").write_text(METHOD)
    monkeypatch.chdir(tmp_path)

    def run(*arguments, model="constant.py:Constant", command="run"):
        line = ["hsal-bench", command, "--model", model, "--dataset", str(toy_file)]
        line += ["--device", "cpu", "--preset", "quick", "--updates", "4", "--batch-size", "8"]
        monkeypatch.setattr("sys.argv", [*line, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run
