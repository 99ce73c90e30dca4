"""Orthogonalised steps: their singular values, their size, and that they train and resume."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from enhancer_worker.nets.srvgg import SRVGG, SRVGGConfig
from enhancer_worker.training.args import TrainingArgsError, UpscalerArgs
from enhancer_worker.training.optimizers import (
    HIDDEN_RATE,
    Muon,
    build_optimizer,
    is_hidden,
    orthogonalized,
)


def args(**options: Any) -> UpscalerArgs:
    return UpscalerArgs(data=Path(), out=Path(), optimizer="muon", max_steps=1, **options)


@pytest.mark.parametrize("shape", [(16, 144), (144, 16), (48, 48)])
def test_orthogonalized__brings_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    values = torch.linalg.svdvals(orthogonalized(matrix))
    assert values.min() > 0.3  # a square matrix of noise has some singular values near zero
    assert values.max() < 1.3


def test_orthogonalized__keeps_singular_vectors() -> None:
    u, _, v = torch.linalg.svd(
        torch.randn(8, 12, generator=torch.Generator().manual_seed(4)), full_matrices=False
    )
    matrix = u @ torch.diag(torch.linspace(0.5, 1.0, 8)) @ v
    core = u.T @ orthogonalized(matrix) @ v.T
    assert (core - torch.diag(core.diag())).abs().max() < 1e-4


def test_is_hidden__leaves_out_first_and_last_layers() -> None:
    net = SRVGG(SRVGGConfig(scale=2, channels=16, convolutions=2))
    hidden = [name for name, parameter in net.named_parameters() if is_hidden(parameter)]
    assert hidden == ["body.2.weight", "body.4.weight"]


def test_muon__steps_by_the_rate_whatever_the_gradient() -> None:
    kernel = nn.Parameter(torch.zeros(16, 16, 3, 3))
    optimizer = Muon([{"params": [kernel], "hidden": True}], lr=0.01)
    kernel.grad = 1e3 * torch.randn(kernel.shape, generator=torch.Generator().manual_seed(5))
    optimizer.step()
    root_mean_square = kernel.detach().square().mean().sqrt().item()
    # 16 singular values near one, spread over 16 * 144 numbers, times sqrt(144).
    assert root_mean_square == pytest.approx(0.01 * HIDDEN_RATE, rel=0.2)


def test_muon__takes_the_steps_of_adam_elsewhere() -> None:
    generator = torch.Generator().manual_seed(6)
    ours, theirs = (nn.Parameter(torch.ones(5)) for _ in range(2))
    pair = (Muon([{"params": [ours]}], lr=0.1), torch.optim.Adam([theirs], lr=0.1))
    for _ in range(4):
        gradient = torch.randn(5, generator=generator)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        for optimizer in pair:
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_build_optimizer__decays_kernels_alone_with_muon() -> None:
    net = SRVGG(SRVGGConfig(scale=2, channels=16, convolutions=1))
    groups = build_optimizer(net, args(weight_decay=0.1)).param_groups
    assert [(group["hidden"], group["weight_decay"]) for group in groups] == [
        (True, 0.1),
        (False, 0.1),
        (False, 0.0),
    ]


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> float:
    generator = torch.Generator().manual_seed(7)
    batch = torch.rand(4, 3, 12, 12, generator=generator)
    loss = torch.tensor(math.inf)
    for _ in range(steps):
        loss = (net(batch) - nn.functional.interpolate(batch, scale_factor=2.0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def test_muon__lowers_the_loss() -> None:
    torch.manual_seed(8)
    net = SRVGG(SRVGGConfig(scale=2, channels=16, convolutions=2))
    optimizer = build_optimizer(net, args())
    first = train(net, optimizer, 1)
    assert train(net, optimizer, 40) < 0.3 * first


def test_muon__goes_on_from_its_saved_state() -> None:
    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(9)
        net = SRVGG(SRVGGConfig(scale=2, channels=16, convolutions=1))
        return net, build_optimizer(net, args())

    straight, optimizer = fresh()
    train(straight, optimizer, 3)
    halted, before = fresh()
    train(halted, before, 2)
    resumed, after = fresh()
    resumed.load_state_dict(halted.state_dict())
    after.load_state_dict(before.state_dict())
    train(resumed, after, 1)
    expected: dict[str, Tensor] = straight.state_dict()
    for name, value in resumed.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"optimizer": "sgd"}, "--optimizer is one of adam, muon"),
        ({"optimizer": "muon", "l2": 0.1}, "muon knows weight-decay, not l2"),
    ],
)
def test_training_args__refuse_what_the_optimizer_cannot(
    options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(TrainingArgsError, match=reason):
        UpscalerArgs(data=Path(), out=Path(), **options)
