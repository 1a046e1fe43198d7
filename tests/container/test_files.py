"""The container's files keep to what docs/operating.md promises."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.docs.source import ROOT

DOCKERFILE = (ROOT / "container" / "Dockerfile").read_text(encoding="utf-8")


def compose(variant: str) -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load((ROOT / f"container/compose.{variant}.yaml").read_text())["services"]
    return service["twofold"]  # type: ignore[no-any-return]


def test_the_image_keeps_the_contract() -> None:
    for promise in (
        "TWOFOLD_CONFIG=/config/twofold.yaml",
        "STATE_DIRECTORY=/state",
        "PUID=1000",
        'ENTRYPOINT ["tini", "--", "entrypoint"]',
        'CMD ["twofold", "run"]',
        'CMD ["entrypoint", "twofold", "status", "--check"]',
    ):
        assert promise in DOCKERFILE


def test_what_the_image_copies_is_let_through() -> None:
    let_through = (ROOT / "container" / "Dockerfile.dockerignore").read_text().split()
    for line in DOCKERFILE.splitlines():
        if line.startswith("COPY") and "--from" not in line:
            sources = [word for word in line.split()[1:-1] if not word.startswith("--")]
            assert [source for source in sources if f"!{source}" not in let_through] == []
            assert all((ROOT / source).exists() for source in sources)


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_a_service_has_no_more_than_it_needs(variant: str) -> None:
    service = compose(variant)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert set(service["cap_add"]) == {"CHOWN", "SETGID", "SETUID"}
    assert "no-new-privileges:true" in service["security_opt"]
    assert "state:/state" in service["volumes"]
    assert ("deploy" in service) is (variant == "gpu")


def test_both_variants_differ_in_their_device_only() -> None:
    cpu, gpu = compose("cpu"), compose("gpu")
    gpu.pop("deploy")
    for service in (cpu, gpu):
        service.pop("image")
        service["build"].pop("args", None)  # another index for torch
    assert cpu == gpu
