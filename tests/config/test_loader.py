"""From a file and an environment to settings, or to every mistake at once."""

from __future__ import annotations

import os
import textwrap
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold.config.loader import find_state_dir, load
from twofold.config.locations import Surroundings
from twofold.config.mistake import ConfigError
from twofold.core.codes import Code
from twofold.core.memory import MemoryPolicy
from twofold.core.recipe import Recipe, SaveAs, Target
from twofold.core.settings import DeviceSettings, InboxSettings, Limits, Settings

ONE_INBOX = "inboxes: {photos: {path: in, outbox: out}}\n"


def written(machine: Surroundings, text: str) -> str:
    path = os.path.join(machine.cwd, "twofold.yaml")
    Path(path).write_text(textwrap.dedent(text))
    return path


def loaded(machine: Surroundings, text: str, **environ: str) -> Settings:
    return load(written(machine, text), replace(machine, environ=environ))


def complaints(machine: Surroundings, text: str, **environ: str) -> list[str]:
    path = written(machine, text)
    with pytest.raises(ConfigError) as caught:
        load(path, replace(machine, environ=environ))
    assert caught.value.code is Code.BAD_CONFIG
    assert caught.value.mistakes
    return [str(mistake).replace(path, "twofold.yaml") for mistake in caught.value.mistakes]


def test_every_key_of_the_design(machine: Surroundings) -> None:
    result = loaded(
        machine,
        """\
        state_dir: /srv/state
        database: sqlite
        scratch_dir: ~/scratch
        devices: [cuda:0, GPU-0a1b, {id: GPU-2c3d, vram: {keep_free: 2GiB}}]
        on_no_device: exit
        idle_exit: 90s
        vram: {keep_free: 1GiB, use_at_most: 60%}
        ram: {use_at_most: 12.5%}
        limits: {input_megapixels: 100, output_megapixels: 0.5, decode_time: 1min}
        on_recipe_change: redo
        recipes:
          quad: {scale: 3/2, models: clean, before: [a, b], larger: copy, remainder: pass, save_as: {format: png}}
          web: {scale: 2, save_as: {format: webp, lossless: false, subsampling: 420, effort: 9, match_source: true,
            background: "#FFee00", on_too_large: tiff, convert: display-p3}}
          wall: {target: {megapixels: 33.2}, models: [a@1, b@2]}
        inboxes:
          photos:
            path: in
            outbox: ../out
            recipe: wall
            settle: 10s
            scan_every: 5min
            existing: hold
            order: smallest
            priority: -2
            originals: keep
            on_exists: suffix
            ignore: ["*_raw.tif", "!keep"]
        """,
    )
    own = MemoryPolicy(1 << 30, Fraction(3, 5))
    assert result == Settings(
        state_dir="/srv/state",
        scratch_dir=os.path.join(machine.home, "scratch"),
        database="sqlite",
        devices=(
            DeviceSettings("cuda:0", own),
            DeviceSettings("GPU-0a1b", own),
            DeviceSettings("GPU-2c3d", MemoryPolicy(2 << 30, Fraction(3, 5))),
        ),
        on_no_device="exit",
        idle_exit_s=90.0,
        vram=own,
        ram_use_at_most=Fraction(1, 8),
        limits=Limits(100, 0.5, 60.0),
        on_recipe_change="redo",
        recipes={
            "quad": Recipe(
                "quad",
                scale=Fraction(3, 2),
                models=("clean",),
                before=("a", "b"),
                larger="copy",
                remainder="pass",
                save_as=SaveAs("png", 95),
            ),
            "web": Recipe("web", save_as=SaveAs("webp", 95, False, 420, 9, True, "#ffee00", "tiff", "display-p3")),
            "wall": Recipe("wall", scale=None, target=Target("megapixels", Fraction(332, 10)), models=("a@1", "b@2")),
        },
        inboxes={
            "photos": InboxSettings(
                "photos",
                os.fsencode(os.path.join(machine.cwd, "in")),
                os.fsencode(machine.cwd + "/../out"),
                "wall",
                settle_s=10.0,
                scan_every_s=300.0,
                existing="hold",
                order="smallest",
                priority=-2,
                on_exists="suffix",
                ignore=("*_raw.tif", "!keep"),
            )
        },
        source=os.path.join(machine.cwd, "twofold.yaml"),
    )


def test_defaults(machine: Surroundings) -> None:
    state = os.path.join(machine.home, ".local", "state", "twofold")
    assert load(None, machine, required=False) == Settings(
        state_dir=state, scratch_dir=os.path.join(state, "scratch"), recipes={"default": Recipe("default")}
    )


