"""The documentation's site, the README's size, the facts that pages repeat, and the metadata."""

import dataclasses
import importlib.util
import json
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

import hsal_bench
from hsal_bench.data.schema import Header, Layout
from hsal_bench.metrics.scores import MEANINGS
from hsal_bench.record.record import Record

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOTEBOOKS = sorted(DOCS.glob("notebooks/*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _first_cells(page, heading):
    """Return the code spans in the first column of the tables below a heading."""
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page.read_text(), re.S | re.M)
    cells = re.findall(r"^\| (`.*?) \|", text, re.M)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_site_has_every_page():
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("*.md")}
    pages |= {path.relative_to(DOCS).with_suffix(".md").as_posix() for path in NOTEBOOKS}
    assert set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)) == pages


def test_the_metrics_are_those_that_are_computed():
    page = DOCS / "comparing.md"
    assert _first_cells(page, "Metrics") == list(MEANINGS)
    for name, meaning in MEANINGS.items():
        assert f"| `{name}` | {meaning} |" in page.read_text()


def test_the_formats_list_every_field():
    page = DOCS / "formats.md"
    record = [field.name for field in dataclasses.fields(Record)]
    assert sorted(_first_cells(page, "The record")) == sorted(record)
    arrays = Layout((1, 8, 8), 4, 10, {}).arrays()
    attributes = [field.name for field in dataclasses.fields(Header)]
    listed = _first_cells(page, "The dataset file")
    assert sorted(listed) == sorted([*arrays, *attributes, "num_classes"])


def test_the_api_page_says_what_each_object_is_for():
    text = (DOCS / "api.md").read_text()
    objects = [name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)", text, re.M)]
    assert re.findall(r"^\| `(\w+)", text, re.M) == objects
    assert set(hsal_bench.__all__) < set(objects)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs(path):
    for cell in json.loads(path.read_text())["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_the_metadata_agree():
    citation = (ROOT / "CITATION.cff").read_text()
    assert PROJECT["version"] == hsal_bench.__version__
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\nlicense: {PROJECT['license']}\n" in citation
    assert f"\n  - name: {PROJECT['authors'][0]['name']}\n" in citation
    assert PROJECT["urls"]["Paper"] in citation
    assert PROJECT["version"] in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture(scope="module")
def hooks():
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("[results](results.md#x)", "[results](results.md#x)"),
        ("[look](notebooks/look-at-the-data.ipynb)", "[look](notebooks/look-at-the-data.md)"),
        ("[CONTRIBUTING.md](../CONTRIBUTING.md)", "`CONTRIBUTING.md`"),
        ("[toys](examples/toy-package)", "toys (`docs/examples/toy-package`)"),
        ("[paper](https://arxiv.org/abs/1)", "[paper](https://arxiv.org/abs/1)"),
    ],
)
def test_links_that_leave_the_site_become_paths(hooks, link, shown):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="index.md", generated_by=None))
    config = SimpleNamespace(docs_dir=str(DOCS), repo_url=None)
    assert hooks.on_page_markdown(link, page, config, None) == shown


def test_links_to_the_code_lead_to_the_repository_if_it_is_known(hooks):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="index.md", generated_by=None))
    config = SimpleNamespace(docs_dir=str(DOCS), repo_url="https://example.org/hsal-bench/")
    link = hooks.on_page_markdown("[a](../CONTRIBUTING.md)", page, config, None)
    assert link == "[a](https://example.org/hsal-bench/blob/main/CONTRIBUTING.md)"


def test_formulas_become_mathml(hooks):
    text = hooks.on_page_content(r'<span class="arithmatex">\(a \le b\)</span>', None, None, None)
    assert "<math" in text and "<mo>&#x02264;</mo>" in text and "arithmatex" not in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.html", '<script src="https://example.org/x.js"></script>'),
        ("page.html", '<link rel=stylesheet href="//example.org/x.css">'),
        ("page.html", '<p><img alt="x" src="http://example.org/x.png"></p>'),
        ("style.css", "body { background: url(https://example.org/x.png) }"),
    ],
)
def test_a_site_that_loads_from_elsewhere_is_refused(hooks, tmp_path, name, text):
    config = SimpleNamespace(site_dir=str(tmp_path))
    (tmp_path / "page.html").write_text('<a href="https://example.org">x</a><img src="a.png">')
    hooks.on_post_build(config)
    (tmp_path / name).write_text(text)
    with pytest.raises(Exception, match=r"loads from elsewhere: .*example\.org"):
        hooks.on_post_build(config)


def test_a_notebook_becomes_a_page_with_its_outputs(hooks):
    nbformat = pytest.importorskip("nbformat")
    new = nbformat.v4.new_output
    table = '<style scoped>\n</style>\n<table border="1" class="dataframe"></table>'
    outputs = [
        new("stream", name="stdout", text="a line in "),
        new("stream", name="stderr", text="progress"),
        new("stream", name="stdout", text="pieces"),
        new("display_data", data={"image/png": "AAAA"}),
        new("display_data", data={"text/html": table}),
    ]
    cell = nbformat.v4.new_code_cell("print(1 + 1)", outputs=outputs)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Look"), cell])
    text, pictures = hooks.page_of_notebook(notebook, "look")
    assert text.startswith("# Look") and "print(1 + 1)" in text and "(look.ipynb)" in text
    assert "    a line in pieces" in text and "progress" not in text
    assert "<table></table>" in text and "style" not in text
    ((name, content),) = pictures.items()
    assert f"({name})" in text and content == b"\x00\x00\x00"
