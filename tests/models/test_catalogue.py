"""Names of networks, and the cards they lead to."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.models.catalogue import Catalogue, Places
from twofold.models.measure import measure_in_child


class Measurer:
    """Makes a card of any file's bytes, and remembers what it was asked; files that say "bad" are no networks."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, path: str) -> NetworkCard:
        self.asked.append(path)
        data = Path(path).read_bytes()
        if data == b"bad":
            raise TwofoldError(Code.BAD_NETWORK, f"{path}: bad")
        return NetworkCard(Path(path).stem, 1, hashlib.sha256(data).hexdigest(), 2, file=path, halo_px=9)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for name in ("config", "models", "built_in"):
        (tmp_path / name).mkdir()
    return Places(*(str(tmp_path / name) for name in ("config", "models", "cache", "built_in")))


@pytest.fixture
def measure() -> Measurer:
    return Measurer()


@pytest.fixture
def catalogue(places: Places, measure: Measurer) -> Catalogue:
    return Catalogue(places, measure)


def put_built_in(places: Places, name: str, version: int, data: bytes = b"weights") -> None:
    file = f"{name}@{version}.safetensors"
    Path(places.built_in_dir, file).write_bytes(data)
    card = {
        "schema": 1, "name": name, "version": version, "file": file, "sha256": hashlib.sha256(data).hexdigest(),
        "architecture": "Compact", "scale": 2, "parameters": 7, "halo_px": 18, "mflop_per_px": 1.2,
        "license": "Apache-2.0", "intended_use": "photographs", "training_data": [], "metrics": {},
    }  # fmt: skip
    Path(places.built_in_dir, f"{name}@{version}.json").write_text(json.dumps(card))


def code_of(action: Callable[[], object]) -> Code:
    with pytest.raises(TwofoldError) as caught:
        action()
    return caught.value.code


def test_built_in_networks_by_version_and_newest(places: Places, catalogue: Catalogue) -> None:
    for version in (9, 10, 2):
        put_built_in(places, "twofold-photo-2x", version)
    assert catalogue.resolve("twofold-photo-2x").version == 10
    card = catalogue.resolve("twofold-photo-2x@9")
    assert (card.full_name, card.halo_px) == ("twofold-photo-2x@9", 18)
    assert Path(card.file).read_bytes() == b"weights"
    assert code_of(lambda: catalogue.resolve("twofold-photo-2x@3")) is Code.MISSING_MODEL
    assert catalogue.resolve_auto("photo") == "twofold-photo-2x@10"


def test_auto_is_the_network_for_the_content(places: Places, catalogue: Catalogue) -> None:
    for content in ("photo", "web", "art"):
        put_built_in(places, f"twofold-{content}-2x", 3)
    for content in ("photo", "web", "art"):
        assert catalogue.resolve_auto(content) == f"twofold-{content}-2x@3"


def test_auto_without_a_built_in_network_is_missing(catalogue: Catalogue) -> None:
    assert code_of(lambda: catalogue.resolve_auto("art")) is Code.MISSING_MODEL


def test_a_built_in_file_that_changed_is_refused(places: Places, catalogue: Catalogue) -> None:
    put_built_in(places, "twofold-photo-2x", 1)
    catalogue.resolve("twofold-photo-2x")
    file = Path(places.built_in_dir, "twofold-photo-2x@1.safetensors")
    file.write_bytes(b"other weights")
    assert code_of(lambda: catalogue.resolve("twofold-photo-2x")) is Code.MODEL_CHANGED
    file.unlink()
    assert code_of(lambda: catalogue.resolve("twofold-photo-2x")) is Code.MISSING_MODEL


@pytest.mark.parametrize("name", ["mine", "mine.safetensors", "mine@1"])
@pytest.mark.parametrize("folder", ["config_dir", "models_dir"])
def test_an_owners_file_by_its_name(name: str, folder: str, places: Places, catalogue: Catalogue) -> None:
    Path(getattr(places, folder), "mine.safetensors").write_bytes(b"network")
    card = catalogue.resolve(name)
    assert (card.full_name, card.halo_px) == ("mine@1", 9)
    assert catalogue.resolve(card.full_name) == card


def test_an_owners_file_by_its_path(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "mine@3.safetensors").write_bytes(b"network")
    card = catalogue.resolve(str(tmp_path / "else" / "mine@3.safetensors"))
    assert (card.name, card.version) == (str(tmp_path / "else" / "mine"), 3)
    assert catalogue.resolve(card.full_name) == card
    (tmp_path / "config" / "sub").mkdir()
    shutil.copy(card.file, tmp_path / "config" / "sub" / "mine.safetensors")
    assert catalogue.resolve("sub/mine.safetensors").file == str(tmp_path / "config" / "sub" / "mine.safetensors")


