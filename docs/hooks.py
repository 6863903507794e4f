"""What `make docs` adds to MkDocs: notebooks with their outputs, mathematics, links to the code.

MkDocs calls the functions `on_...` (mkdocs.yml names this file).
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|link(?![^>]*rel="?canonical))\b[^>]*?\b(?:src|href)="?"""
    r"""(?:https?:)?//[^\s">]+"""
    r"""|@import[^;]*//[^;]+|url\(["']?(?:https?:)?//[^)]+""",
)
"""What a browser loads from elsewhere, in a page or a style sheet."""


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each notebook: its text, code, outputs and pictures."""
    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            path = Path(file.abs_src_path)
            text, pictures = page_of_notebook(run_notebook(path), path.stem)
            folder = Path(file.src_uri).parent
            for name, content in {f"{path.stem}.md": text, **pictures}.items():
                files.append(File.generated(config, (folder / name).as_posix(), content=content))
    return files


def run_notebook(path: Path) -> nbformat.NotebookNode:
    """Run a notebook in an empty folder; an exception in a cell is raised here."""
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=1800, resources=resources).execute()
    return notebook


def page_of_notebook(notebook: nbformat.NotebookNode, name: str) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown with a link to its file, and its pictures by name."""
    for cell in notebook.cells:
        cell.outputs = _shown(cell.get("outputs", []))
    text, resources = MarkdownExporter().from_notebook_node(notebook, {"unique_key": name})
    # pandas has styles of its own for tables; a table without them gets those of the site.
    text = re.sub(r"<style scoped>.*?</style>\n", "", text, flags=re.S)
    text = text.replace('<table border="1" class="dataframe">', "<table>")
    link = f'[Download this notebook]({name}.ipynb){{ download="{name}.ipynb" }}'
    return f"{text}\n\n{link}\n", resources["outputs"]


def _shown(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join the texts that arrived in pieces; leave out stderr, which shows a run's progress."""
    joined: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if output.output_type == "stream" and joined and joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Replace links that lead to no page by the path in the repository, or its address if known.

    Links to a notebook lead to its page.
    """
    if page.file.generated_by:
        return markdown
    docs = Path(config.docs_dir)

    def path_of(link: re.Match[str]) -> str:
        text, target = link.groups()
        path = (docs / page.file.src_uri).parent.joinpath(target).resolve()
        if path.is_relative_to(docs) and not path.is_dir():
            return link[0].replace(".ipynb)", ".md)")
        place = path.relative_to(docs.parent).as_posix()
        if config.repo_url:
            return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{place})"
        return f"`{place}`" if text.strip("/`") == place else f"{text} (`{place}`)"

    return re.sub(r"\[([^]\n]+)\]\((?!https?:|#)([^)#\s]+)\)", path_of, markdown)


def on_page_content(content: str, page: Any, config: Any, files: Files) -> str:
    """Write formulas as MathML, which browsers show without a script."""

    def mathml(formula: re.Match[str]) -> str:
        return convert(html.unescape(formula[1]))

    return re.sub(r'<span class="arithmatex">\\\((.*?)\\\)</span>', mathml, content, flags=re.S)


def on_post_build(config: Any) -> None:
    """Refuse a site that loads anything from elsewhere."""
    site = Path(config.site_dir)
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        if found := _LOADED.search(path.read_text(encoding="utf-8")):
            raise PluginError(f"{path.relative_to(site)} loads from elsewhere: {found[0]}")
