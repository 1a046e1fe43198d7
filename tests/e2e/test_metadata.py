"""Metadata through the whole service: what a result says of itself, and how it is known again."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.e2e.photos import drop
from tests.e2e.service import Service, parsed
from twofold.imaging.inspection import inspect

CONFIG = """\
recipes:
  main: {scale: 2, models: [identity], RECIPE}
inboxes:
  in: {path: in, outbox: out, recipe: main, settle: 0.2s, INBOX}
"""
MTIME_NS = 1_563_657_460_123_456_789
MOTION = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def config(recipe: str = "", inbox: str = "") -> str:
    return CONFIG.replace(", RECIPE", f", {recipe}" if recipe else "").replace(", INBOX", f", {inbox}" if inbox else "")


def jpeg(orientation: int = 1, *, xmp: bytes = b"", taken: str = "") -> bytes:
    buffer, tags = io.BytesIO(), Image.Exif()
    tags[0x0112] = orientation
    tags.get_ifd(0x8825)[2] = (48.0, 51.0, 29.6)
    if taken:
        tags.get_ifd(0x8769)[0x9003] = taken
    Image.linear_gradient("L").resize((40, 30)).convert("RGB").save(buffer, "JPEG", exif=tags, xmp=xmp)
    return buffer.getvalue()


def once(service: Service) -> list[dict[str, object]]:
    done = service.command("once", "--verbose")
    assert done.returncode == 0, done.stderr
    return parsed(done.stderr.encode())


def test_a_result_that_comes_back_is_known_and_left_alone(service: Callable[[str], Service]) -> None:
    one = service(config())
    inbox, outbox = one.folder("in"), one.folder("out")
    drop(inbox, "a.jpg", jpeg())
    os.utime(inbox / "a.jpg", ns=(MTIME_NS, MTIME_NS))
    once(one)
    assert (outbox / "a.jpg").stat().st_mtime_ns == MTIME_NS
    shutil.copy(outbox / "a.jpg", inbox / "under another name.jpg")
    events = once(one)
    skipped = [event for event in events if event["event"] == "job.skipped"]
    assert [event["code"] for event in skipped] == ["own_result"]
    assert sorted(path.name for path in outbox.iterdir()) == ["a.jpg"]
    explained = json.loads(one.command("explain", "in/under another name.jpg", "--json").stdout)
    assert "own_result" in json.dumps(explained)
    # By hand it can be done all the same, and where the owner says so.
    by_hand = one.command("upscale", "out/a.jpg", "--model", "identity", "-o", "larger")
    assert by_hand.returncode == 0, by_hand.stderr
    one.configure(config(inbox="own_results: process"))
    shutil.copy(outbox / "a.jpg", inbox / "again.jpg")
    once(one)
    assert inspect((outbox / "again.jpg").read_bytes()).header.size == (160, 120)


def test_a_folder_is_not_enlarged_twice_by_hand(tmp_path: Path) -> None:
    one = Service(tmp_path, "")
    drop(one.folder("album"), "a.jpg", jpeg())
    for _ in range(2):
        one.command("upscale", "-r", "album", "--model", "identity")
    assert sorted(path.name for path in one.folder("album").iterdir()) == ["a-2x.jpg", "a.jpg"]


def test_a_recipe_leaves_places_out_and_the_job_tells_once_of_a_film(service: Callable[[str], Service]) -> None:
    one = service(config(recipe="strip: gps"))
    drop(one.folder("in"), "a.jpg", jpeg(6, xmp=MOTION) + b"\0\0\0\x18ftypmp42 and a film")
    one.folder("out")
    (delivered,) = (event for event in once(one) if event["event"] == "job.delivered")
    assert delivered["warnings"] == ["only the picture was enlarged, without the film of a motion photo"]
    data = (one.home / "out" / "a.jpg").read_bytes()
    assert b"ftyp" not in data
    assert b"MotionPhoto" not in data
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (60, 80)
        assert dict(image.getexif().get_ifd(0x8825)) == {}


def test_names_follow_the_template_and_do_not_collide(service: Callable[[str], Service]) -> None:
    one = service(config(recipe="save_as: {format: png}", inbox="result_name: '{date} {stem}-{factor}x'"))
    inbox, outbox = one.folder("in"), one.folder("out")
    drop(inbox, "trip/a.jpg", jpeg(taken="2019:07:20 21:17:40"))
    once(one)
    assert [path.name for path in (outbox / "trip").iterdir()] == ["2019-07-20 a-2x.png"]
    one.configure(config(recipe="save_as: {format: png}"))
    for name in ("b.webp", "b.jpg", "B.JPG"):
        drop(inbox, name, jpeg())
    once(one)
    names = sorted(path.name for path in outbox.iterdir() if path.is_file())
    assert len(names) == 3
    assert len({name.casefold() for name in names}) == 3


def test_sidecars_follow_their_picture_and_turn_with_it(service: Callable[[str], Service]) -> None:
    one = service(config(recipe="save_as: {format: png}", inbox="companions: copy"))
    inbox, outbox = one.folder("in"), one.folder("out")
    packet = MOTION.replace(
        b'GCamera:MotionPhoto="1"',
        b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" tiff:ImageWidth="40"',
    )
    for name, data in {"a.xmp": packet, "a.jpg.xmp": b"no XML", "a.aae": b"edits", "b.xmp": packet}.items():
        (inbox / name).write_bytes(data)
    (outbox / "a.aae").write_bytes(b"somebody's own")
    drop(inbox, "a.jpg", jpeg(6))
    drop(inbox, "c.jpg", jpeg())
    events = once(one)
    refused = [event for event in events if event["event"] == "aftercare.refused"]
    assert [(event["what"], event["code"]) for event in refused] == [("companions", "output_exists")]
    (inbox / "c.xmp").write_bytes(packet)
    found = (outbox / "a.xmp").read_bytes()
    assert found == packet.replace(b'Orientation="6"', b'Orientation="1"').replace(b'"40"', b'"60"')
    assert (outbox / "a.aae").read_bytes() == b"somebody's own"
    assert not [path.name for path in outbox.iterdir() if path.name.startswith(".") or path.name == "b.xmp"]
