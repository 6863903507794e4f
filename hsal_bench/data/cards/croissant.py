"""A dataset's metadata as Croissant 1.1 JSON-LD, with the vocabulary of Croissant RAI 1.0.

http://mlcommons.org/croissant/1.1, http://mlcommons.org/croissant/RAI/1.0. Croissant cannot address
arrays in an HDF5 file: a field names the file as its source and, in its description, the HDF5
array. How to extract it is left out, since no Croissant reader supports it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from hsal_bench.data import leaks
from hsal_bench.data.cards import provenance
from hsal_bench.data.cards.card import ARRAYS, USE, description
from hsal_bench.data.cards.composition import compositions
from hsal_bench.data.cards.sections import findings
from hsal_bench.data.file import DataFile
from hsal_bench.data.fingerprints import COLUMNS, GROUP, read_fingerprints
from hsal_bench.data.generator import About
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import UsageError

_VERSIONS = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
_FILE = "hdf5-file"
PARQUET_COLUMNS = {
    "id": "the row of the image in its split",
    "image": "the image as PNG",
    "labels": "the class of each object",
    "counts": ARRAYS["counts"],
    "boxes": "x0, y0, x1, y1 of each object in pixels, x1 and y1 exclusive",
}
_SPLIT_URLS = {"train": "cr:TrainingSplit", "valid": "cr:ValidationSplit", "test": "cr:TestSplit"}
_TERMS = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field"),
    *("fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset"),
    *("jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS},
}
"""The context prescribed by the specification."""


def croissant(data: DataFile, url: str = "", published: str = "") -> dict[str, Any]:
    """Return the metadata of a dataset file, as JSON values.

    url: the page that publishes the dataset; published: the date, YYYY-MM-DD. The specification
    requires both; if empty, they are left out. The file is expected next to the metadata.

    Raises:
        UsageError: an array cannot be decoded, or the dataset is in shards.
    """
    if data.shards:
        raise UsageError(
            f"{data.path} is in shards, and Croissant metadata describes one file: use "
            f"`hsal-bench export parquet {data.path}`, which writes Croissant metadata too"
        )
    return _document(data, [_file(data)], _array_records(data), url=url, datePublished=published)


def parquet_croissant(data: DataFile, files: Mapping[str, Path], folder: Path) -> dict[str, Any]:
    """Return the metadata of a dataset's Parquet files (`hsal_bench.data.export.parquet`).

    files: by split, below `folder`, where the metadata is stored. A Croissant reader returns their
    rows as records.
    """
    distribution = [_parquet_file(split, path, folder) for split, path in files.items()]
    return _document(data, distribution, [_parquet_records(split) for split in files])


def _document(
    data: DataFile,
    distribution: Sequence[Mapping[str, Any]],
    records: Sequence[Mapping[str, Any]],
    **published: str,
) -> dict[str, Any]:
    header, about = data.header, provenance.of_config(data.header.config).about
    properties = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(_VERSIONS),
        "name": header.name,
        "description": description(data, about),
        "license": about.license_url if about and about.license_url else header.license,
        **published,
        "creator": {"@type": "sc:Organization", "name": "hsal-bench"},
        "version": header.version,
        "citeAs": header.citation,
        "keywords": ["multiset prediction", "object counting", "visual attention", "benchmark"],
        **_responsible(data, about),
        "distribution": distribution,
        "recordSet": [_class_records(data), *records],
    }
    return {name: value for name, value in properties.items() if value}


def _responsible(data: DataFile, about: About | None) -> dict[str, Any]:
    """Return the properties of the RAI vocabulary."""
    header = data.header
    measured = findings(compositions(data), header.class_names)
    biases = [f"Measured on the training split. {sentence}" for sentence in measured]
    return {
        "rai:dataBiases": [*filter(None, [leaks.warning(data)]), *biases],
        "rai:dataUseCases": [USE],
        "rai:dataCollectionMissingData": " ".join(f"{note}." for note in header.notes),
        **(_about(about) if about else {}),
    }


def _about(about: About) -> dict[str, Any]:
    return {
        "rai:dataCollection": about.origin,
        "rai:dataPreprocessingProtocol": list(about.made),
        "rai:dataLimitations": [*about.limits, *(f"Not for: {use}" for use in about.not_for)],
        "rai:personalSensitiveInformation": [about.personal],
    }


def _file(data: DataFile) -> dict[str, Any]:
    with data.path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": _FILE,
        "name": data.path.name,
        "description": "The complete dataset in HDF5, with a group for each split. The hash of "
        f"the decoded arrays, the same on any machine, is {data.header.content_sha256}.",
        "contentUrl": quote(data.path.name),
        "contentSize": f"{data.path.stat().st_size} B",
        "encodingFormat": "application/x-hdf5",
        "sha256": sha256,
    }


def _parquet_file(split: str, path: Path, folder: Path) -> dict[str, Any]:
    place = path.relative_to(folder).as_posix()
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": f"{split}-file",
        "name": path.name,
        "description": f"The {split} split.",
        "contentUrl": quote(place),
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": sha256,
    }


def _parquet_records(split: str) -> dict[str, Any]:
    """Return the record set of a split's Parquet file."""
    repeated = {"labels": "-1", "counts": "-1", "boxes": "-1,4"}
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{split}/{name}",
            "name": name,
            "description": description,
            "dataType": "sc:ImageObject" if name == "image" else "cr:Int64",
            **({"isArray": True, "arrayShape": repeated[name]} if name in repeated else {}),
            "source": {
                "fileObject": {"@id": f"{split}-file"},
                "extract": {"column": name},
                **({"transform": {"jsonPath": "bytes"}} if name == "image" else {}),
            },
        }
        for name, description in PARQUET_COLUMNS.items()
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "description": f"The images of the {split} split.",
        "dataType": _SPLIT_URLS[split],
        "field": fields,
    }


