import gzip
import hashlib
import importlib.util
import io
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from hsal_bench.errors import UsageError
from hsal_bench.generators.glyphs import load as glyphs
from hsal_bench.generators.glyphs.load import load_glyphs, make_pools
from hsal_bench.generators.glyphs.sources import IDX_SOURCES, SOURCES, IdxSource, PublishedFile
from hsal_bench.generators.streams import fixed_order

URL = "https://example.org/"


def test_pools_are_disjoint_and_whole(source, tmp_path):
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


def test_the_cut_of_the_pools_never_changes():
    order = fixed_order(60_000, 12)
    assert sorted(order) == list(range(60_000))
    assert order[:5].tolist() == [37365, 58486, 33502, 41488, 57298]


def test_one_pair_is_cut_in_seven(idx_files, tmp_path):
    images, labels = idx_files[:2]
    loaded = load_glyphs(f"{images},{labels}", tmp_path)
    assert len(loaded.test_labels) == 240 // 7
    assert len(loaded.train_labels) == 240 - 240 // 7
    both = np.concatenate([loaded.train_images, loaded.test_images])
    assert len(np.unique(both, axis=0)) == 240
    assert loaded.class_names == ("0", "1", "2", "3", "4")
    assert loaded.sha256 == load_glyphs(f"{images},{labels}", tmp_path).sha256


def test_packed_files_are_the_same_glyphs(source, idx_files, tmp_path):
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
        (lambda content: content + b"\0", "too long"),
        (lambda content: content[:10], "not an image file"),
        (lambda content: b"", "not an image file"),
        (lambda content: b"\0\0\x08\x01" + content[4:], "not an image file"),
        (lambda content: content[:8] + b"\0\0\0\x0e\0\0\0\x38" + content[16:], "14x56"),
        (lambda content: content[:4] + b"\0\0\0\x0a" + content[8 : 16 + 10 * 784], "10 images but"),
    ],
)
def test_a_broken_image_file_is_named(change, message, idx_files, tmp_path):
    broken = tmp_path / "broken"
    broken.write_bytes(change(idx_files[0].read_bytes()))
    with pytest.raises(UsageError, match=message) as caught:
        load_glyphs(f"{broken},{idx_files[1]}", tmp_path)
    assert str(broken) in str(caught.value)


def test_other_faults_of_own_files(idx_files, tmp_path):
    images, labels = idx_files[:2]
    with pytest.raises(UsageError, match="not a label file"):
        load_glyphs(f"{images},{images}", tmp_path)
    with pytest.raises(UsageError, match=r"^no file .*/none: give IDX files that exist$"):
        load_glyphs(f"{tmp_path}/none,{labels}", tmp_path)
    with pytest.raises(UsageError, match=r"^cannot read .* \(Is a directory\): name a file$"):
        load_glyphs(f"{tmp_path},{labels}", tmp_path)
    with pytest.raises(UsageError, match="3 IDX files"):
        load_glyphs(f"{images},{labels},{images}", tmp_path)
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    with pytest.raises(UsageError, match=r"^cannot unpack .*bad\.gz .*: use a complete file$"):
        load_glyphs(f"{tmp_path}/bad.gz,{labels}", tmp_path)


def test_too_few_glyphs_are_refused(idx_files, tmp_path):
    contents = [path.read_bytes() for path in idx_files[:2]]
    few = [tmp_path / "few-images", tmp_path / "few-labels"]
    few[0].write_bytes(contents[0][:7] + b"\x0a" + contents[0][8 : 16 + 10 * 784])
    few[1].write_bytes(contents[1][:7] + b"\x0a" + contents[1][8 : 8 + 10])
    with pytest.raises(UsageError, match="too few for valid"):
        make_pools(load_glyphs(f"{few[0]},{few[1]}", tmp_path))


def test_an_unknown_source_names_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'mnist'"):
        load_glyphs("mnits", tmp_path)


