"""Inception-v3, on whose features published figures of generators are; its weights do not ship."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from enhancer_worker.nets.manifest import file_digest
from enhancer_worker.training.backdrops.distances import frechet, inception, kernel
from enhancer_worker.training.data import Tile, to_tensor
from shopimg.contract import WorkerError

_NAME = "inception-v3-compat"
_POOLED, _LOGITS = "2048", "logits_unbiased"


class InceptionFeatures(nn.Module):
    """The network of the paper on FID (arXiv 1706.08500), as torch-fidelity has converted it.

    Args:
        file: `pt_inception-2015-12-05-6726825d.pth` of torch-fidelity's releases, or what
            `util_convert_inception_weights` makes of the original.

    Raises:
        WorkerError: the file does not hold such weights.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        try:
            # torch-fidelity would run code that a file may hold; nothing but tensors passes here.
            torch.load(file, weights_only=True)
            net = FeatureExtractorInceptionV3(_NAME, [_POOLED, _LOGITS], str(file))
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as err:
            raise WorkerError(detail=f"{file} holds no weights of Inception-v3: {err}") from err
        self.net = net.eval().requires_grad_(False)
        self.name = f"Inception-v3 {file_digest(file)[:12]}"
        """Network and the beginning of its file's digest."""

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, 2048) and logits (B, 1008) of pictures (B, 3, H, W), float32, [0, 1]."""
        levels = (pictures * 255).round().to(torch.uint8)
        pooled, logits = self.net(levels)
        return pooled, logits


def inception_figures(
    network: InceptionFeatures, real: Sequence[Tile], made: Sequence[Tile]
) -> dict[str, float]:
    """KID, FID and Inception Score of made pictures, to be compared with published ones.

    Args:
        network: with its published weights.
        real: each (H, W, 3), uint8.
        made: likewise.
    """
    known, _ = _all(network, real)
    found, logits = _all(network, made)
    return {
        "kid": kernel(known, found)[0],
        "fid": frechet(known, found),
        "is": inception(logits),
    }


def _all(network: InceptionFeatures, pictures: Sequence[Tile]) -> tuple[Tensor, Tensor]:
    parts = [network(to_tensor([picture])) for picture in pictures]
    pooled, logits = zip(*parts, strict=True)
    return torch.cat(pooled), torch.cat(logits)
