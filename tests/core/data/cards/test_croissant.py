"""What is written is read back by mlcroissant, which judges it; no network is asked."""

from __future__ import annotations

import hashlib
import json
import logging
import socket
from pathlib import Path
from typing import Any

import h5py
import mlcroissant
import pytest

from hsal_bench.data.cards.croissant import croissant
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import About, load_generator
from hsal_bench.data.schema import SPLITS

pytestmark = [
    pytest.mark.usefixtures("known_generators", "no_network"),
    # Of a library that mlcroissant reads JSON-LD with.
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
]

URL, DAY = "https://example.org/toy", "2026-01-31"
ABOUT = About("Squares.", "Nobody drew them.", ("Drawn.",), ("Square.",), ("Art.",), "None.", "CC0")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def described(path: Path, *published: str) -> dict[str, Any]:
    with open_data(path) as data:
        return json.loads(json.dumps(croissant(data, *published)))


def issues(document: dict[str, Any]) -> tuple[set[str], set[str]]:
    found = mlcroissant.Dataset(jsonld=document).metadata.ctx.issues
    return found.errors, found.warnings


def tell(monkeypatch: pytest.MonkeyPatch, about: About) -> None:
    toy = load_generator("toy")
    monkeypatch.setattr(toy, "about", lambda spec: about, raising=False)


def test_it_is_valid_and_nothing_is_missing(
    toy_file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(monkeypatch, ABOUT)
    with caplog.at_level(logging.WARNING):
        assert issues(described(toy_file, URL, DAY)) == (set(), set())
    assert not caplog.records


def test_before_it_is_published_only_the_day_is_missing(toy_file: Path) -> None:
    document = described(toy_file)
    errors, (warning,) = issues(document)
    assert not errors
    assert "datePublished" in warning
    assert not {"url", "datePublished"} & set(document)


def test_mlcroissant_reads_what_was_meant(toy_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch, ABOUT)
    dataset = mlcroissant.Dataset(jsonld=described(toy_file, URL, DAY))
    metadata = dataset.metadata
    assert (metadata.name, metadata.url, metadata.version) == ("toy", URL, "1")
    assert metadata.license == ["CC0"]
    assert metadata.data_collection == "Nobody drew them."
    assert metadata.data_limitations == ["Square.", "Not for: Art."]
    assert metadata.personal_sensitive_information == ["None."]
    assert metadata.data_biases[0].startswith("Measured on the training split. Objects per image: ")
    fields = {field.uuid: field for one in metadata.record_sets for field in one.fields}
    assert fields["valid/boxes"].array_shape_tuple == (3, 4)
    assert str(fields["test/source_index"].data_types[0]).endswith("/Int32")
    assert [record["classes/name"] for record in dataset.records("classes")] == ["a", "b", "c"]


def test_the_file_is_the_one_that_is_described(toy_file: Path) -> None:
    odd = toy_file.rename(toy_file.with_name("a set.h5"))
    document = described(odd, URL, DAY)
    (file,) = document["distribution"]
    content = odd.read_bytes()
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert file["contentSize"] == f"{len(content)} B"
    assert (file["name"], file["contentUrl"]) == ("a set.h5", "a%20set.h5")
    assert issues(document) == (set(), set())


def test_every_array_is_a_field_that_names_its_place(toy_file: Path) -> None:
    document = described(toy_file)
    record_sets = {one["@id"]: one for one in document["recordSet"]}
    with h5py.File(toy_file) as file:
        for split in SPLITS:
            fields = {one["@id"] for one in record_sets[split]["field"]}
            assert fields == {f"{split}/{name}" for name in file[split]}
            assert all(
                f"`{one['@id']}`" in one["description"] for one in record_sets[split]["field"]
            )


def test_a_licence_with_a_page_is_its_address(
    toy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert described(toy_file)["license"] == "CC0"
    page = "https://creativecommons.org/publicdomain/zero/1.0/"
    tell(monkeypatch, About("", "", (), (), (), "None.", "CC0", license_url=page))
    assert described(toy_file)["license"] == page


def test_notes_tell_what_is_missing(toy_file: Path) -> None:
    assert "rai:dataCollectionMissingData" not in described(toy_file)
    with h5py.File(toy_file, "r+") as file:
        file.attrs["notes"] = '["3 squares were round", "1 was not there"]'
    missing = described(toy_file)["rai:dataCollectionMissingData"]
    assert missing == "3 squares were round. 1 was not there."