def test_many_mistakes_each_on_its_line(machine: Surroundings) -> None:
    found = complaints(
        machine,
        """\
        devices: [cuda:x, {idd: 2}, cpu, cpu]
        vram: []
        limits:
          decode_time: 0s
          input_megapixls: 3
        on_recipe_change: kep
        ram: {use_at_most: 80}
        database: postgresql://me@host/db
        recipes:
          a b: {scale: 4}
          quad:
            scale: 0.5
            target: {long_side: 1.5, width: 3}
          none: {}
          long: {target: {}}
        inboxes:
          p:
            originals: {archiv: 1}
            failure_notes: allways
            order: newst
            recipe: quat
            priority: true
          q: {path: ~bob/in, outbox: '', originals: {archive: a, delete: true}, settle: 2 fortnights, on_exists: [skip]}
          q: 1
          r: text
        vram2: 1
        idle_exit:
        """,
    )
    expected = """\
        1: devices[0]: Must be cpu, cuda:0, GPU-<uuid> or MIG-<uuid> ('twofold doctor' lists them) (got cuda:x).
        1: devices[1].id: This key is required.
        1: devices[1].idd: There is no such key. Did you mean 'id'?
        1: devices[3]: The device cpu stands here twice. Remove one of them.
        2: vram: Must be a section of keys and values (got a list).
        4: limits.decode_time: Must be greater than 0 (got 0s).
        5: limits.input_megapixls: There is no such key. Did you mean 'input_megapixels'?
        6: on_recipe_change: Must be keep or redo (got kep). Did you mean 'keep'?
        7: ram.use_at_most: Must be a percentage such as 80% (got 80).
        8: database: PostgreSQL is not available yet. Use sqlite.
        10: recipes.a b: A name holds letters, digits, '_', '-' and '.' only, up to 64.
        12: recipes.quad.scale: Must be larger than 1 (got 0.5).
        13: recipes.quad.target.long_side: Must be a whole number (got 1.5).
        13: recipes.quad.target: A recipe takes scale or target, not both. Remove one of them.
        14: recipes.none: A recipe needs scale or target. Such as 'scale: 4', or 'target: {long_side: 7680}'.
        15: recipes.long.target: A target takes exactly one key (got none). Such as 'target: {long_side: 7680}'.
        17: inboxes.p.path: This key is required.
        17: inboxes.p.outbox: This key is required.
        18: inboxes.p.originals: Originals takes exactly one of archive and delete. Such as 'archive: DIR'.
        18: inboxes.p.originals.archiv: There is no such key. Did you mean 'archive'?
        19: inboxes.p.failure_notes: Must be auto, always or never (got allways). Did you mean 'always'?
        20: inboxes.p.order: Must be newest, oldest, smallest or name (got newst). Did you mean 'newest'?
        21: inboxes.p.recipe: There is no recipe 'quat'. Did you mean 'quad'?
        22: inboxes.p.priority: Must be a whole number (got true).
        23: inboxes.q.path: Must not start with another user's ~name; write the path out (got ~bob/in).
        23: inboxes.q.outbox: Must not be empty (got '').
        23: inboxes.q.settle: Has an unknown unit 'fortnights'; use ms, s, min, h, d (got 2 fortnights).
        23: inboxes.q.on_exists: Must be overwrite_own, suffix, skip or fail (got a list).
        23: inboxes.q: There are several recipes, so this inbox has to name one. Add 'recipe: a b'.
        23: inboxes.q.originals: Originals takes exactly one of archive and delete. Such as 'archive: DIR'.
        24: inboxes.q: This key stands here twice; first in line 23.
        25: inboxes.r: Must be a section of keys and values (got text).
        26: vram2: There is no such key. Did you mean 'vram'?
        27: idle_exit: This key has no value. Give it one, or remove the key.
        """
    assert sorted(found) == sorted(f"twofold.yaml:{line}" for line in textwrap.dedent(expected).splitlines())
    assert [int(line.split(":")[1]) for line in found] == sorted(int(line.split(":")[1]) for line in found)


def test_the_only_recipe_is_taken(machine: Surroundings) -> None:
    assert loaded(machine, "recipes: {quad: {scale: 4}}\n" + ONE_INBOX).inboxes["photos"].recipe == "quad"
    assert loaded(machine, ONE_INBOX).inboxes["photos"].recipe == "default"


@pytest.mark.parametrize(
    ("text", "scale"), [("4", Fraction(4)), ("1.1", Fraction(11, 10)), ("3/2", Fraction(3, 2)), ("'2'", Fraction(2))]
)
def test_scales_are_exact(machine: Surroundings, text: str, scale: Fraction) -> None:
    assert loaded(machine, f"recipes: {{r: {{scale: {text}}}}}").recipes["r"].scale == scale


