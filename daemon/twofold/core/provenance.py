"""What Twofold writes into a result about how it was made, and how it knows its own results again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from twofold.core.passes import Chain

TOOL: Final = "Twofold"
"""Whatever names this tool as the agent of a step in its history is one of our results, under whatever name."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """One step in a picture's history. It holds no time and no path, so that the same work leaves the same bytes.

    `networks` are (name, sha256) in the order of the passes; `factor` is how many times longer each side became.
    """

    version: str
    networks: tuple[tuple[str, str], ...]
    factor: str
    source_sha256: str

    @property
    def agent(self) -> str:
        return f"{TOOL} {self.version}"

    @property
    def parameters(self) -> str:
        """All of it in one line, for people and for programs: `key=value`, parted by semicolons."""
        networks = [f"network={name} sha256:{sha256}" for name, sha256 in self.networks]
        return "; ".join([f"factor={self.factor}", *networks, f"source=sha256:{self.source_sha256}"])

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "networks": [list(network) for network in self.networks],
            "factor": self.factor,
            "source_sha256": self.source_sha256,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Provenance:
        networks = tuple((name, sha256) for name, sha256 in data["networks"])
        return cls(data["version"], networks, data["factor"], data["source_sha256"])


def provenance_of(chain: Chain, source_sha256: str, version: str) -> Provenance:
    """The note for a picture that was made by `chain`."""
    factor = chain.final.long_side / chain.source.long_side
    networks = tuple((step.model, step.sha256) for step in chain.passes)
    return Provenance(version, networks, f"{factor:.4g}", source_sha256)


def is_ours(agents: Iterable[str]) -> bool:
    """Whether one of the agents named in a picture's history is this tool."""
    return any(agent == TOOL or agent.startswith(f"{TOOL} ") for agent in agents)
