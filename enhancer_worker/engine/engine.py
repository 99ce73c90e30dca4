"""The engine of one worker process: loads each network once and runs it over pictures."""

from __future__ import annotations

import functools
import logging
import os
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.blending import run_faded
from enhancer_worker.engine.choosing import Purpose, choose_entry
from enhancer_worker.engine.cuda_probe import require_cuda
from enhancer_worker.engine.device import Placement, choose_placement
from enhancer_worker.engine.device_jpeg import DeviceJpeg, on_device
from enhancer_worker.engine.foreign import load_foreign
from enhancer_worker.engine.loading import load
from enhancer_worker.engine.measuring import known_cost
from enhancer_worker.engine.planner import TILE_SIDES, NetCost, choose_tile
from enhancer_worker.engine.runner import Finish, TiledRun, run_tiled
from enhancer_worker.engine.session import LevelSession, LoadedNet
from enhancer_worker.engine.tiling import Geometry, round_up
from enhancer_worker.errors import is_out_of_memory
from enhancer_worker.nets.manifest import read_manifest
from enhancer_worker.nets.zoo import ZOO, ZooEntry
from shopimg.contract import CapacityError, Deadline, RecipeError, WorkerError

logger = logging.getLogger(__name__)
_SMALLEST_TILE = 512
# A CPU has memory for one large tile, a GPU runs several at once.
_MARGINS_PER_TILE = {"cpu": 24, "cuda": 12}
_ON_CPU = Placement("openvino", "cpu", "auto")
_TILE_STEP = 32
_MOST_FOREIGN = 2


