"""The networks that can be run, and what the engine must know of each; torch comes on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS, verified_weights
from enhancer_worker.nets.state_files import load_state
from shopimg.contract import WorkerError
from shopimg.contract.steps.scene import BRAND

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """One network; `weights.json` says whether its weights ship."""

    name: str
    """Weight name; its files are `weights/NAME.safetensors`, `NAME.xml` and `NAME.bin`."""
    kind: str
    """What it serves: the step "upscale", "restore", "cutout" or "backdrop", or "estimate" or
    "blur", which judge uploads."""
    scale: int
    """Output pixels per input pixel along one axis."""
    halo: int
    """Source pixels around an aligned block that can change its result."""
    multiple_of: int
    """Height and width of the input must be multiples of this many pixels."""
    build: Callable[[], nn.Module]
    """Makes the network with fresh weights."""
    tier: str = "s"
    """Size: "s" for CPUs, "m" for GPUs and for who can wait."""
    flavour: str = "faithful"
    """What it was trained for: "faithful" to undamaged pictures, or "photo" for uploads; of
    backdrops, "brand" for those of one shop."""
    net: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What `weights.json` must say about the network, as `describe` puts it, so that the halo is
    that of the weights; empty where nothing depends on it."""
    input_shape: tuple[int, int, int] | None = None
    """Channels, height and width of what goes in, where that is not a picture of any size."""
    is_reference: bool = False
    """Whether it is here to be compared with only; no step ever runs it."""


def _upscaler(scale: int, tier: str, flavour: str) -> ZooEntry:
    # Only these are projected back: an upload's noise and artefacts are not to return.
    is_faithful = flavour == "faithful"

    def build() -> nn.Module:
        from enhancer_worker.nets.srvgg import (  # noqa: PLC0415 - needs torch
            SRVGG,
            TIERS,
            SRVGGConfig,
        )

        return SRVGG(SRVGGConfig(scale, *TIERS[tier], back_projection=is_faithful))

    convolutions = _UPSCALER_CONVOLUTIONS[tier]
    suffix = "" if is_faithful else f"_{flavour}"
    return ZooEntry(
        f"upscale_x{scale}_{tier}{suffix}",
        "upscale",
        scale,
        halo=convolutions + 2 + (_PROJECTION_REACH if is_faithful else 0),
        multiple_of=1,
        build=build,
        tier=tier,
        flavour=flavour,
        net={
            "net": "srvgg",
            "scale": scale,
            "channels": 48,
            "convolutions": convolutions,
            "back_projection": is_faithful,
        },
    )


def _restorer() -> nn.Module:
    from enhancer_worker.nets.unet_restorer import (  # noqa: PLC0415 - needs torch
        UNetRestorer,
        UNetRestorerConfig,
    )

    return UNetRestorer(UNetRestorerConfig())


def _estimator() -> nn.Module:
    from enhancer_worker.nets.estimator import (  # noqa: PLC0415 - needs torch
        Estimator,
        EstimatorConfig,
    )

    return Estimator(EstimatorConfig())


def _blur() -> nn.Module:
    from enhancer_worker.nets.blur_kernels import FREQUENCIES  # noqa: PLC0415 - with the others
    from enhancer_worker.nets.estimator import (  # noqa: PLC0415 - needs torch
        Estimator,
        EstimatorConfig,
    )

    return Estimator(EstimatorConfig(channels=(32, 48, 64, 96), outputs=FREQUENCIES))


def _matting() -> nn.Module:
    from enhancer_worker.nets.matting import (  # noqa: PLC0415 - needs torch
        MattingConfig,
        MattingNet,
    )

    return MattingNet(MattingConfig())


def _backdrop(name: str, flavour: str) -> ZooEntry:
    return ZooEntry(
        name,
        "backdrop",
        1,
        halo=0,
        multiple_of=256,
        build=_backdrop_generator,
        flavour=flavour,
        net={
            "net": "backdrop_generator",
            "channels": [192, 160, 128, 64, 32],
            "convolutions": [2, 2, 2, 1, 1],
            "mapped": 256,
            "texture": 32,
            "scenery": [96, 96, 64, 32],
            "codes": 24,
        },
        input_shape=(10, 256, 256),
    )


