import gzip
import hashlib
import io
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from hsal_bench.errors import UsageError
from hsal_bench.generators import glyphs
from hsal_bench.generators.glyphs import IdxSource, load_glyphs, make_pools


def test_pools_are_disjoint_and_whole(source: str, tmp_path: Path) -> None:
    loaded = load_glyphs(source, tmp_path)
    pools = make_pools(loaded)
    labels = np.concatenate([loaded.train_labels, loaded.test_labels])
    drawn = np.concatenate([pool.glyphs for pool in pools.values()])
    assert sorted(drawn) == list(range(len(labels)))
    num_train = len(loaded.train_labels)
    assert len(pools["valid"].glyphs) == num_train // 12
    assert pools["test"].glyphs.min() == num_train
    for pool in pools.values():
        for label, (start, size) in enumerate(zip(pool.starts, pool.sizes, strict=True)):
            assert (labels[pool.glyphs[start : start + size]] == label).all()


def test_the_cut_of_the_pools_never_changes() -> None:
    order = glyphs._fixed_order(60_000, 12)
    assert sorted(order) == list(range(60_000))
    assert order[:5].tolist() == [37365, 58486, 33502, 41488, 57298]


def test_one_pair_is_cut_in_seven(idx_files: list[Path], tmp_path: Path) -> None:
    images, labels = idx_files[:2]
    loaded = load_glyphs(f"{images},{labels}", tmp_path)
    assert len(loaded.test_labels) == 240 // 7
    assert len(loaded.train_labels) == 240 - 240 // 7
    both = np.concatenate([loaded.train_images, loaded.test_images])
    assert len(np.unique(both, axis=0)) == 240
    assert loaded.class_names == ("0", "1", "2", "3", "4")
    assert loaded.sha256 == load_glyphs(f"{images},{labels}", tmp_path).sha256


def test_packed_files_are_the_same_glyphs(
    source: str, idx_files: list[Path], tmp_path: Path
) -> None:
    packed = []
    for path in idx_files:
        packed.append(tmp_path / f"{path.name}.gz")
        packed[-1].write_bytes(gzip.compress(path.read_bytes()))
    again = load_glyphs(",".join(map(str, packed)), tmp_path)
    assert again.sha256 == load_glyphs(source, tmp_path).sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], "truncated"),
        (lambda content: content + b"\0", "left over"),
        (lambda content: content[:10], "not an image file"),
        (lambda content: b"", "not an image file"),
        (lambda content: b"\0\0\x08\x01" + content[4:], "not an image file"),
        (lambda content: content[:8] + b"\0\0\0\x0e\0\0\0\x38" + content[16:], "14x56"),
        (
            lambda content: content[:4] + b"\0\0\0\x0a" + content[8 : 16 + 10 * 784],
            "10 images and",
        ),
    ],
)
def test_a_broken_image_file_is_named(
    change: object, message: str, idx_files: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(change(idx_files[0].read_bytes()))  # type: ignore[operator]
    with pytest.raises(UsageError, match=message) as caught:
        load_glyphs(f"{broken},{idx_files[1]}", tmp_path)
    assert str(broken) in str(caught.value)


def test_other_faults_of_own_files(idx_files: list[Path], tmp_path: Path) -> None:
    images, labels = idx_files[:2]
    with pytest.raises(UsageError, match="not a label file"):
        load_glyphs(f"{images},{images}", tmp_path)
    with pytest.raises(UsageError, match="No such file"):
        load_glyphs(f"{tmp_path}/none,{labels}", tmp_path)
    with pytest.raises(UsageError, match="3 IDX files"):
        load_glyphs(f"{images},{labels},{images}", tmp_path)
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    with pytest.raises(UsageError, match="cannot read"):
        load_glyphs(f"{tmp_path}/bad.gz,{labels}", tmp_path)


def test_too_few_glyphs_are_refused(idx_files: list[Path], tmp_path: Path) -> None:
    contents = [path.read_bytes() for path in idx_files[:2]]
    few = [tmp_path / "few-images", tmp_path / "few-labels"]
    few[0].write_bytes(contents[0][:7] + b"\x0a" + contents[0][8 : 16 + 10 * 784])
    few[1].write_bytes(contents[1][:7] + b"\x0a" + contents[1][8 : 8 + 10])
    with pytest.raises(UsageError, match="none is left for valid"):
        make_pools(load_glyphs(f"{few[0]},{few[1]}", tmp_path))


def test_an_unknown_source_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'mnist'"):
        load_glyphs("mnits", tmp_path)


@pytest.fixture
def published(idx_files: list[Path], monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Make the small files a published source "tiny"; return its content by name."""
    contents = {path.name: path.read_bytes() for path in idx_files}
    files = tuple((name, hashlib.md5(content).hexdigest()) for name, content in contents.items())
    tiny = IdxSource("TINY", "https://example.org/", files, tuple("01234"), "none", "nobody")
    monkeypatch.setitem(glyphs.IDX_SOURCES, "tiny", tiny)
    return contents


@pytest.mark.parametrize("folder", ["TINY/raw", "."])
@pytest.mark.parametrize("packed", [True, False])
def test_a_published_source_is_found(
    folder: str, packed: bool, published: dict[str, bytes], source: str, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name, content in published.items():
        file = tmp_path / folder / (f"{name}.gz" if packed else name)
        file.write_bytes(gzip.compress(content) if packed else content)
    assert load_glyphs("tiny", tmp_path).sha256 == load_glyphs(source, tmp_path).sha256


def test_a_published_source_is_downloaded_once(
    published: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def urlopen(url: str, timeout: float) -> io.BytesIO:
        asked.append(url)
        return io.BytesIO(gzip.compress(published[url.rpartition("/")[2].removesuffix(".gz")]))

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    first = load_glyphs("tiny", tmp_path)
    assert asked == [f"https://example.org/{name}.gz" for name in published]
    assert load_glyphs("tiny", tmp_path).sha256 == first.sha256
    assert len(asked) == 4
    assert len(list((tmp_path / "TINY" / "raw").iterdir())) == 4


def test_a_wrong_file_is_refused(published: dict[str, bytes], tmp_path: Path) -> None:
    for name in published:
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(UsageError, match="not the published file"):
        load_glyphs("tiny", tmp_path)


def test_without_a_network_the_remedies_are_named(
    published: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def urlopen(url: str, timeout: float) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    remedies = r"no route.*--data-dir.*: hsal-bench generate --source synthetic$"
    with pytest.raises(UsageError, match=remedies):
        load_glyphs("tiny", tmp_path)
    assert not list(tmp_path.iterdir())
