"""Pictures in the page: part of it when asked for, made small, limited, and never anything else."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from hsal_bench.leaderboard.page import pictures
from hsal_bench.leaderboard.page.page import page

FILE = Path("board.html")
ON = "on mnist-multiset (content ab12ab12, metrics 1)"


@pytest.fixture
def entry(run, tmp_path):
    """The entry of a run with a picture in its folder, once that is written."""
    return replace(run(), path=tmp_path / "record.json")


@pytest.fixture
def shown(parsed):
    """Return a function that gives a page's pictures, and the lines about those left out."""

    def shown(entries):
        result, left_out = parsed(entries, with_pictures=True), []
        for line in page(entries, FILE, with_pictures=True).left_out:
            left_out.append(line)
            assert f"No picture: {line.rsplit(': ', 1)[1]}." in result.text
        return result.values("src"), left_out

    return shown


def test_pictures_are_part_of_the_page_when_they_are_asked_for(entry, parsed, shown, tmp_path):
    Image.new("RGB", (3000, 1500), "red").save(tmp_path / "attention.png")
    assert parsed([entry]).values("src") == []
    (source,), _ = shown([entry])
    kind, data = source.split(",", 1)
    assert kind == "data:image/webp;base64"
    (tmp_path / "small.webp").write_bytes(base64.b64decode(data))
    with Image.open(tmp_path / "small.webp") as small:
        assert small.size == (1000, 500)


def test_what_is_no_picture_is_left_out(entry, shown, tmp_path):
    (tmp_path / "attention.png").write_bytes(b"<svg onload=alert(1)>")
    assert shown([entry]) == ([], [f"hsal-rl {ON}: attention.png is not a readable picture"])


def test_a_picture_of_very_many_pixels_is_left_out(entry, shown, tmp_path):
    Image.new("1", (7000, 7000)).save(tmp_path / "attention.png")
    assert (tmp_path / "attention.png").stat().st_size < 10_000
    assert shown([entry]) == ([], [f"hsal-rl {ON}: attention.png has more than 40,000,000 pixels"])


def test_pictures_are_limited(run, shown, tmp_path, monkeypatch):
    entries = []
    for k in range(3):
        path = tmp_path / str(k) / "record.json"
        path.parent.mkdir()
        Image.effect_noise((400, 300), 90).save(path.with_name("attention.png"))
        entries.append(replace(run(f"method-{k}", right=k), path=path))
    most = int(2.5 * len(pictures.data_uri(tmp_path / "0" / "attention.png")))
    monkeypatch.setattr(pictures, "LARGEST_ALL", most)
    sources, left_out = shown(entries)
    assert len(sources) == 2
    assert left_out == [f"method-0 {ON}: the pictures would exceed {most:,} bytes"]
    assert page(entries, FILE).left_out == ()
    monkeypatch.setattr(pictures, "LARGEST_FILE", 10)
    sources, left_out = shown(entries)
    assert sources == []
    assert left_out[0] == f"method-2 {ON}: attention.png has more than 10 bytes"
