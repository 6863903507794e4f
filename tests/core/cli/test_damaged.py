"""Every command that reads a dataset refuses a damaged file with exit code 2 and one line."""

import json

import h5py
import pytest

COMMANDS = {
    "preview": "preview {file} -o sheet.png",
    "card": "card {file}",
    "croissant": "card {file} --croissant card.json",
    "run": "run --model count-classifier --preset quick --device cpu --dataset {file}",
    "eval-on": "run --model count-classifier --preset quick --device cpu --dataset intact.h5 "
    "--updates 1 --batch-size 8 --eval-on {file}",
    "evaluate": "evaluate predictions.jsonl --dataset {file}",
    "compare": "compare predictions.jsonl predictions.jsonl --dataset {file} -o sheet.png",
}


def _truncate(path):
    with path.open("rb+") as file:
        file.truncate(1000)


def _drop_array(path):
    with h5py.File(path, "r+") as file:
        del file["test/counts"]


def _drop_header(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["class_names"]


def _overwrite_arrays(path):
    """Overwrite the first stored chunk of the arrays that the commands read."""
    with h5py.File(path, "r+") as file:
        counts = file["test/counts"][:]
        del file["test/counts"]
        file.create_dataset("test/counts", data=counts, chunks=(20, 3), compression="gzip")
    with h5py.File(path) as file:
        arrays = file["train/images"], file["test/images"], file["test/counts"]
        chunks = [array.id.get_chunk_info_by_coord((0,) * array.ndim) for array in arrays]
    with path.open("rb+") as stored:
        for chunk in chunks:
            stored.seek(chunk.byte_offset)
            stored.write(b"\xff" * chunk.size)


DAMAGES = {
    "truncated": _truncate,
    "array missing": _drop_array,
    "header incomplete": _drop_header,
    "not decodable": _overwrite_arrays,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_dataset_ends_with_exit_code_2(
    command, damage, tmp_path, toy_file, known_generators, monkeypatch, hsal_bench
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "intact.h5").write_bytes(toy_file.read_bytes())
    lines = [json.dumps({"id": i, "labels": []}) for i in range(60)]
    (tmp_path / "predictions.jsonl").write_text("\n".join(lines))
    DAMAGES[damage](toy_file)
    code, _, err = hsal_bench(*COMMANDS[command].format(file=toy_file).split())
    *_, error = err.splitlines()
    assert (code, error.partition(": ")[0]) == (2, "error")
    assert str(toy_file) in error
    assert not (tmp_path / "sheet.png").exists()
    assert not list(tmp_path.glob("runs/**/record.json"))