def tiny(contents, **known):
    """The small files as a published source; `known` are the bytes that each MD5 is of."""
    files = tuple(
        PublishedFile(
            name, **{kind: hashlib.md5(of[name]).hexdigest() for kind, of in known.items()}
        )
        for name in contents
    )
    return IdxSource(
        "Tiny", ("TINY/raw", "."), URL, files, (240, 70), tuple("01234"), "none", "nobody"
    )


@pytest.fixture
def contents(idx_files):
    return {path.name: path.read_bytes() for path in idx_files}


@pytest.fixture
def packed(contents):
    return {name: gzip.compress(content, mtime=0) for name, content in contents.items()}


@pytest.fixture
def published(contents, monkeypatch):
    """The small files are a source "tiny", known by their content."""
    monkeypatch.setitem(IDX_SOURCES, "tiny", tiny(contents, content_md5=contents))
    monkeypatch.setattr(glyphs, "SOURCES", (*SOURCES, "tiny"))


@pytest.fixture
def published_packed(published, contents, packed, monkeypatch):
    """They are known by the packed files."""
    monkeypatch.setitem(IDX_SOURCES, "tiny", tiny(contents, packed_md5=packed))


def put(folder, contents, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}{suffix}").write_bytes(content)


def refusal(tmp_path):
    with pytest.raises(UsageError) as caught:
        load_glyphs("tiny", tmp_path)
    return str(caught.value)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("folder", ["TINY/raw", "."])
def test_a_published_source_is_found(folder, contents, source, tmp_path):
    put(tmp_path / folder, contents)
    assert load_glyphs("tiny", tmp_path).sha256 == load_glyphs(source, tmp_path).sha256


@pytest.mark.usefixtures("published")
def test_a_source_known_by_its_content_may_be_packed_again(contents, source, tmp_path):
    put(tmp_path, {name: gzip.compress(content, 1) for name, content in contents.items()}, ".gz")
    assert load_glyphs("tiny", tmp_path).sha256 == load_glyphs(source, tmp_path).sha256


@pytest.mark.usefixtures("published_packed")
def test_a_source_known_by_its_packed_files(contents, packed, source, tmp_path):
    wanted = load_glyphs(source, tmp_path).sha256
    put(tmp_path / "plain", contents)
    assert load_glyphs("tiny", tmp_path / "plain").sha256 == wanted
    put(tmp_path / "packed", packed, ".gz")
    assert load_glyphs("tiny", tmp_path / "packed").sha256 == wanted
    # What can be proven goes before what cannot.
    put(tmp_path / "packed", dict.fromkeys(contents, b"something else"))
    assert load_glyphs("tiny", tmp_path / "packed").sha256 == wanted
    put(tmp_path / "again", {name: gzip.compress(contents[name], 1) for name in packed}, ".gz")
    printed = refusal(tmp_path / "again")
    assert "train-images.gz is not the published file (MD5 " in printed
    assert printed.endswith(": remove it to download it again")


@pytest.mark.usefixtures("published_packed")
def test_a_plain_file_without_a_known_md5_has_as_many_glyphs_as_the_published(contents, tmp_path):
    for name, header, glyph in (("train-images", 16, 28 * 28), ("train-labels", 8, 1)):
        fewer = contents[name][:7] + bytes([239]) + contents[name][8 : header + 239 * glyph]
        contents[name] = fewer
    put(tmp_path, contents)
    assert refusal(tmp_path) == (
        f"{tmp_path / 'train-images'} has 239 glyphs, Tiny has 240: replace it with the "
        "published file"
    )


@pytest.mark.usefixtures("published_packed")
def test_a_plain_file_without_a_known_md5_has_the_published_labels(contents, tmp_path):
    labels = contents["test-labels"]
    contents["test-labels"] = labels[:8] + bytes(label + 1 for label in labels[8:])
    put(tmp_path, contents)
    assert refusal(tmp_path) == (
        f"{tmp_path / 'test-labels'} has label 5, Tiny's labels are 0 to 4: replace it with the "
        "published file"
    )


@pytest.fixture
def network(packed, monkeypatch):
    """Publish `packed`; return the addresses asked for."""
    asked = []

    class Response(io.BytesIO):
        status, headers, length = 200, {}, 0

    def urlopen(request, timeout):
        asked.append(request.full_url)
        return Response(packed[request.full_url.rpartition("/")[2].removesuffix(".gz")])

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


