"""The hash of a method's code: what changes it, and what does not."""

import subprocess
import sys

import pytest

from hsal_bench.errors import UsageError
from hsal_bench.method.code import class_sha256, file_sha256, neighbours
from hsal_bench.method.load import load_method

SOURCE = "import helper\n\ndef f(x):\n    return helper.g(x) + 1\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "helper.py").write_text("from pkg import deep\ndef g(x):\n    return deep.h(x)\n")
    (tmp_path / "unused.py").write_text("x = 1\n")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "deep.py").write_text("from .near import h\n")
    (tmp_path / "pkg" / "near.py").write_text("def h(x):\n    return x\n")
    return tmp_path


def test_neighbours_are_found_through_imports(folder):
    assert sorted(neighbours(folder / "mine.py")) == ["helper", "pkg", "pkg.deep", "pkg.near"]


@pytest.mark.parametrize("change", ["# a comment\n", "\n\n", ""])
def test_comments_and_blank_lines_do_not_count(folder, change):
    before = file_sha256(folder / "mine.py")
    (folder / "mine.py").write_text(change + SOURCE.replace("x + 1", "x  +  1") + change)
    (folder / "unused.py").write_text("x = 2\n")
    assert file_sha256(folder / "mine.py") == before


@pytest.mark.parametrize("name", ["mine.py", "helper.py", "pkg/near.py", "pkg/__init__.py"])
def test_every_file_counts(folder, name):
    before = file_sha256(folder / "mine.py")
    with (folder / name).open("a") as file:
        file.write("\nnumber = 2\n")
    assert file_sha256(folder / "mine.py") != before


def test_the_folder_does_not_count(folder, tmp_path_factory):
    import shutil

    other = tmp_path_factory.mktemp("copy") / "copy"
    shutil.copytree(folder, other)
    assert file_sha256(folder / "mine.py") == file_sha256(other / "mine.py")


SCRIPT = """
from hsal_bench.method.code import class_sha256
WIDTH = {width}
class Net:
    def size(self):
        return {size}
class Mine:
    def update(self):
        return Net().size() * WIDTH  {comment}
{unused}
print(class_sha256(Mine))
"""


def script_hash(path, width=1, size=2, comment="", unused=""):
    path.write_text(SCRIPT.format(width=width, size=size, comment=comment, unused=unused))
    run = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    return run.stdout


def test_a_script_counts_with_what_its_class_uses(tmp_path):
    path = tmp_path / "script.py"
    first = script_hash(path)
    assert script_hash(path, comment="# the same", unused="seeds = 5") == first
    assert script_hash(path, width=3) != first
    assert script_hash(path, size=3) != first


def test_a_class_without_source_is_refused():
    with pytest.raises(
        UsageError, match="Mine is not available: define it in a file or a notebook"
    ):
        class_sha256(type("Mine", (), {"__module__": "builtins"}))


METHOD = "import {name}\nclass Mine:\n    update = predict = {name}.f\n"


def test_a_method_imports_the_modules_next_to_it(tmp_path):
    (tmp_path / "method_a.py").write_text(METHOD.format(name="neighbour_a"))
    (tmp_path / "neighbour_a.py").write_text("def f(self): return 7\n")
    assert load_method(f"{tmp_path / 'method_a.py'}:Mine")().update() == 7


def test_two_folders_with_a_module_of_one_name_are_refused(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"method_{folder}.py").write_text(METHOD.format(name="neighbour_b"))
        (tmp_path / folder / "neighbour_b.py").write_text("def f(self): return 7\n")
    load_method(f"{tmp_path}/one/method_one.py:Mine")
    with pytest.raises(UsageError, match=r"neighbour_b is already imported from .*one.*rename"):
        load_method(f"{tmp_path}/two/method_two.py:Mine")


def test_a_file_that_exits_on_import_is_refused(tmp_path):
    (tmp_path / "method_exit.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(UsageError, match=r"line 2: import failed \(SystemExit: 0\)"):
        load_method(f"{tmp_path}/method_exit.py:Mine")


CELLS = """
from dataclasses import dataclass
from hsal_bench.method.code import class_sha256
@dataclass
class Config:
    width: int = {width}
class Net:
    def size(self):
        return {size}
class Mine:
    Config = Config
    def update(self):
        return Net().size()  {comment}
"""


def notebook_hash(width=1, size=2, comment=""):
    """Return the hash of a class that is defined and redefined in cells of a notebook."""
    pytest.importorskip("IPython")
    cells = [
        CELLS.format(width=7, size=7, comment=""),
        CELLS.format(width=width, size=size, comment=comment),
        "print(class_sha256(Mine), class_sha256(Config))",
    ]
    program = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance(user_module=sys.modules['__main__'])\n"
        f"for cell in {cells!r}: shell.run_cell(cell).raise_error()"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_notebook_counts_with_what_its_class_uses():
    first = notebook_hash()
    assert notebook_hash(comment="# the same") == first
    assert notebook_hash(size=3).split()[0] != first.split()[0]
    assert notebook_hash(width=3).split()[1] != first.split()[1]
