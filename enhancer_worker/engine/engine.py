"""The engine of one worker process: loads each network once and runs it over pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.device import Placement, choose_placement
from enhancer_worker.engine.loading import load
from enhancer_worker.engine.runner import Finish, TiledRun, run_tiled
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.engine.tiling import Geometry, round_up
from enhancer_worker.nets.zoo import ZOO, ZooEntry
from shopimg.contract import Deadline, RecipeError

_SMALLEST_TILE = {"cpu": 256, "cuda": 512}
_MARGINS_PER_TILE = 12
_TILE_STEP = 32


class Engine:
    """Loaded networks of one process, for one job at a time."""

    def __init__(self, config: WorkerConfig, zoo: Mapping[str, ZooEntry] = ZOO) -> None:
        """Choose the device; networks are loaded when they are first needed.

        Args:
            config: device, precision, threads, tile size, weights.
            zoo: the networks that may be asked for.

        Raises:
            WorkerError: the device that was asked for is not there.
        """
        self._config = config
        self._zoo = zoo
        self._nets: dict[str, LoadedNet] = {}
        self.placement: Placement = choose_placement(config.device, config.precision)

    def net(self, kind: str, scale: int) -> LoadedNet:
        """Return the network for a purpose, loading it on first use.

        Args:
            kind: ``upscale`` or ``restore``.
            scale: output pixels per input pixel along one axis.

        Raises:
            RecipeError: no such network ships.
            WorkerError: its files are missing or altered.
        """
        for entry in self._zoo.values():
            if (entry.kind, entry.scale) == (kind, scale):
                return self._loaded(entry)
        raise RecipeError(f"This worker has no network for {kind} x{scale}.")

    def run(
        self,
        net: LoadedNet,
        pixels: NDArray[np.uint8],
        deadline: Deadline,
        finish: Finish | None = None,
    ) -> TiledRun:
        """Run a network over a picture of any size; see ``run_tiled``."""
        size = self._config.tile_size or self.tile_size(net.geometry)
        return run_tiled(net, pixels, tile_size=size, deadline=deadline, finish=finish)

    def tile_size(self, geometry: Geometry) -> int:
        """Choose a tile so large that its margins cost little, and no larger.

        Args:
            geometry: of the network.

        Returns:
            Source pixels along the longest side, halo included.
        """
        smallest = _SMALLEST_TILE[self.placement.device.partition(":")[0]]
        return max(smallest, round_up(_MARGINS_PER_TILE * geometry.margin, _TILE_STEP))

    def close(self) -> None:
        """Unload all networks."""
        for net in self._nets.values():
            net.session.close()
        self._nets.clear()

    def _loaded(self, entry: ZooEntry) -> LoadedNet:
        if entry.name not in self._nets:
            self._nets[entry.name] = load(entry, self.placement, self._config)
        return self._nets[entry.name]