@pytest.mark.parametrize("known", ["published", "published_packed"])
def test_a_published_source_is_downloaded_once(known, contents, network, tmp_path, request):
    request.getfixturevalue(known)
    first = load_glyphs("tiny", tmp_path)
    assert network == [f"{URL}{name}.gz" for name in contents]
    assert load_glyphs("tiny", tmp_path).sha256 == first.sha256
    assert len(network) == 4
    assert len(list((tmp_path / "TINY" / "raw").glob("*.gz"))) == 4


@pytest.mark.parametrize("known", ["published", "published_packed"])
def test_what_was_downloaded_is_proven_before_it_is_kept(known, packed, network, tmp_path, request):
    request.getfixturevalue(known)
    packed["train-images"] = packed["train-labels"]
    printed = refusal(tmp_path)
    assert printed.startswith(f"{URL}train-images.gz is not the published file (MD5 ")
    assert printed.endswith(f": put the published file into {tmp_path / 'TINY' / 'raw'}")
    assert not list(tmp_path.rglob("*.gz"))


@pytest.mark.usefixtures("published")
def test_a_wrong_file_is_refused(contents, tmp_path):
    put(tmp_path, dict.fromkeys(contents, b"something else"))
    assert "train-images is not the published file" in refusal(tmp_path)


@pytest.mark.usefixtures("published")
def test_a_damaged_packed_file_is_refused(packed, tmp_path):
    put(tmp_path, {name: content[:-9] for name, content in packed.items()}, ".gz")
    printed = refusal(tmp_path)
    assert printed.startswith(f"cannot unpack {tmp_path / 'train-images.gz'} (")
    assert printed.endswith("): remove it to download it again")


@pytest.mark.usefixtures("published")
def test_without_a_network_the_remedies_are_named(tmp_path, monkeypatch):
    def urlopen(request, timeout):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    assert refusal(tmp_path) == (
        f"train-images.gz cannot be downloaded from {URL}train-images.gz (no route): run the "
        f"same command again when online, put the file into {tmp_path / 'TINY' / 'raw'}, or use "
        "--data-dir to name another folder of sources"
    )
    assert not list(tmp_path.rglob("*.gz"))


def test_sources_of_one_set_of_file_names_have_folders_of_their_own():
    folders = [folder for source in IDX_SOURCES.values() for folder in source.folders]
    assert len(set(folders)) == len(folders)
    for name, source in IDX_SOURCES.items():  # one --data-dir holds all
        assert (source.folders[0][-4:], source.folders[1]) == ("/raw", name)


@pytest.mark.parametrize("name", IDX_SOURCES)
def test_what_is_known_of_every_published_source(name):
    source = IDX_SOURCES[name]
    for file in source.files:
        assert bool(file.content_md5) != bool(file.packed_md5)
        assert len(file.content_md5 or file.packed_md5) == 32
    assert [file.name.partition("-")[0] for file in source.files] == ["train"] * 2 + ["t10k"] * 2
    assert source.sizes == (60_000, 10_000)
    assert len(set(source.class_names)) == 10
    assert source.url.endswith("/")
    assert source.license
    assert source.citation


@pytest.mark.parametrize(
    ("name", "title"), [("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST")]
)
def test_what_is_known_by_packed_files_is_what_torchvision_knows(name, title):
    # Read as a text, since importing torchvision takes seconds.
    package = importlib.util.find_spec("torchvision")
    assert package is not None
    text = Path(package.origin).with_name("datasets").joinpath("mnist.py").read_text()
    theirs = text.partition(f"class {title}(")[2].partition("\nclass ")[0]
    source = IDX_SOURCES[name]
    for file in source.files:
        assert f'("{file.name}.gz", "{file.packed_md5}")' in theirs
    assert f'"{source.url}"' in theirs
    assert ", ".join(f'"{label}"' for label in source.class_names) in theirs
    assert source.folders[0] == f"{title}/raw"
