"""The pictures the networks learn from: which, from where, under which licence."""

import dataclasses
import io
import json
import pathlib
import subprocess
from collections.abc import Iterator

from PIL import Image

MANIFEST = pathlib.Path(__file__).with_name("sources.json")
MAX_PIXELS = 60_000_000


@dataclasses.dataclass(frozen=True)
class Picture:
    """One picture of the manifest. `blob` is its git object id, empty for pictures of Debian packages."""

    source: str
    kind: str
    license: str
    path: str
    blob: str
    held_out: bool

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


def pictures() -> list[Picture]:
    """Every picture of the manifest, in its order."""
    manifest = json.loads(MANIFEST.read_text())
    return [
        Picture(
            source["name"],
            source["kind"],
            source["license"],
            entry["path"],
            entry.get("blob", ""),
            bool(entry.get("held_out", False)),
        )
        for source in manifest["sources"]
        for entry in source["pictures"]
    ]


def summary() -> list[dict[str, str]]:
    """One line for each source and licence, for the network's card."""
    manifest = json.loads(MANIFEST.read_text())
    lines = [
        {
            "source": f"{source['kind']}:{source['name']}",
            "license": source["license"],
            "by": source["attribution"] or "see training/DATA.md",
            "pictures": str(sum(not entry.get("held_out", False) for entry in source["pictures"])),
        }
        for source in manifest["sources"]
    ]
    lines.append(
        {
            "source": "rendered by training/synthetic.py (shapes, gratings, text in DejaVu fonts)",
            "license": "Apache-2.0",
            "by": "the Twofold project",
            "pictures": "generated",
        }
    )
    return lines


def unpack_package(name: str, cache: pathlib.Path) -> pathlib.Path:
    """Downloads and unpacks one Debian package below `cache` with its own client; nothing is installed."""
    target = cache / "packages" / name
    if target.is_dir():
        return target
    downloads = cache / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", name], cwd=downloads, check=True)
    archive = max(downloads.glob(f"{name}_*.deb"))
    target.mkdir(parents=True)
    subprocess.run(["dpkg", "-x", str(archive), str(target)], check=True)
    return target


def read(picture: Picture, cache: pathlib.Path, clones: pathlib.Path) -> Image.Image:
    """Decodes one picture as 8-bit RGB.

    `clones` holds bare git repositories as `owner+name/repo` or `owner/name`, their history included: many
    pictures were later removed there.
    """
    if picture.kind == "deb":
        data = (unpack_package(picture.source, cache) / picture.path).read_bytes()
    else:
        places = (clones / picture.source.replace("/", "+") / "repo", clones / picture.source)
        place = next((path for path in places if path.is_dir()), None)
        if place is None:
            raise FileNotFoundError(f"no clone of {picture.source} below {clones}")
        command = ["git", "-C", str(place), "cat-file", "blob", picture.blob]
        data = subprocess.run(command, check=True, capture_output=True).stdout
    image = Image.open(io.BytesIO(data))
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{picture.name}: more than {MAX_PIXELS} pixels")
    return image.convert("RGB")


def read_all(cache: pathlib.Path, clones: pathlib.Path, *, held_out: bool) -> Iterator[tuple[Picture, Image.Image]]:
    """Decodes the training pictures, or those held out for validation."""
    for picture in pictures():
        if picture.held_out == held_out:
            yield picture, read(picture, cache, clones)
