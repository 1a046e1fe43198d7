"""The card of a network: what planning needs to know of it, measured once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NetworkCard:
    """Facts of one network file.

    `halo_px` is the receptive radius in input pixels, rounded up; `exact` says that a tiled run with this halo equals
    the whole picture; where it is not, `tiling_error` is the largest difference found, as a share of full range.
    `alignment` divides every tile origin and size; `minimum_px` is the smallest side it accepts.
    `live_bytes_per_px` are live tensor bytes per padded input pixel in float32 (liveness trace), and
    `widest_elements_per_px` the values of the largest single tensor (0: not measured);
    `mflop_per_px` counts 2 x MACs per input pixel, in millions. `backend` is torch, identity or sleep.
    """

    name: str
    version: int
    sha256: str
    scale: int
    file: str = ""
    backend: str = "torch"
    architecture: str = ""
    channels_in: int = 3
    channels_out: int = 3
    halo_px: int = 0
    exact: bool = True
    alignment: int = 1
    minimum_px: int = 1
    half: bool = False
    bfloat16: bool = False
    live_bytes_per_px: float = 64.0
    widest_elements_per_px: float = 0.0
    weight_bytes: int = 0
    mflop_per_px: float = 0.0
    license: str = ""
    intended_use: str = ""
    tiling_error: float = 0.0

    @property
    def full_name(self) -> str:
        """`name@version`, as recipes, logs and JSON write it."""
        return f"{self.name}@{self.version}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> NetworkCard:
        """Read a card; keys that planning does not need (metrics, training data) are left aside."""
        known = cls.__dataclass_fields__
        return cls(**{key: value for key, value in data.items() if key in known})
