from __future__ import annotations

import dataclasses
import json
import shlex

import pytest

from hsal_bench.data.cards import provenance
from hsal_bench.data.generator import About, load_generator
from hsal_bench.errors import UsageError
from hsal_bench.options import as_json

pytestmark = pytest.mark.usefixtures("known_generators")

ABOUT = About("Squares.", "Nobody drew them.", ("Drawn.",), ("Square.",), ("Art.",), "None.", "CC0")


def config(**changes: object) -> dict[str, object]:
    return {"generator": "toy", **as_json(load_generator("toy").defaults), **changes}


def test_the_command_makes_the_same_config_again() -> None:
    known = provenance.of_config(config(seed=3, unique=False, test=7))
    assert known.command == "hsal-bench generate toy --no-unique --test 7 --seed 3"
    assert not known.missing


def test_a_value_with_spaces_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True)
    class Spec:
        source: str = "none"

    monkeypatch.setattr(load_generator("toy"), "defaults", Spec(), raising=False)
    command = provenance.of_spec("toy", Spec("a b,c")).command
    assert shlex.split(command) == ["hsal-bench", "generate", "toy", "--source", "a b,c"]


def test_options_come_with_their_help() -> None:
    options = provenance.of_config(config()).options
    assert ("unique", "yes", "no class twice") in options
    assert ("seed", "0", "seed") in options


def test_a_generator_is_asked_about_the_very_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    assert provenance.of_config(config()).about is None
    generator = load_generator("toy")
    facts = {7: ABOUT}
    monkeypatch.setattr(generator, "about", lambda spec: facts[spec.seed], raising=False)
    assert provenance.of_config(config(seed=7)).about is ABOUT


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"generator": None}, "its config names no generator"),
        ({"generator": "other"}, "its generator 'other' is not installed"),
        ({"new": 1}, "its generator 'toy' failed (toy"),
    ],
)
def test_what_is_not_known_is_reported_and_the_options_stay(
    changes: dict[str, object], missing: str
) -> None:
    stored = json.loads(json.dumps({**config(), **changes}))
    if stored["generator"] is None:
        del stored["generator"]
    known = provenance.of_config(stored)
    assert known.missing.startswith(missing)
    assert (known.command, known.about) == ("", None)
    assert ("unique", "yes", "") in known.options


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="no dataset 'toyy': did you mean 'toy'"):
        provenance.of_spec("toyy", None)
