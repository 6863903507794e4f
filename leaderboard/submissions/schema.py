"""The published JSON Schema of `submission.json` (draft 2020-12)."""

from __future__ import annotations

from hsal_bench.metrics.scores import MEANINGS
from hsal_bench.record.external_entry import LONGEST, MOST
from hsal_bench.record.schema import BOUNDS, Schema, dataclass_schema

from .files import MOST_SEEDS
from .statement import LARGEST_CLAIM, LARGEST_SEED, LONGEST_NAME, SLUG, Submission

_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST}
_SEED: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST_SEED}
_CLAIM: Schema = {"type": "number", "minimum": -LARGEST_CLAIM, "maximum": LARGEST_CLAIM}
_SLUG: Schema = {"pattern": f"^{SLUG.pattern}$", "maxLength": LONGEST_NAME}


def submission_schema() -> Schema:
    """Return the schema of `submission.json`."""
    bounds = BOUNDS | {
        "method": _SLUG,
        "name": _SLUG,
        "link": {"pattern": "^https?://", "maxLength": LONGEST},
        "training_compute": {"minLength": 1, "maxLength": LONGEST},
        "authors": {"items": _TEXT, "minItems": 1, "maxItems": MOST},
        "extra_data": {"items": _TEXT, "maxItems": MOST},
        "seeds": {"items": _SEED, "minItems": 1, "maxItems": MOST_SEEDS, "uniqueItems": True},
    }
    title = "Submission to the leaderboard of hsal-bench"
    schema = dataclass_schema(Submission, "submission", title, bounds)
    names = {name: _CLAIM | {"description": meaning} for name, meaning in MEANINGS.items()}
    sizes = {r"^exact_match_m\d+$": _CLAIM}
    schema["properties"]["claimed"] |= {
        "properties": names,
        "patternProperties": sizes,
        "additionalProperties": False,
    }
    return schema