@pytest.mark.parametrize("text", ["1", "0.99", "-2", "3/0", "1.5/2", "4x", "257", "1e30", ".inf", "true", "[4]", "{}"])
def test_scales_refused(machine: Surroundings, text: str) -> None:
    found = complaints(machine, f"recipes:\n  r:\n    scale: {text}\n")
    assert len(found) == 1
    assert found[0].startswith("twofold.yaml:3: recipes.r.scale: Must be")


# --- the environment


def test_the_environment_overrides(machine: Surroundings) -> None:
    result = loaded(
        machine,
        "devices: auto\nrecipes: {Photo-4x: {scale: 4}}\n" + ONE_INBOX,
        TWOFOLD__DEVICES="cpu",
        TWOFOLD__VRAM__KEEP_FREE="2GiB",
        TWOFOLD__RECIPES__PHOTO_4X__SCALE="2.5",
        TWOFOLD__INBOXES__PHOTOS__PATH="/srv/a: b #1",
        TWOFOLD__INBOXES__PHOTOS__IGNORE="['*.tif', b]",
        TWOFOLD__INBOXES__MORE__PATH="more-in",
        TWOFOLD__INBOXES__MORE__OUTBOX="more-out",
        TWOFOLD_CONFIG="ignored",
    )
    assert result.devices == (DeviceSettings("cpu", MemoryPolicy(2 << 30)),)
    assert result.recipes["Photo-4x"].scale == Fraction(5, 2)
    assert result.inboxes["photos"].path == b"/srv/a: b #1"
    assert result.inboxes["photos"].ignore == ("*.tif", "b")
    assert result.inboxes["more"].path == os.fsencode(os.path.join(machine.cwd, "more-in"))


def test_the_environment_alone_is_enough(machine: Surroundings) -> None:
    result = load(None, replace(machine, environ={"TWOFOLD__DEVICES": "cpu"}))
    assert result.source is None
    assert [device.id for device in result.devices or ()] == ["cpu"]


def test_mistakes_name_the_variable(machine: Surroundings) -> None:
    found = complaints(
        machine,
        "devices: [cuda:0]\nrecipes: {a-b: {scale: 2}, a_b: {scale: 3}}\n",
        TWOFOLD__DEVICES="[cuda:0, what]",
        TWOFOLD__VRAM__KEEP_FREE="2G",
        TWOFOLD__IDLE_EXIT="",
        TWOFOLD__LIMITS="[1",
        TWOFOLD__FOO="1",
        TWOFOLD__DATABASE__FILE="x",
        TWOFOLD__="1",
        TWOFOLD__RECIPES__A_B__SCALE="4",
        TWOFOLD__INBOXES__MORE__PATH="more-in",
    )
    assert all(line.startswith("$TWOFOLD__") for line in found)
    text = "\n".join(found)
    assert "$TWOFOLD__DEVICES: devices[1]: Must be cpu, cuda:0" in text
    assert "$TWOFOLD__VRAM__KEEP_FREE: vram.keep_free: Has an unknown unit 'G'" in text
    assert "$TWOFOLD__IDLE_EXIT: idle_exit: Must be a duration such as 60s, 15min or 3h (got '')." in text
    assert "$TWOFOLD__LIMITS: This is not YAML" in text
    assert "$TWOFOLD__FOO: foo: There is no such key." in text
    assert "$TWOFOLD__: This names no key" in text
    assert "$TWOFOLD__DATABASE__FILE: database: Must be one value, not a list, a section or true/false" in text
    assert "$TWOFOLD__RECIPES__A_B__SCALE: This could mean a-b or a_b; rename one of them." in text
    assert "$TWOFOLD__INBOXES__MORE__PATH: inboxes.more.outbox: This key is required." in text


def test_a_variable_cannot_enter_a_value(machine: Surroundings) -> None:
    found = complaints(machine, "devices: cpu\n", TWOFOLD__DEVICES__ID="cuda:0")
    assert found == ["$TWOFOLD__DEVICES__ID: devices is a value, not a section."]


# --- places


def test_the_search_order(machine: Surroundings) -> None:
    with pytest.raises(ConfigError, match="No configuration was found") as caught:
        load(None, machine)
    assert "/etc/twofold/twofold.yaml" in str(caught.value)

    places = {name: os.path.join(machine.cwd, name) for name in ("option.yaml", "variable.yaml", "twofold.yaml")}
    places["home"] = os.path.join(machine.home, ".config", "twofold", "twofold.yaml")
    os.makedirs(os.path.dirname(places["home"]))
    for path in places.values():
        Path(path).write_text("devices: cpu\n")
    named = replace(machine, environ={"TWOFOLD_CONFIG": "variable.yaml"})
    assert load("option.yaml", named).source == places["option.yaml"]
    assert load(None, named).source == places["variable.yaml"]
    assert load(None, machine).source == places["twofold.yaml"]
    os.unlink(places["twofold.yaml"])
    assert load(None, machine).source == places["home"]