def _class_records(data: DataFile) -> dict[str, Any]:
    fields = [("label", "sc:Integer"), ("name", "sc:Text")]
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": "The class name of each label.",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/label"},
        "field": [
            {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind}
            for name, kind in fields
        ],
        "data": [
            {"classes/label": label, "classes/name": name}
            for label, name in enumerate(data.header.class_names)
        ],
    }


def _array_records(data: DataFile) -> list[dict[str, Any]]:
    """Return a record set for each HDF5 group: the splits, and the hashes if the file has them."""
    arrays = data.layout.arrays()
    records = [
        _records(
            split,
            f"The {data.layout.sizes[split]:,} images of the HDF5 group `{split}`, one per row of "
            "its arrays.",
            [(name, *arrays[name], ARRAYS[name]) for name in arrays],
        )
        | {"dataType": _SPLIT_URLS[split]}
        for split in SPLITS
    ]
    if known := read_fingerprints(data):
        columns = known.columns()
        fields = [
            (name, columns[name].dtype, columns[name].shape[1:], COLUMNS[name]) for name in columns
        ]
        text = (
            f"The {len(known.index)} glyphs or photographs in use, one per row of the "
            f"HDF5 group `{GROUP}`."
        )
        records.append(_records(GROUP, text, fields))
    return records


def _records(
    group: str, description: str, fields: Sequence[tuple[str, np.dtype, tuple[int, ...], str]]
) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": group,
        "name": group,
        "description": description,
        "field": [_field(group, *field) for field in fields],
    }


def _field(
    group: str, name: str, dtype: np.dtype, shape: tuple[int, ...], description: str
) -> dict[str, Any]:
    kind = dtype.name.replace("uint", "UInt").replace("int", "Int")
    place = f"{group}/{name}"
    # A single number is not an array.
    array = {"isArray": True, "arrayShape": ",".join(map(str, shape))} if shape else {}
    return {
        "@type": "cr:Field",
        "@id": place,
        "name": name,
        "description": f"{description}. In the HDF5 array `{place}`.",
        "dataType": f"cr:{kind}",
        **array,
        "source": {"fileObject": {"@id": _FILE}},
    }