class Engine:
    """Loaded networks of one process, for one job at a time."""

    def __init__(self, config: WorkerConfig, zoo: Mapping[str, ZooEntry] = ZOO) -> None:
        """Choose the device; networks are loaded when they are first needed.

        Args:
            config: device, precision, tier, threads, tile size, weights.
            zoo: the networks that may be asked for, if their weights ship.

        Raises:
            WorkerError: the device that was asked for is not there, or runs nothing.
        """
        self._config = config
        self._zoo = zoo
        self._chosen: dict[Purpose, ZooEntry] = {}
        self._nets: dict[str, LoadedNet] = {}
        self._costs: dict[tuple[str, str], NetCost | None] = {}
        self._spares: dict[str, LoadedNet] = {}
        self._exact: dict[str, LoadedNet] = {}
        self._foreign: OrderedDict[tuple[str, str], LoadedNet] = OrderedDict()
        self.placement: Placement = _proven_placement(config)
        if self.placement.device.startswith("cuda"):
            from enhancer_worker.engine.device_memory import limit_memory  # noqa: PLC0415 - torch

            limit_memory(self.placement.device, config.gpu_memory_share)

    @property
    def config(self) -> WorkerConfig:
        """Settings that it was made with."""
        return self._config

    @property
    def jobs_at_once(self) -> int:
        """How many processes with such an engine the machine runs without slowing them down."""
        cores = len(os.sched_getaffinity(0))
        if self.placement.device.startswith("cuda") or not self._config.threads:
            return 1
        return max(1, cores // self._config.threads)

    @property
    def tier(self) -> str:
        """Preferred size of networks: ``s`` or ``m``."""
        if self._config.tier != "auto":
            return self._config.tier
        return "m" if self.placement.device.startswith("cuda") else "s"

    def scales(self, kind: str) -> tuple[int, ...]:
        """Factors for which a network ships, ascending.

        Args:
            kind: what it is for, such as ``upscale``: see ``ZooEntry.kind``.

        Raises:
            RecipeError: there is none.
            WorkerError: ``weights.json`` cannot be read.
        """
        found = {entry.scale for entry in self._shipped.values() if entry.kind == kind}
        if not found:
            raise RecipeError(f"This worker has no network for {kind}, only {self._names()}.")
        return tuple(sorted(found))

    def ships(self, kind: str) -> bool:
        """Tell whether there is any network of a kind, such as ``estimate``.

        Raises:
            WorkerError: ``weights.json`` cannot be read.
        """
        return any(entry.kind == kind for entry in self._shipped.values())

    def net(self, kind: str, scale: int, flavour: str = "faithful") -> LoadedNet:
        """Return the best network for a purpose, loading it on first use.

        Args:
            kind: what it is for, such as ``upscale``: see ``ZooEntry.kind``.
            scale: output pixels per input pixel along one axis.
            flavour: ``faithful``, or another one, which ``faithful`` replaces where no such
                network ships; the result's own ``flavour`` says which it is.

        Raises:
            RecipeError: no such network ships.
            WorkerError: its files are missing or altered.
        """
        purpose = Purpose(kind, scale, flavour)
        if purpose not in self._chosen:
            self._chosen[purpose] = self._choose(purpose, self.tier)
        return self._loaded(self._chosen[purpose])

    def exact_net(self, kind: str, scale: int) -> LoadedNet:
        """Return a network whose result does not depend on the settings, nor on a GPU or 8 bits.

        It is the small one, on the CPU in full precision. Between OpenVINO and PyTorch, and between
        kinds of CPUs, results still differ by rounding.

        Args:
            kind: what it is for, such as ``upscale``: see ``ZooEntry.kind``.
            scale: output pixels per input pixel along one axis.

        Raises:
            RecipeError: no such network ships.
            WorkerError: its files are missing or altered.
        """
        entry = self._choose(Purpose(kind, scale, "faithful"), tier="s")
        if entry.name not in self._exact:
            self._exact[entry.name] = load(entry, self.placement.exact(), self._config)
        return self._exact[entry.name]

    def foreign(self, file: str, sha256: str) -> LoadedNet:
        """Return a network from elsewhere, loading it where it is not one of the last two.

        Args:
            file: name of a checkpoint in ``ENHANCER_NETWORKS_DIR``.
            sha256: its digest, 64 hexadecimal digits.

        Raises:
            RecipeError: it is not a network from three channels to three.
            WorkerError: it is missing, another one, not allowed, or spandrel is not installed.
        """
        key = (file, sha256)
        if key in self._foreign:
            self._foreign.move_to_end(key)
            return self._foreign[key]
        while len(self._foreign) >= _MOST_FOREIGN:
            self._foreign.popitem(last=False)[1].session.close()
        self._foreign[key] = load_foreign(file, sha256, self.placement, self._config)
        return self._foreign[key]

    def run(
        self,
        net: LoadedNet,
        pixels: NDArray[np.uint8],
        deadline: Deadline,
        finish: Finish | None = None,
    ) -> TiledRun:
        """Run a network over a picture of any size; see ``run_tiled`` and ``run_faded``.

        A picture for which PyTorch has no memory at all is done by OpenVINO on the CPU, where the
        network is one of ours.
        """
        height, width = pixels.shape[:2]
        size = self.tile_for(net, height, width)
        if net.overlap is not None:
            return run_faded(
                net, pixels, tile_size=size, overlap=net.overlap, deadline=deadline, finish=finish
            )
        shortages: list[str] = []
        run = functools.partial(
            run_tiled, pixels=pixels, deadline=deadline, finish=finish, shortages=shortages
        )
        try:
            return run(net, tile_size=size, make_room=functools.partial(self._make_room, net))
        except CapacityError as err:
            failure = err
        spare = self._spare(net.name)
        if spare is None:
            raise failure
        shortages.append(spare.session.device)
        logger.warning("%s: no memory on %s; now %s", net.name, net.session.device, shortages[-1])
        return run(spare, tile_size=self.tile_for(spare, height, width))

    def _make_room(self, net: LoadedNet) -> bool:
        """Let other networks give back what they keep on the device; whether there were any."""
        if self.placement.engine == "openvino":
            return False
        held = [
            other.session
            for nets in (self._nets, self._foreign)
            for other in nets.values()
            if other is not net and isinstance(other.session, LevelSession)
        ]
        for session in held:
            session.release()
        return bool(held)

    def tile_size(self, geometry: Geometry) -> int:
        """Choose a tile so large that its margins cost little, and no larger.

        Args:
            geometry: of the network.

        Returns:
            Source pixels along the longest side, halo included.
        """
        return _usual_tile(geometry, self.placement.device)

    def tile_for(self, net: LoadedNet, height: int, width: int) -> int:
        """Choose the tile for one run: what the settings say, else what was measured as fastest.

        Args:
            net: the network.
            height: source rows.
            width: source columns.

        Returns:
            Source pixels along the longest side.
        """
        if self._config.tile_size or net.tile_size:
            return self._config.tile_size or net.tile_size
        # One of ours may be here twice, on the GPU and for want of its memory on the CPU.
        device = net.session.device
        if (net.name, device) not in self._costs:
            config = self._config
            self._costs[net.name, device] = known_cost(net, config.threads, config.cache_dir)
        usual, cost = _usual_tile(net.geometry, device), self._costs[net.name, device]
        if cost is None:
            return usual
        sides = (*TILE_SIDES, usual)
        return choose_tile(height, width, net.geometry, cost, sides=sides).tile_size

    @functools.cached_property
    def device_jpeg(self) -> DeviceJpeg | None:
        """What decodes JPEG files on the device; None where the settings leave that to Pillow.

        Raises:
            WorkerError: TorchCodec is not installed.
        """
        # OpenVINO's workers have no other use for PyTorch, and no device but the CPU.
        if self._config.jpeg_decoder == "pillow" or self.placement.engine == "openvino":
            return None
        return on_device(self.placement.device)

    def close(self) -> None:
        """Unload all networks."""
        for nets in (self._nets, self._spares, self._exact, self._foreign):
            for net in nets.values():
                net.session.close()
            nets.clear()

    @functools.cached_property
    def _shipped(self) -> dict[str, ZooEntry]:
        listed = read_manifest(self._config.weights_dir)
        return {
            name: entry
            for name, entry in self._zoo.items()
            if name in listed and not entry.is_reference
        }

    def _choose(self, purpose: Purpose, tier: str) -> ZooEntry:
        entry = choose_entry(self._shipped.values(), purpose, tier)
        if entry is None:
            raise RecipeError(f"This worker has no network for {purpose}, only {self._names()}.")
        if entry.flavour != purpose.flavour:
            logger.warning("No network ships for %s; %s runs.", purpose, entry.name)
        best = choose_entry(self._zoo.values(), purpose, tier)
        if best is not None and entry.tier != best.tier:
            logger.warning(
                "No network of tier %s ships for %s; %s runs.", best.tier, purpose, entry.name
            )
        return entry

    def _names(self) -> str:
        return ", ".join(self._shipped) or "none at all"

    def _loaded(self, entry: ZooEntry) -> LoadedNet:
        if entry.name in self._nets:
            return self._nets[entry.name]
        try:
            self._nets[entry.name] = load(entry, self.placement, self._config)
            return self._nets[entry.name]
        except (MemoryError, RuntimeError) as err:
            if not isinstance(err, MemoryError) and not is_out_of_memory(err):
                raise
            failure = err
        # The next job tries again.
        spare = self._spare(entry.name)
        if spare is None:
            raise failure
        logger.warning("%s: no memory to load it; now %s", entry.name, spare.session.device)
        return spare

    def _spare(self, name: str) -> LoadedNet | None:
        """Return the network on the CPU, where memory is another one; None where it is there."""
        if self.placement.engine == "openvino" or name not in self._zoo:
            return None
        if name not in self._spares:
            try:
                self._spares[name] = load(self._zoo[name], _ON_CPU, self._config)
            except ImportError:  # a GPU worker may do without OpenVINO
                return None
        return self._spares[name]


def _usual_tile(geometry: Geometry, device: str) -> int:
    margins = _MARGINS_PER_TILE["cuda" if device.startswith("cuda") else "cpu"]
    return max(_SMALLEST_TILE, round_up(margins * geometry.margin, _TILE_STEP))


def _proven_placement(config: WorkerConfig) -> Placement:
    """Choose the device; the CPU where the settings leave the choice and the GPU runs nothing."""
    placement = choose_placement(config.device, config.precision)
    if placement.device.startswith("cuda"):
        try:
            require_cuda(placement.device)
        except WorkerError as err:
            if config.device != "auto":
                raise
            logger.warning("%s; the CPU works in its place", err.detail)
            return choose_placement("cpu", config.precision)
    return placement