def _backdrop_generator() -> nn.Module:
    from enhancer_worker.nets.backdrop_generator import (  # noqa: PLC0415 - needs torch
        BackdropGenerator,
        BackdropGeneratorConfig,
    )

    return BackdropGenerator(BackdropGeneratorConfig())


def _espcn(scale: int) -> ZooEntry:
    def build() -> nn.Module:
        from enhancer_worker.nets.espcn import ESPCN, ESPCNConfig  # noqa: PLC0415 - needs torch

        return ESPCN(ESPCNConfig(scale))

    return _reference(f"espcn_x{scale}", scale, 6, build)


def _vdsr(scale: int) -> ZooEntry:
    def build() -> nn.Module:
        from enhancer_worker.nets.vdsr import VDSR, VDSRConfig  # noqa: PLC0415 - needs torch

        return VDSR(VDSRConfig(scale))

    return _reference(f"vdsr_x{scale}", scale, _VDSR_HALOS[scale], build)


def _reference(name: str, scale: int, halo: int, build: Callable[[], nn.Module]) -> ZooEntry:
    return ZooEntry(name, "upscale", scale, halo, multiple_of=1, build=build, is_reference=True)


_VDSR_HALOS = {2: 12, 3: 9, 4: 7}
_UPSCALER_CONVOLUTIONS = {"s": 8, "m": 16}
_PROJECTION_REACH = 4

ZOO: dict[str, ZooEntry] = {
    entry.name: entry
    for entry in (
        *(
            _upscaler(scale, tier, flavour)
            for tier in _UPSCALER_CONVOLUTIONS
            for flavour in ("faithful", "photo")
            for scale in (2, 3, 4)
        ),
        ZooEntry(
            "restore_s",
            "restore",
            1,
            halo=86,
            multiple_of=4,
            build=_restorer,
            net={"net": "unet_restorer", "channels": [48, 80], "blocks": [2, 8]},
        ),
        _backdrop("backdrop_s", "faithful"),
        _backdrop("backdrop_s_brand", BRAND),
        ZooEntry("estimate_s", "estimate", 1, halo=0, multiple_of=8, build=_estimator),
        ZooEntry("blur_s", "blur", 1, halo=0, multiple_of=8, build=_blur),
        ZooEntry(
            "cutout_s",
            "cutout",
            1,
            halo=0,
            multiple_of=32,
            build=_matting,
            net={"net": "matting", "channels": [32, 64, 80, 96], "blocks": [1, 1, 1, 1]},
        ),
        *(make(scale) for make in (_espcn, _vdsr) for scale in (2, 3, 4)),
    )
}
"""Every network, by weight name."""


def zoo_entry(name: str) -> ZooEntry:
    """Look a network up by its weight name.

    Raises:
        WorkerError: there is no network of this name.

    >>> zoo_entry("restore_s").halo
    86
    """
    if name not in ZOO:
        raise WorkerError(detail=f"no network {name!r}; there are {', '.join(ZOO)}")
    return ZOO[name]


def load_net(name: str, weights_dir: Path = SHIPPED_WEIGHTS) -> nn.Module:
    """Build a network with its trained weights, in evaluation mode, on the CPU.

    Args:
        name: weight name.
        weights_dir: folder with `weights.json`; the file must have the digest listed there.

    Raises:
        WorkerError: unknown name, missing or altered file, or weights of another layout.
    """
    return read_net(name, verified_weights(name, weights_dir))


def read_net(name: str, path: Path) -> nn.Module:
    """Build a network with the weights of any file, such as one of an unfinished training.

    Args:
        name: weight name, which tells the architecture.
        path: a `.safetensors` file; its digest is not checked.

    Raises:
        WorkerError: unknown name, missing or damaged file, or weights of another layout.
    """
    net = zoo_entry(name).build()
    load_state(net, path, name)
    return net.eval().requires_grad_(False)