def test_a_named_file_must_be_readable(machine: Surroundings) -> None:
    for name in ("missing.yaml", "."):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(name, machine, required=False)


def test_relative_paths_start_at_the_file(machine: Surroundings) -> None:
    folder = os.path.join(machine.home, "elsewhere")
    os.makedirs(folder)
    Path(folder, "c.yaml").write_text("state_dir: state\ninboxes: {p: {path: ./in/, outbox: ~/out}}\n")
    result = load(os.path.join(folder, "c.yaml"), machine)
    assert result.state_dir == os.path.join(folder, "state")
    assert result.inboxes["p"].path == os.fsencode(os.path.join(folder, "in"))
    assert result.inboxes["p"].outbox == os.fsencode(os.path.join(machine.home, "out"))


@pytest.mark.parametrize(
    ("environ", "uid", "expected"),
    [
        ({"STATE_DIRECTORY": "/run/a:/run/b", "XDG_STATE_HOME": "/xdg"}, 1000, "/run/a"),
        ({"STATE_DIRECTORY": "/run/a"}, 0, "/run/a"),
        ({"XDG_STATE_HOME": "/xdg"}, 0, "/var/lib/twofold"),
        ({"XDG_STATE_HOME": "/xdg"}, 1000, "/xdg/twofold"),
        ({"XDG_STATE_HOME": "relative"}, 1000, "/home/me/.local/state/twofold"),
        ({}, 1000, "/home/me/.local/state/twofold"),
        ({"STATE_DIRECTORY": "/run/a", "TWOFOLD__STATE_DIR": "/mine"}, 1000, "/mine"),
    ],
)
def test_state_dir(environ: dict[str, str], uid: int, expected: str) -> None:
    surroundings = Surroundings(environ, uid, "/home/me", "/nowhere")
    settings_in_force = load(None, surroundings, required=False)
    assert settings_in_force.state_dir == expected
    assert settings_in_force.scratch_dir == expected + "/scratch"


def test_the_state_dir_is_found_without_the_schema(machine: Surroundings) -> None:
    path = written(machine, "state_dir: here\nnonsense: 1\n")
    assert find_state_dir(path, machine) == os.path.join(machine.cwd, "here")
    with pytest.raises(ConfigError, match="state_dir: Must be a path"):
        find_state_dir(written(machine, "state_dir: [1]\n"), machine)


# --- laws

_VALUES = st.recursive(
    st.sampled_from(["auto", "cpu", "keep", "80%", "2GiB", "60s", "x", "", "~", "~a", "4", "0.5", "-1", "1e99", "3/0"])
    | st.sampled_from(["null", "true", "'\\0'", '"\\ud800"', "!x y", "*a", "&a b", "2026-01-01", ".nan", "9" * 400]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["id", "scale", "path", "p", "width", "vram", "1"]), inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
        )
    ),
    max_leaves=6,
)
_TOP = st.sampled_from([*Settings.__dataclass_fields__, "ram", "idle_exit", "what", "1", "[a]"])
_LINES = st.lists(st.tuples(_TOP, _VALUES).map(lambda pair: f"{pair[0]}: {pair[1]}"), max_size=6)


def outcome(option: str | None, machine: Surroundings) -> Settings | ConfigError:
    try:
        return load(option, machine, required=False)
    except ConfigError as error:
        return error


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=_LINES.map("\n".join).map(str.encode) | st.text(max_size=60).map(str.encode) | st.binary(max_size=60))
def test_any_file_gives_settings_or_mistakes(machine: Surroundings, content: bytes) -> None:
    path = os.path.join(machine.cwd, "any.yaml")
    Path(path).write_bytes(content)
    result = outcome(path, machine)
    if isinstance(result, Settings):
        assert os.path.isabs(result.state_dir)
        assert all(inbox.recipe in result.recipes for inbox in result.inboxes.values())
    else:
        assert result.mistakes
        assert str(result).encode()  # a terminal can print it
        assert all("\n" not in str(mistake) for mistake in result.mistakes)


_VARIABLES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", max_size=20).map("TWOFOLD__".__add__)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(_VARIABLES, _VALUES | st.text(), max_size=4))
def test_any_environment_gives_settings_or_mistakes(environ: dict[str, str]) -> None:
    result = outcome(None, Surroundings(environ, 1000, "/home/me", "/nowhere"))
    if isinstance(result, ConfigError):
        assert {mistake.origin for mistake in result.mistakes} <= {f"${name}" for name in environ}
