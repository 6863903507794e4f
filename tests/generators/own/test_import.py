"""`hsal-bench import`: the three formats give one dataset; wrong input names its place."""

import csv
import json
import os

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from hsal_bench.checking import FAILED
from hsal_bench.data.verify import verify
from hsal_bench.errors import UsageError
from hsal_bench.generators.own.cli import import_pictures
from hsal_bench.generators.own.pictures import Picture as Labelled
from hsal_bench.generators.own.pictures import class_names, divided

NAMES = ("cat", "dog")
OBJECTS = [
    [(number + k) % 2 for k in range(number % 4)] for number in range(40)
]  # classes of the objects of each picture


def box(number: int, k: int) -> tuple[int, int, int, int]:
    x, y = 3 * k + number % 5, 2 * k
    return x, y, x + 3, y + 2


@pytest.fixture
def pictures(tmp_path):
    """Write the pictures in all three formats; return their folder."""
    coco = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 10 + number, "name": name} for number, name in enumerate(NAMES)],
    }
    with (tmp_path / "objects.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "x0", "y0", "x1", "y1"])
        for number, objects in enumerate(OBJECTS):
            pixels = np.zeros((10, 20, 3), np.uint8)
            pixels[0, 0] = number
            name, lines = f"{number:02}.png", []
            coco["images"].append({"id": number, "file_name": name})
            if not objects:
                rows.writerow([name, "", "", "", "", ""])
            for k, label in enumerate(objects):
                x0, y0, x1, y1 = box(number, k)
                pixels[y0:y1, x0:x1, label] = 255
                rows.writerow([name, NAMES[label], x0, y0, x1, y1])
                lines.append(f"{NAMES[label]} {x0} {y0} {x1} {y1}")
                note = {"image_id": number, "category_id": 10 + label}
                coco["annotations"].append(note | {"bbox": [x0, y0, x1 - x0, y1 - y0]})
            (tmp_path / "pictures").mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name)
            (tmp_path / "pictures" / name).with_suffix(".txt").write_text("\n".join(lines))
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    return tmp_path


def run(form, source, folder, *options):
    """Import a source as `folder`/pets.h5 and return the file's path."""
    arguments = [form, source, "--name", "pets", "--out", folder, *options]
    result = CliRunner().invoke(import_pictures, list(map(str, arguments)))
    if result.exception:
        raise result.exception
    return folder / "pets.h5"


def content(path):
    with h5py.File(path) as file:
        return file.attrs["content_sha256"]


def test_a_missing_source_names_the_nearest(pictures):
    with pytest.raises(UsageError, match=r"no source .*object.csv: did you mean .*/objects.csv\?"):
        run("csv", pictures / "object.csv", pictures)


def test_three_formats_give_one_dataset(pictures):
    images = ("--images", pictures / "pictures")
    files = [
        run("coco", pictures / "coco.json", pictures / "a", *images),
        run("csv", pictures / "objects.csv", pictures / "b", *images),
        run("folder", pictures / "pictures", pictures / "c"),
    ]
    assert len(set(map(content, files))) == 1
    outcomes = {check.name: check for check in verify(files[0], data_dir=pictures)}
    assert not [check for check in outcomes.values() if check.outcome == FAILED]
    assert "none shared" in outcomes["leaks by content"].detail


def test_an_image_has_its_pixels_labels_and_boxes(pictures):
    with h5py.File(run("folder", pictures / "pictures", pictures / "out")) as file:
        split = file["train"]
        for images, labels, counts, boxes in zip(
            *(split[name][()] for name in ("images", "labels", "counts", "boxes")), strict=True
        ):
            number = int(images[2, 0, 0])  # no object is blue
            objects = OBJECTS[number]
            assert labels[labels >= 0].tolist() == objects
            assert counts.tolist() == [objects.count(0), objects.count(1)]
            expected = [list(box(number, k)) for k in range(len(objects))]
            assert boxes[: len(objects)].tolist() == expected


def test_boxes_are_resized_with_their_images(pictures):
    path = run("folder", pictures / "pictures", pictures / "out", "--size", "10x5", "--grey")
    with h5py.File(path) as file:
        images, boxes, labels = (file["train"][name][()] for name in ("images", "boxes", "labels"))
    assert images.shape[1:] == (1, 5, 10)
    real = boxes[labels >= 0]
    assert ((real[:, 0] < real[:, 2]) & (real[:, 2] <= 10) & (real[:, 3] <= 5)).all()


