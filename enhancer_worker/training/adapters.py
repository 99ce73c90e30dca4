"""Low-rank adapters: a frozen net is tuned by few numbers, which fold back into its kernels."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from enhancer_worker.nets.state_files import read_header, read_state
from shopimg.contract import WorkerError

HEADER_KEY = "adapters"
"""Key in the header of an adapters file; its value tells the base weights' sha256."""


class AdapterError(WorkerError):
    """An adapters file belongs to other weights."""


class LowRankKernel(nn.Module):
    """Adds a product of two thin matrices to a kernel (LoRA, arXiv 2106.09685).

    What we changed: for a convolution the thin pair is a `k x k` convolution to `rank` channels
    and a 1x1 convolution back; only kernels are adapted, biases stay.

    Args:
        shape: of the kernel: (out, in, kh, kw).
        rank: channels between the two.
    """

    def __init__(self, shape: torch.Size, rank: int) -> None:
        super().__init__()
        inputs = shape[1:].numel()
        limit = min(rank, shape[0], inputs)
        self.down = nn.Parameter(torch.empty(limit, inputs))
        self.up = nn.Parameter(torch.zeros(shape[0], limit))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, kernel: Tensor) -> Tensor:
        """Adapt a kernel (out, in, kh, kw); at first it stays as it is."""
        return kernel + (self.up @ self.down).view_as(kernel)


def add_adapters(net: nn.Module, rank: int) -> int:
    """Freeze a net and give each of its convolutions an adapter, in place.

    Args:
        net: any net with `nn.Conv2d` layers.
        rank: channels inside each adapter, at least 1.

    Returns:
        How many numbers are trained now.
    """
    net.requires_grad_(False)
    for conv in [module for module in net.modules() if isinstance(module, nn.Conv2d)]:
        adapter = LowRankKernel(conv.weight.shape, rank)
        parametrize.register_parametrization(conv, "weight", adapter)
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


@torch.no_grad()
def plain_state(net: nn.Module) -> dict[str, Tensor]:
    """State of a net with the adapters folded into its kernels: the layout is that of the base.

    Args:
        net: with adapters or without; it stays as it is.
    """
    state: dict[str, Tensor] = dict(net.state_dict())
    for name, conv in _adapted(net):
        for key in [key for key in state if key.startswith(f"{name}.parametrizations.weight.")]:
            del state[key]
        state[f"{name}.weight"] = conv.weight
    return state


def adapter_state(net: nn.Module) -> dict[str, Tensor]:
    """The trained numbers alone: `LAYER.down` (rank, in * kh * kw) and `LAYER.up` (out, rank)."""
    state = {}
    for name, conv in _adapted(net):
        adapter = _adapter_of(conv)
        state[f"{name}.down"] = adapter.down.detach()
        state[f"{name}.up"] = adapter.up.detach()
    return state


def adapter_header(base: str, base_sha256: str) -> dict[str, str]:
    """Header of an adapters file: to which weights it belongs."""
    return {"format": "pt", HEADER_KEY: json.dumps({"base": base, "sha256": base_sha256})}


def fold_file(net: nn.Module, adapters: Path, base_sha256: str) -> nn.Module:
    """Add the adapters of a file to the kernels of their base, in place.

    Args:
        net: the base, without adapters.
        adapters: what `adapter_state` was saved to.
        base_sha256: digest of the base's weights file.

    Raises:
        AdapterError: the file belongs to other weights.
        WorkerError: it is missing or damaged.
    """
    told: Mapping[str, str] = json.loads(read_header(adapters).get(HEADER_KEY, "{}"))
    if told.get("sha256") != base_sha256:
        base = told.get("base", "no weights that it names")
        raise AdapterError(detail=f"{adapters} belongs to {base}, of another digest")
    state = read_state(adapters)
    with torch.no_grad():
        for name in sorted({key.rpartition(".")[0] for key in state}):
            kernel = net.get_submodule(name).get_parameter("weight")
            kernel.add_((state[f"{name}.up"] @ state[f"{name}.down"]).view_as(kernel))
    return net


def _adapted(net: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d) and parametrize.is_parametrized(module, "weight"):
            yield name, module


def _adapter_of(conv: nn.Module) -> LowRankKernel:
    chain = conv.get_submodule("parametrizations.weight")
    (adapter,) = (module for module in chain.children() if isinstance(module, LowRankKernel))
    return adapter