def test_cards_are_measured_once_and_kept(places: Places, catalogue: Catalogue, measure: Measurer) -> None:
    path = Path(places.models_dir, "mine.safetensors")
    path.write_bytes(b"network")
    first = catalogue.resolve("mine")
    assert Catalogue(places, measure).resolve("mine") == first
    assert len(measure.asked) == 1
    path.write_bytes(b"another network")
    assert catalogue.resolve("mine").sha256 == hashlib.sha256(b"another network").hexdigest()
    assert len(measure.asked) == 2


def test_a_torn_card_is_measured_again(places: Places, catalogue: Catalogue, measure: Measurer) -> None:
    Path(places.models_dir, "mine.safetensors").write_bytes(b"network")
    card = catalogue.resolve("mine")
    (kept,) = Path(places.cache_dir).iterdir()
    for torn in ('{"name": "mi', "[]", '{"name": "mine"}', ""):
        kept.write_text(torn)
        assert Catalogue(places, measure).resolve("mine") == card
    assert len(measure.asked) == 5
    assert [name for name in os.listdir(places.cache_dir) if name.endswith(".tmp")] == []


def test_a_cache_that_cannot_be_written_costs_only_time(places: Places, measure: Measurer) -> None:
    Path(places.models_dir, "mine.safetensors").write_bytes(b"network")
    Path(places.cache_dir).write_text("a file where the folder should be")
    assert Catalogue(places, measure).resolve("mine").full_name == "mine@1"


def test_what_is_no_network_is_measured_once(places: Places, catalogue: Catalogue, measure: Measurer) -> None:
    Path(places.models_dir, "no.safetensors").write_bytes(b"bad")
    assert code_of(lambda: catalogue.resolve("no")) is Code.BAD_NETWORK
    assert code_of(lambda: catalogue.resolve("no")) is Code.BAD_NETWORK
    assert len(measure.asked) == 1


def test_a_file_that_changes_while_it_is_measured_is_refused(places: Places) -> None:
    path = Path(places.models_dir, "mine.safetensors")
    path.write_bytes(b"network")

    def measure(asked: str) -> NetworkCard:
        path.write_bytes(b"another")
        return Measurer()(asked)

    assert code_of(lambda: Catalogue(places, measure).resolve("mine")) is Code.MODEL_CHANGED
    assert not Path(places.cache_dir).exists()


@pytest.mark.parametrize("name", ["nothing", "", "sleep:", "sleep:-1", "identity:3", "../up", "/nowhere/at/all", "a@b"])
def test_unknown_names_are_missing(name: str, catalogue: Catalogue) -> None:
    assert code_of(lambda: catalogue.resolve(name)) is Code.MISSING_MODEL


@pytest.mark.parametrize(
    ("name", "backend", "scale"),
    [("identity", "identity", 2), ("identity:4", "identity", 4), ("sleep:0.2", "sleep", 2), ("sleep", "sleep", 2)],
)
def test_back_ends_without_files(name: str, backend: str, scale: int, catalogue: Catalogue) -> None:
    card = catalogue.resolve(name)
    assert (card.name, card.backend, card.scale, card.halo_px) == (name, backend, scale, 0)
    assert catalogue.resolve(card.full_name) == card


def test_lists_name_every_network_and_report_the_rest(places: Places, catalogue: Catalogue) -> None:
    put_built_in(places, "twofold-photo-2x", 2)
    put_built_in(places, "twofold-photo-2x", 1)
    Path(places.built_in_dir, "torn.json").write_text("{")
    Path(places.models_dir, "mine.safetensors").write_bytes(b"network")
    Path(places.models_dir, "no.safetensors").write_bytes(b"bad")
    Path(places.models_dir, "notes.txt").write_bytes(b"text")
    reported: list[tuple[str, Code]] = []
    cards = catalogue.list_cards(lambda file, error: reported.append((file, error.code)))
    assert [card.full_name for card in cards] == ["twofold-photo-2x@1", "twofold-photo-2x@2", "mine@1"]
    assert reported == [("no.safetensors", Code.BAD_NETWORK)]


def test_lists_without_folders_are_empty(tmp_path: Path, measure: Measurer) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert Catalogue(Places(nowhere, nowhere, nowhere, nowhere), measure).list_cards() == ()


def test_the_engine_measures_in_a_child_and_says_why_not(tmp_path: Path) -> None:
    path = tmp_path / "no.safetensors"
    path.write_bytes(b"nothing")
    assert code_of(lambda: measure_in_child(str(path))) is Code.BAD_NETWORK


def test_shipped_cards_say_what_measuring_says(tmp_path: Path) -> None:
    """Whatever networks this tree holds: a card that lacks a figure (half, live bytes) would be planned wrongly."""
    shipped = Catalogue(Places(*[str(tmp_path)] * 3), measure_in_child)
    for card in shipped.list_cards():
        assert shipped.resolve(card.full_name) == card
        assert card.license
        measured = measure_in_child(card.file)
        own = {key: getattr(card, key) for key in ("name", "version", "license", "intended_use")}
        assert card == replace(measured, **own, mflop_per_px=card.mflop_per_px)
        assert card.mflop_per_px == pytest.approx(measured.mflop_per_px, rel=0.05)
