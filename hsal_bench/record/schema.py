"""The published JSON Schemas of records and of predictions (draft 2020-12)."""

from __future__ import annotations

import inspect
import re
from typing import Any

from hsal_bench.jsonio import json_rules
from hsal_bench.metrics.scores import MEANINGS, is_share
from hsal_bench.record.record import Record
from hsal_bench.record.validation import (
    AMOUNTS,
    LARGEST,
    LARGEST_WHOLE,
    LONGEST,
    LONGEST_NAME,
    NAME,
    ROUNDING,
)

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_SHA256: Schema = {"pattern": "^[0-9a-f]{64}$"}
_NAME: Schema = {"pattern": f"^{NAME}$"}
_COUNTS: Schema = {
    "additionalProperties": {"type": "integer", "minimum": 0, "maximum": LARGEST_WHOLE}
}
BOUNDS: dict[str, Schema] = {
    **{name: {"minimum": 0} for name in AMOUNTS},
    **dict.fromkeys(("sha256", "content_sha256", "recipe_sha256"), _SHA256),
    **dict.fromkeys(("method_sha256", "predictions_sha256"), _SHA256),
    **dict.fromkeys(("name", "backbone"), _NAME),
    **dict.fromkeys(("budget", "sizes"), _COUNTS),
    "method": {"minLength": 1, "maxLength": LONGEST_NAME},
    "preset": {"maxLength": LONGEST_NAME},
    "bits": {},
}
"""The bounds of fields, besides their types."""


def record_schema() -> Schema:
    """Return the schema of a result record."""
    schema = dataclass_schema(Record, "record", "Result record of hsal-bench", BOUNDS)
    share = {"minimum": -ROUNDING, "maximum": 1 + ROUNDING}
    schema["properties"]["metrics"]["properties"] = {
        name: {"type": ["number", "null"], "description": meaning}
        | (share if is_share(name) else {"minimum": -LARGEST, "maximum": LARGEST})
        for name, meaning in MEANINGS.items()
    }
    return schema


def predictions_schema() -> Schema:
    """Return the schema of a line of a predictions file."""
    whole = {"type": "integer", "minimum": 0}
    return {
        "$schema": DRAFT,
        "$id": "urn:hsal-bench:schema:predictions",
        "title": "Line of a predictions file of hsal-bench",
        "description": "The predicted multiset of an image. Every image of the split has one line.",
        "type": "object",
        "properties": {
            "id": whole | {"description": "The image's row in the split."},
            "labels": {
                "type": "array",
                "items": whole,
                "description": "The labels in any order, each as often as it occurs.",
            },
            "confidence": {
                "type": "number",
                "description": "Confidence of the prediction, on all lines or none.",
            },
        },
        "required": ["id", "labels"],
        "additionalProperties": False,
    }


def dataclass_schema(kind: type, name: str, title: str, bounds: dict[str, Schema]) -> Schema:
    """Return the schema of a dataclass; its docstring describes the fields."""
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        def decimal_schema(self, schema: Any) -> Schema:
            return {"type": "number"}

    schema: Schema = Generator().generate(json_rules(kind))
    definitions = schema.pop("$defs", {})
    top = definitions.pop(schema.pop("$ref").rpartition("/")[2]) if "$ref" in schema else schema
    top["description"] = "\n\n".join(inspect.getdoc(base) or "" for base in kind.__mro__[:-1])
    for part in (top, *definitions.values()):
        _complete(part, bounds)
    head = {"$schema": DRAFT, "$id": f"urn:hsal-bench:schema:{name}"}
    return head | top | {"title": title, "$defs": definitions}


def _complete(schema: Schema, bounds: dict[str, Schema]) -> None:
    """Add the bounds and descriptions of the properties, in place."""
    schema["description"] = schema.get("description", "").split("\n\nRaises:")[0]
    schema["additionalProperties"] = False
    text = " ".join(schema["description"].split())
    for name, part in schema.get("properties", {}).items():
        part.pop("title", None)
        types = {inner.get("type") for inner in (part, *part.get("anyOf", ()))}
        if "string" in types and "enum" not in part and "const" not in part:
            part["maxLength"] = LONGEST
        if "integer" in types:
            part["maximum"] = LARGEST_WHOLE
        part |= bounds.get(name, {})
        if name == "bits":
            del part["maxLength"]
        if sentences := _about(name, text):
            part.setdefault("description", sentences)


def _about(name: str, text: str) -> str:
    """Return the sentences of a docstring about a field."""
    mentioned = re.compile(rf"`{name}`|\b{name}(, \w+)*(?: and \w+)?:")
    return " ".join(filter(mentioned.search, re.split(r"(?<=[.;]) ", text)))
