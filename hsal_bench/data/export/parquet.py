"""One Parquet file per split, which `datasets.load_dataset` and mlcroissant read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsal_bench.data.export.examples import SPLIT_NAMES, Example, blocks
from hsal_bench.data.file import DataFile
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import UsageError
from hsal_bench.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(
    data: DataFile, folder: Path, report: Callable[[int], None] = lambda done: None
) -> dict[str, Path]:
    """Write SPLIT.parquet for each split; return the files by split.

    Columns: id (the row in the split), image (a PNG: bytes and path), labels, counts, boxes.
    `report` gets the number of finished examples.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UsageError("writing Parquet needs pyarrow: pip install pyarrow") from error
    folder.mkdir(parents=True, exist_ok=True)
    schema, done, files = _schema(data), 0, {}
    for split in SPLITS:
        files[split] = folder / f"{SPLIT_NAMES[split]}.parquet"
        with replacing(files[split]) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for block in blocks(data, split):
                writer.write_table(_table(block, split, schema))
                done += len(block)
                report(done)
    return files


def features(data: DataFile) -> dict[str, Any]:
    """Return the columns as `datasets.Features.to_dict` describes them."""

    def several(feature: dict[str, Any], length: int = -1) -> dict[str, Any]:
        return {"feature": feature, "length": length, "_type": "Sequence"}

    def number(dtype: str) -> dict[str, str]:
        return {"dtype": dtype, "_type": "Value"}

    return {
        "id": number("int64"),
        "image": {"_type": "Image"},
        "labels": several({"names": list(data.header.class_names), "_type": "ClassLabel"}),
        "counts": several(number("uint8"), data.layout.num_classes),
        "boxes": several(several(number("int16"), 4)),
    }


def _schema(data: DataFile) -> pa.Schema:
    import pyarrow as pa

    header = data.header
    metadata = {
        "huggingface": json.dumps({"info": {"features": features(data)}}),
        "name": header.name,
        "content_sha256": header.content_sha256,
        "license": header.license,
        "citation": header.citation,
    }
    return pa.schema(
        [
            ("id", pa.int64()),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("labels", pa.list_(pa.int64())),
            ("counts", pa.list_(pa.uint8(), data.layout.num_classes)),
            ("boxes", pa.list_(pa.list_(pa.int16(), 4))),
        ],
        metadata=metadata,
    )


def _table(block: Sequence[Example], split: str, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    images = [{"bytes": e.png, "path": f"{SPLIT_NAMES[split]}-{e.id:09}.png"} for e in block]
    columns = {"id": [e.id for e in block], "image": images} | {
        name: [getattr(e, name) for e in block] for name in ("labels", "counts", "boxes")
    }
    return pa.table(columns, schema=schema)
