"""Models that a hospital offers in an index: on a share or a web server, after asking, verified."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading

import pytest


@pytest.fixture
def shelf(module, tiny, tmp_path):
    """A folder with an exported model and its index."""
    from CMAformerSegmentationLib.models.catalog import readModel
    from CMAformerSegmentationLib.models.library import exportModel

    folder = tmp_path / "shelf"
    folder.mkdir()
    exportModel(readModel(tiny), folder / "tiny.zip")
    checksum = hashlib.sha256((folder / "tiny.zip").read_bytes()).hexdigest()
    entry = {"id": "tiny-1.0.0", "version": "1.0.0", "title": "Tiny heart", "license": "ours", "sha256": checksum}
    (folder / "index.json").write_text(json.dumps({"models": [{**entry, "path": "tiny.zip"}]}))
    return folder


@pytest.fixture
def server(shelf):
    """A web server of the folder; gives its address, and the paths that were asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(shelf))

        def do_GET(self):
            asked.append(self.path)
            if self.path == "/elsewhere.zip":
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/tiny.zip")
                self.end_headers()
                return
            super().do_GET()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}", asked
        found.shutdown()


def change(shelf, **values):
    content = json.loads((shelf / "index.json").read_text())
    content["models"][0].update(values)
    (shelf / "index.json").write_text(json.dumps(content))


def test_a_model_comes_from_a_share_and_from_the_web(shelf, server, tmp_path):
    from CMAformerSegmentationLib.models.index import fetchModel, readIndex

    address, asked = server
    for place, host in ((str(shelf / "index.json"), str(shelf)), (f"{address}/index.json", "127.0.0.1")):
        (offer,) = readIndex(place)
        assert (offer.id, offer.title, offer.license, offer.host) == ("tiny-1.0.0", "Tiny heart", "ours", host)
        model = fetchModel(offer, tmp_path / "library")
        assert model.title == "Tiny heart"
    assert asked == ["/index.json", "/tiny.zip"]
    assert sorted(path.name for path in (tmp_path / "library").iterdir()) == ["tiny-1.0.0", "tiny-1.0.1"]


def test_what_is_not_what_the_index_says_is_refused(shelf, server, tmp_path):
    from CMAformerSegmentationLib.models.index import fetchModel, readIndex

    address, _asked = server
    change(shelf, sha256="0" * 64)
    for place in (str(shelf / "index.json"), f"{address}/index.json"):
        (offer,) = readIndex(place)
        with pytest.raises(ValueError, match="another checksum"):
            fetchModel(offer, tmp_path / "library")
    change(shelf, path="gone.zip")
    for place, words in (
        (str(shelf / "index.json"), "gone.zip cannot be read"),
        (f"{address}/index.json", "File not found"),
    ):
        (offer,) = readIndex(place)
        with pytest.raises(ValueError, match=words):
            fetchModel(offer, tmp_path / "library")
    assert list((tmp_path / "library").iterdir()) == []


def test_an_index_of_the_web_reaches_no_file_of_this_computer(shelf, server):
    from CMAformerSegmentationLib.models.index import readIndex

    address, _asked = server
    for place in ("file:///etc/passwd", "ftp://host/model.zip"):
        change(shelf, path=place)
        with pytest.raises(ValueError, match="offers no model"):
            readIndex(f"{address}/index.json")


def test_a_server_that_leads_elsewhere_is_not_followed(shelf, server):
    from CMAformerSegmentationLib.models.index import fetchModel, readIndex

    address, _asked = server
    change(shelf, url=f"{address}/elsewhere.zip")
    (offer,) = readIndex(f"{address}/index.json")
    with pytest.raises(ValueError, match="leads to another server"):
        fetchModel(offer, shelf / "library")
    assert list((shelf / "library").iterdir()) == []


def test_entries_that_cannot_be_used_are_left_out(shelf):
    from CMAformerSegmentationLib.models.index import readIndex

    content = json.loads((shelf / "index.json").read_text())
    good = content["models"][0]
    bad = [7, {}, {**good, "id": 7}, {**good, "url": "http://[x"}, {**good, "sha256": "abc"}, {**good, "path": ""}]
    (shelf / "index.json").write_text(json.dumps({"models": [*bad, good, {**good, "path": "other.zip"}]}))
    (offer,) = readIndex(str(shelf / "index.json"))
    assert offer.place.endswith("tiny.zip")


@pytest.mark.parametrize(
    "content", ["<html></html>", "[]", "{}", '{"models": 7}', "[" * 5000, '{"models": [' + "7," * 800_000 + "7]}"]
)
def test_what_is_no_index_is_refused(shelf, content):
    from CMAformerSegmentationLib.models.index import readIndex

    (shelf / "index.json").write_text(content)
    with pytest.raises(ValueError, match="no index of models"):
        readIndex(str(shelf / "index.json"))


def test_places_that_cannot_be_reached_are_told(module, tmp_path):
    from CMAformerSegmentationLib.models.index import readIndex

    for place, words in (
        (str(tmp_path / "index.json"), "index.json cannot be read: No such file"),
        ("http://127.0.0.1:9/index.json", "index.json cannot be read: .*refused"),
        ("http://127.0.0.1/our models/index.json", "index.json cannot be read: URL can"),
        ("http://127.0.0.1:port/index.json", "index.json cannot be read"),
        ("", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=words):
            readIndex(place)
