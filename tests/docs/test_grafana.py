"""The dashboard asks for what is exported, and for all of it."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.docs.source import ROOT
from twofold.telemetry.metrics import METRICS

BOARD: dict[str, Any] = json.loads((ROOT / "docs" / "grafana" / "twofold.json").read_text(encoding="utf-8"))
SAMPLES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


def exported() -> dict[str, str]:
    """Every sample's name, and the metric that it belongs to."""
    return {name + end: name for name, spec in METRICS.items() for end in SAMPLES.get(spec.kind, ("",))}


def queries() -> list[str]:
    panels = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
    return panels + [one["query"]["query"] for one in BOARD["templating"]["list"] if one["type"] == "query"]


def test_every_name_that_it_queries_is_exported_and_nothing_is_left_out() -> None:
    asked = {name for query in queries() for name in re.findall(r"\btwofold_\w+", query)}
    assert asked - exported().keys() == set()
    assert {exported()[name] for name in asked} == METRICS.keys()


def test_every_label_that_it_uses_is_there() -> None:
    for query in queries():
        for name, matchers in re.findall(r"\b(twofold_\w+)\{(.*?)\}", query):
            used = set(re.findall(r"(\w+)\s*[=!]", matchers))
            assert used <= set(METRICS[exported()[name]].labels), query
        by = {label for group in re.findall(r"\bby \((.*?)\)", query) for label in group.split(", ")}
        known = {label for name in re.findall(r"\btwofold_\w+", query) for label in METRICS[exported()[name]].labels}
        assert by <= known | {"le"}, query


def test_the_data_source_is_the_viewers_choice() -> None:
    (source,) = [one for one in BOARD["templating"]["list"] if one["type"] == "datasource"]
    assert (source["name"], source["query"]) == ("datasource", "prometheus")
    for panel in BOARD["panels"]:
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_panels_lie_side_by_side() -> None:
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
