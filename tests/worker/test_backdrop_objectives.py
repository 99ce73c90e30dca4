"""Losses of the adversaries on known tensors, and penalties against gradients by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from enhancer_worker.nets.backdrop_conditions import CODES
from enhancer_worker.training.backdrops.augmenting import augment
from enhancer_worker.training.backdrops.discriminators import SEEN, Discriminator
from enhancer_worker.training.backdrops.objectives import (
    OBJECTIVES,
    one_centred,
    squared_gradients,
    zero_centred,
)

REAL, FAKE = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


@pytest.mark.parametrize(
    ("name", "judge", "generator"),
    [
        ("r3gan", (softplus(-3) + softplus(1)) / 2, (softplus(3) + softplus(-1)) / 2),
        (
            "dcgan",
            (softplus(-2) + softplus(0)) / 2 + (softplus(-1) + softplus(1)) / 2,
            (softplus(1) + softplus(-1)) / 2,
        ),
        ("wgan_gp", -1.0, 0.0),
    ],
)
def test_objectives__on_known_scores(name: str, judge: float, generator: float) -> None:
    objective = OBJECTIVES[name]
    assert float(objective.discriminator(REAL, FAKE)) == pytest.approx(judge, abs=1e-6)
    assert float(objective.generator(REAL, FAKE)) == pytest.approx(generator, abs=1e-6)


def linear_judge(pictures: Tensor) -> Tensor:
    """Its gradient is 3 in two of four pixels of the first picture's only channel, 0 elsewhere."""
    return 3 * pictures[:, 0, :, 0].sum(1)


def test_squared_gradients__of_a_linear_judge() -> None:
    pictures = torch.rand(5, 1, 2, 2)
    assert float(squared_gradients(linear_judge, pictures)) == pytest.approx(18)
    assert float(zero_centred(linear_judge, pictures, pictures + 1)) == pytest.approx(18)


def test_one_centred__of_a_linear_judge() -> None:
    real, fake = torch.rand(5, 1, 2, 2), torch.rand(5, 1, 2, 2)
    expected = (math.sqrt(18) - 1) ** 2
    assert float(one_centred(linear_judge, real, fake)) == pytest.approx(expected, rel=1e-5)


def test_squared_gradients__of_a_quadratic_judge_by_hand() -> None:
    pictures = torch.randn(4, 3, 6, 6)
    found = squared_gradients(lambda x: x.square().sum((1, 2, 3)), pictures)
    by_hand = (2 * pictures).square().sum((1, 2, 3)).mean()
    assert float(found.detach()) == pytest.approx(float(by_hand), rel=1e-5)


def test_penalties__agree_with_differences_in_float64() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 1)).double()
    pictures = torch.randn(1, 2, 4, 4, dtype=torch.float64)

    def judge(x: Tensor) -> Tensor:
        return net(x)[:, 0]

    step = 1e-6
    slopes = []
    for index in range(pictures.numel()):
        moved = torch.zeros_like(pictures).flatten()
        moved[index] = step
        moved = moved.reshape(pictures.shape)
        slopes.append((judge(pictures + moved) - judge(pictures - moved)) / (2 * step))
    norm = float(torch.cat(slopes).detach().square().sum())
    assert float(squared_gradients(judge, pictures).detach()) == pytest.approx(norm, rel=1e-6)
    expected = (math.sqrt(norm) - 1) ** 2
    assert float(one_centred(judge, pictures, pictures).detach()) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("name", ["r3gan", "wgan_gp"])
def test_penalties__reach_the_weights(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.Tanh(), nn.Linear(4, 1))
    real, fake = torch.rand(3, 3, 2, 2), torch.rand(3, 3, 2, 2)
    OBJECTIVES[name].penalty(lambda x: net(x)[:, 0], real, fake).backward()
    assert float(net[1].weight.grad.abs().sum()) > 0


def test_discriminator__reads_what_was_asked_for() -> None:
    torch.manual_seed(0)
    net = Discriminator(channels=(8, 8, 8))
    seen = torch.rand(2, SEEN, 32, 32)
    first, second = torch.zeros(2, CODES), torch.ones(2, CODES)
    assert net(seen, first).shape == (2,)
    assert not torch.allclose(net(seen, first), net(seen, second))


def test_augment__moves_maps_with_the_picture_and_lets_gradients_through() -> None:
    torch.manual_seed(3)
    picture = torch.rand(6, 1, 32, 32).expand(6, 3, 32, 32)
    seen = torch.cat([picture, picture[:, :1]], dim=1).clone().requires_grad_()
    changed = augment(seen)
    assert changed.shape == seen.shape
    grey = changed[:, :3].mean(1)
    for one, layout in zip(grey.detach(), changed[:, 3].detach(), strict=True):
        inside = (one != 0) & (layout != 0)
        together = torch.corrcoef(torch.stack([one[inside], layout[inside]]))
        assert float(together[0, 1]) > 0.99
    changed.sum().backward()
    assert float(seen.grad.abs().sum()) > 0