def test_one_line_per_picture_and_stated_splits(pictures):
    path = pictures / "labels.csv"
    lines = ["image,labels,split"]
    for number, objects in enumerate(OBJECTS):
        split = "train" if number < 30 else "valid" if number < 35 else "test"
        lines.append(f"{number:02}.png,{' '.join(NAMES[label] for label in objects)},{split}")
    path.write_text("\n".join(lines))
    out = run("csv", path, pictures / "out", "--images", pictures / "pictures")
    with h5py.File(out) as file:
        assert [len(file[split]["labels"]) for split in ("train", "valid", "test")] == [30, 5, 5]
        assert file["test"]["counts"][()].tolist() == [
            [objects.count(0), objects.count(1)] for objects in OBJECTS[35:]
        ]
        assert "Boxes are unknown" in file.attrs["notes"]
        assert file["test"]["boxes"][0, 0].tolist() == [0, 0, 20, 10]


def test_numbers_are_sorted_as_numbers():
    pictures = [Labelled("a.png", ("10", "9")), Labelled("b.png", ("2",))]
    assert class_names(pictures) == ("2", "9", "10")
    assert class_names([Labelled("a.png", ("b", "10", "a"))]) == ("10", "a", "b")


def test_the_splits_depend_on_the_seed_alone():
    pictures = [Labelled(f"{number}.png", ()) for number in range(50)]
    splits = [divided(pictures, [0.6, 0.2, 0.2], seed) for seed in (0, 0, 1)]
    paths = [{name: [p.path for p in part] for name, part in split.items()} for split in splits]
    assert paths[0] == paths[1] != paths[2]
    assert [len(part) for part in splits[0].values()] == [30, 10, 10]
    assert len({path for part in paths[0].values() for path in part}) == 50


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "03.txt").unlink(), "03.txt is missing: one label per line, or an empty"),
        (
            lambda f: (f / "03.txt").write_text("cat 1 2 3 x"),
            "03.txt line 1: .*is neither LABEL nor",
        ),
        (lambda f: (f / "03.txt").write_text("\ncat 1 2"), '03.txt line 2: "cat 1 2" is neither'),
        (lambda f: (f / "03.txt").write_text("cat 1 2 3 4 5"), "x0 y0 x1 y1"),
        (lambda f: (f / "03.txt").write_text("cat 1 2 3 nan"), "x0 y0 x1 y1"),
        (lambda f: (f / "03.txt").write_text("cat\ndog 1 2 3 4"), "others have none"),
        (lambda f: (f / "03.png").write_bytes(b"no"), "03.png cannot be opened"),
        (lambda f: (f / "03.txt").write_bytes(b"\xff\xfe"), "03.txt is not a text file in UTF-8"),
        (
            lambda f: (f / "03.png").unlink() or os.mkfifo(f / "03.png"),
            "03.png is not a regular file",
        ),
        (
            lambda f: Image.new("I;16", (20, 10), 300).save(f / "03.png"),
            "03.png has more than 8 bits per channel .*: convert it to 8 bits",
        ),
        (
            lambda f: Image.new("RGB", (5, 5)).save(f / "03.png"),
            "03.png has 5 x 5 pixels, .*00.png has 20 x 10: give all images one size with --size",
        ),
    ],
)
def test_damaged_pictures_are_named(pictures, change, message):
    change(pictures / "pictures")
    with pytest.raises(UsageError, match=message):
        run("folder", pictures / "pictures", pictures / "out")
    assert not (pictures / "out" / "pets.h5").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shares", "0.5,0.5"), "must be three positive numbers that sum to 1"),
        (("--name", "../pets"), r"--name is '../pets': at most \d+ letters, digits and"),
        (("--license", "x" * 10**6), '--license "x+...": use one line of at most 1,000'),
        (("--license", "a\x1b[2J"), r'--license "a\\x1b\[2J": use one line'),
        (("--citation", "a\nb"), r'--citation "a\\nb": use one line'),
        (("--class-names", "cat,dog\x07"), r'class 1 has the name "dog\\x07": give each'),
        (("--class-names", "cat,dog," + "x" * 101), "class 2 has the name"),
        (("--class-names", "cat,,dog"), 'class 1 has the name ""'),
        (
            ("--class-names", "cat,dog,cat"),
            'class 2 has the name "cat": give each class a different',
        ),
        (("--size", "0"), "must be 1 to 4096 pixels"),
        (("--class-names", "cat"), "has the class 'dog', which is not in --class-names"),
    ],
)
def test_wrong_options_are_refused(pictures, options, message):
    with pytest.raises(UsageError, match=message):
        run("folder", pictures / "pictures", pictures / "out", *options)


