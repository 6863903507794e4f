"""What is installed: the wheel holds the tree, and starting up stays light."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "hsal_bench": "hsal_bench",
    "generators": "hsal_bench.generators",
    "baselines": "hsal_bench.baselines",
    "leaderboard": "hsal_bench.leaderboard",
}
MODELS = {"activation-models": "hsal_bench.activation_models"}
"""Published activation models: files without code."""


def _files(folder: str) -> dict[str, Path]:
    """Return the files of a package's folder by their names in a wheel."""
    package = FOLDERS[folder].replace(".", "/")
    paths = (ROOT / folder).rglob("*")
    return {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}": path
        for path in paths
        if path.suffix in (".py", ".pyi", ".typed", ".j2", ".css", ".js")
    }


def test_every_package_is_listed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["package-dir"] == {
        package: folder for folder, package in (FOLDERS | MODELS).items()
    }
    folders = {Path(name).parent for folder in FOLDERS for name in _files(folder)}
    packages = [".".join(folder.parts) for folder in folders]
    assert sorted(settings["packages"]) == sorted([*packages, *MODELS.values()])
    for folder in FOLDERS:
        for path in _files(folder).values():
            assert (path.parent / "__init__.py").exists(), f"{path.parent} has no __init__.py"


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "list",
        "run --help",
        "table --help",
        "compare --help",
        "verify --help",
        "evaluate --help",
        "check-method --help",
        "check-submission --help",
        "leaderboard --help",
    ],
)
def test_starting_up_imports_nothing_heavy(line):
    heavy = (
        *("torch", "torchvision", "pandas", "matplotlib", "scipy", "h5py", "rich", "jinja2"),
        *("pydantic", *(["numpy"] if line == "table --help" else [])),
    )
    code = (
        "import sys; from hsal_bench.cli import main as cli\n"
        f"sys.argv = ['hsal-bench', *{line.split()!r}]\n"
        "try: cli.main()\n"
        f"finally: print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_the_wheel_holds_exactly_the_tree(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, "."],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {name for folder in FOLDERS for name in _files(folder)}
    models = {
        f"hsal_bench/activation_models/{path.parent.name}/{path.name}"
        for path in (ROOT / "activation-models").glob("*--small--*/model.*")
    }
    assert packed == expected | models
