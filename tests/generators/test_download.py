import hashlib
import http.server
import socket
import threading
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hsal_bench.errors import UsageError
from hsal_bench.generators import download as downloads
from hsal_bench.generators.download import check_sha256
from hsal_bench.locks import BusyError, locked, refusing_to_wait

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`; `ranges`: knows HTTP Range; each connection ends after `cuts.pop(0)`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges = CONTENT, True
        self.cuts: list[int] = []
        self.asked: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/train.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = 0
        if asked and self.server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        body = self.server.content[start:]
        if start and not body:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            total = len(self.server.content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(body)
        self.wfile.write(body[:cut])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "svhn" / "train.tar.gz"


def download(server: Server, path: Path) -> None:
    download_from(server.url, path)


def download_from(url: str, path: Path) -> None:
    check = partial(check_sha256, url, sha256=SHA256, size=len(CONTENT))
    downloads.download(url, path, check, len(CONTENT))


def test_a_file_is_downloaded_once(server: Server, path: Path) -> None:
    download(server, path)
    download(server, path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None]
    assert not list(path.parent.glob("*.part"))


def test_an_interrupted_download_resumes(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("train.tar.gz.part").write_bytes(CONTENT[:1000])
    download(server, path)
    assert path.read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_server_without_ranges_starts_over(server: Server, path: Path) -> None:
    server.ranges = False
    path.parent.mkdir()
    path.with_name("train.tar.gz.part").write_bytes(b"other" * 100)
    download(server, path)
    assert path.read_bytes() == CONTENT


def test_a_complete_part_needs_no_network(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("train.tar.gz.part").write_bytes(CONTENT)
    download_from("http://127.0.0.1:1/train.tar.gz", path)
    assert path.read_bytes() == CONTENT


def test_a_complete_part_of_unknown_size_is_kept(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("train.tar.gz.part").write_bytes(CONTENT)
    check = partial(check_sha256, server.url, sha256=SHA256, size=len(CONTENT))
    downloads.download(server.url, path, check, 2 * len(CONTENT))
    assert path.read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_lost_connection_is_reopened(server: Server, path: Path) -> None:
    server.cuts = [300_000, 400_000]
    download(server, path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=700000-"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_sends_no_more_is_given_up(ranges: bool, server: Server, path: Path) -> None:
    server.ranges, server.cuts = ranges, [5000, 0 if ranges else 5000]
    with pytest.raises(UsageError, match="the connection was lost") as caught:
        download(server, path)
    assert f"put the file into {path.parent}" in str(caught.value)
    assert not path.exists()
    assert path.with_name("train.tar.gz.part").read_bytes() == CONTENT[:5000]


@pytest.mark.parametrize(
    ("content", "amount"),
    [
        (b"x" + CONTENT[1:], "1,024,000 bytes"),
        (CONTENT[:-1], "1,023,999 bytes"),
        (CONTENT + b"x", "more than 1,024,000 bytes"),
        (b"", "0 bytes"),
    ],
)
def test_another_file_is_refused_and_removed(
    content: bytes, amount: str, server: Server, path: Path
) -> None:
    server.content = content
    with pytest.raises(UsageError, match="is not the published file") as caught:
        download(server, path)
    assert f"({amount} with SHA-256" in str(caught.value)
    assert [left.name for left in path.parent.iterdir()] == ["lock"]


def test_a_part_of_another_file_is_found_out(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("train.tar.gz.part").write_bytes(b"x" * 1000)
    with pytest.raises(UsageError, match="is not the published file"):
        download(server, path)
    download(server, path)
    assert path.read_bytes() == CONTENT


def test_without_a_network_the_remedy_is_named(path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/train.tar.gz"
        with pytest.raises(UsageError, match=r"cannot be downloaded from http.*refused") as caught:
            download_from(url, path)
    assert f"put the file into {path.parent}" in str(caught.value)
    assert "\n" not in str(caught.value)
    # Python shows no chain of causes: the message has the reason.
    assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


def test_one_process_at_a_time(server: Server, path: Path) -> None:
    path.parent.mkdir()
    busy = locked(path.parent, "busy")
    with busy, refusing_to_wait(), pytest.raises(BusyError, match="another process is busy"):
        download(server, path)
    assert server.asked == []
