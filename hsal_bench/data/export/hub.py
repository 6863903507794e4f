"""A folder for Hugging Face's hub: Parquet files, and a README with the metadata it reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hsal_bench.data.cards.card import card
from hsal_bench.data.cards.croissant import parquet_croissant
from hsal_bench.data.export.examples import SPLIT_NAMES
from hsal_bench.data.export.parquet import write_parquet
from hsal_bench.data.file import DataFile
from hsal_bench.files import write_text


def write_parquet_folder(
    data: DataFile, folder: Path, report: Callable[[int], None] = lambda done: None
) -> list[Path]:
    """Write Parquet files and croissant.json, which describes them; return the files."""
    files = write_parquet(data, folder, report)
    return [*files.values(), _write_croissant(data, folder, files)]


def write_hub(
    data: DataFile, folder: Path, report: Callable[[int], None] = lambda done: None
) -> list[Path]:
    """Write a folder that `datasets.load_dataset(folder)` reads; return its files.

    data/SPLIT.parquet, README.md (the data card, with the metadata of the hub), croissant.json.
    """
    files = write_parquet(data, folder / "data", report)
    readme = folder / "README.md"
    write_text(readme, f"---\n{_metadata(data)}---\n\n{card(data)}")
    return [*files.values(), readme, _write_croissant(data, folder, files)]


def _write_croissant(data: DataFile, folder: Path, files: Mapping[str, Path]) -> Path:
    path = folder / "croissant.json"
    write_text(path, json.dumps(parquet_croissant(data, files, folder), indent=2) + "\n")
    return path


def _metadata(data: DataFile) -> str:
    """Return the YAML that the hub reads; JSON values are valid YAML."""
    configs: Any = [
        {"split": name, "path": f"data/{name}.parquet"} for name in SPLIT_NAMES.values()
    ]
    values = {
        "pretty_name": data.header.name,
        "license": "other",
        "license_name": data.header.license,
        "tags": ["multiset-prediction", "counting", "multi-label"],
        "configs": [{"config_name": "default", "data_files": configs}],
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in values.items())
