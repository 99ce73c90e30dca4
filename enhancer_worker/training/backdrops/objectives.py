"""What generator and discriminator minimise: R3GAN by default, and the two of the textbooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Judge = Callable[[Tensor], Tensor]
"""Scores (B,) of pictures (B, C, H, W)."""
Penalty = Callable[[Judge, Tensor, Tensor], Tensor]


def relativistic(better: Tensor, worse: Tensor) -> Tensor:
    """Each real picture shall score higher than its made partner (RpGAN, arXiv 1807.00734).

    The generator minimises it with both exchanged.

    >>> float(relativistic(torch.tensor([1.0]), torch.tensor([1.0])))  # ln 2
    0.6931471824645996
    """
    return functional.softplus(worse - better).mean()


def cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross entropy of the discriminator (DCGAN, arXiv 1511.06434)."""
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def non_saturating(_: Tensor, fake: Tensor) -> Tensor:
    """The generator's half of DCGAN: fakes shall be taken for real."""
    return functional.softplus(-fake).mean()


def critic(real: Tensor, fake: Tensor) -> Tensor:
    """Difference of mean scores; minus the Wasserstein distance once trained (1701.07875)."""
    return fake.mean() - real.mean()


def critic_of_fakes(_: Tensor, fake: Tensor) -> Tensor:
    """The generator's half of WGAN."""
    return -fake.mean()


def squared_gradients(judge: Judge, pictures: Tensor) -> Tensor:
    """Mean squared L2 norm of the score's gradient by the picture: R1 on real, R2 on made ones.

    Args:
        judge: scores pictures.
        pictures: (B, C, H, W); no gradient flows into them.
    """
    return _gradients(judge, pictures).square().sum((1, 2, 3)).mean()


def zero_centred(judge: Judge, real: Tensor, fake: Tensor) -> Tensor:
    """R1 + R2, halved (arXiv 1801.04406, as R3GAN uses both)."""
    return (squared_gradients(judge, real) + squared_gradients(judge, fake)) / 2


def one_centred(judge: Judge, real: Tensor, fake: Tensor) -> Tensor:
    """Gradient penalty of WGAN-GP between real and made pictures (arXiv 1704.00028)."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = real + share * (fake - real)
    norms = _gradients(judge, between).square().sum((1, 2, 3)).add(1e-12).sqrt()
    return (norms - 1).square().mean()


def no_penalty(judge: Judge, real: Tensor, fake: Tensor) -> Tensor:
    """DCGAN has none."""
    return real.new_zeros(())


def _gradients(judge: Judge, pictures: Tensor) -> Tensor:
    given = pictures.detach().requires_grad_()
    (found,) = torch.autograd.grad(judge(given).sum(), given, create_graph=True)
    return found


@dataclass(frozen=True)
class Objective:
    """One way to train a generator against a discriminator."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    """Of real and made scores, each (B,)."""
    generator: Callable[[Tensor, Tensor], Tensor]
    """Likewise."""
    penalty: Penalty
    """Of the scores' gradients."""
    weight: float
    """Of the penalty."""
    every: int = 1
    """Steps between two penalties, which then count so many times."""


OBJECTIVES: Mapping[str, Objective] = {
    "r3gan": Objective(
        relativistic, lambda real, fake: relativistic(fake, real), zero_centred, 1.0, every=8
    ),
    "dcgan": Objective(cross_entropy, non_saturating, no_penalty, 0.0),
    "wgan_gp": Objective(critic, critic_of_fakes, one_centred, 10.0),
}
"""What `--objective` may name."""