def test_classes_without_training_are_warned_of(pictures):
    path = pictures / "labels.csv"
    splits = ["train"] * 30 + ["valid"] * 5 + ["test"] * 5
    lines = [f"{n:02}.png,{'dog' if n > 34 else 'cat'},{split}" for n, split in enumerate(splits)]
    path.write_text("\n".join(["image,labels,split", *lines]))
    options = ("--images", pictures / "pictures", "--class-names", "cat,dog,emu")
    arguments = ["csv", path, "--name", "pets", "--out", pictures / "out", *options]
    result = CliRunner().invoke(import_pictures, list(map(str, arguments)))
    assert result.exit_code == 0
    warnings = [
        "WARNING: class emu of 3 never occurs: leave it out of --class-names",
        "WARNING: class dog occurs in test and never in train, so it cannot be learned",
    ]
    assert [line for line in result.stderr.splitlines() if "WARNING" in line] == warnings
    with h5py.File(pictures / "out" / "pets.h5") as file:
        assert json.loads(file.attrs["notes"])[1:] == warnings


def test_a_source_of_another_kind_is_refused(pictures):
    os.mkfifo(pictures / "pipe.csv")
    (pictures / "latin.csv").write_bytes(b"image,labels\nf\xfcr.png,cat\n")
    for form, source, message in (
        ("csv", "pipe.csv", "pipe.csv is not a regular file"),
        ("coco", "pictures", "pictures is not a regular file"),
        ("folder", "coco.json", "coco.json is not a folder"),
        ("csv", "latin.csv", "latin.csv is not a text file in UTF-8"),
    ):
        with pytest.raises(UsageError, match=message):
            run(form, pictures / source, pictures / "out")


def test_labels_can_have_several_words(pictures):
    for text in (pictures / "pictures").glob("*.txt"):
        text.write_text(text.read_text().replace("cat", "wild cat"))
    with h5py.File(run("folder", pictures / "pictures", pictures / "out")) as file:
        assert json.loads(file.attrs["class_names"]) == ["dog", "wild cat"]
        assert not (file["train"]["boxes"][()] == [0, 0, 20, 10]).all(-1).any()


def test_splits_classes_and_missing_boxes_are_reported(pictures):
    def printed(form, source, *options):
        arguments = [form, source, *options, "--name", "pets", "--out", pictures, "--force"]
        return CliRunner().invoke(import_pictures, list(map(str, arguments))).output

    text = printed("folder", pictures / "pictures")
    assert "splits: drawn at random, --shares 0.8,0.1,0.1 --seed 0\nclasses: cat and dog\n" in text
    assert "no boxes" not in text
    (pictures / "labels.csv").write_text(
        "image,labels,split\n00.png,a,train\n01.png,b,valid\n02.png,c,test\n"
    )
    text = printed("csv", pictures / "labels.csv", "--images", pictures / "pictures")
    assert "splits: given\nclasses: a, b and c\nno boxes: " in text


@pytest.mark.parametrize("header", ["image,label", "image,labels"])
def test_a_missing_picture_is_named_with_its_line(pictures, header):
    path = pictures / "labels.csv"
    path.write_text(f"{header}\n00.png,cat\np00.png,dog\n")
    message = r"labels.csv line 3: no picture .*p00.png; name the folder .* by --images"
    with pytest.raises(UsageError, match=message):
        run("csv", path, pictures / "out", "--images", pictures / "pictures")


def test_an_existing_file_is_kept(pictures):
    path = run("folder", pictures / "pictures", pictures / "out")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists: use --force"):
        run("folder", pictures / "pictures", pictures / "out")
    assert path.read_bytes() == before
