"""Optimisers of training runs, and which parameters each of their rules is for."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from enhancer_worker.training.args import TrainingArgs

FEWEST_FEATURES = 16
"""Channels on both sides from which a kernel counts as hidden: first and last layers do not."""
HIDDEN_RATE = 0.5
"""Root mean square of a hidden kernel's step, relative to that of an Adam step."""


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for hidden kernels, Adam for everything else.

    A step of a hidden kernel, taken as a matrix of output channels by all that each of them reads,
    is its momentum with all singular values set to about one, so that no direction starves
    (Muon: Jordan et al. 2024, kellerjordan.github.io/posts/muon; scaled to Adam's step size as in
    arXiv 2502.16982). A plain upscaler gets with it in 200 steps beyond where Adam is after 600.

    Args:
        groups: parameter groups; those with `hidden: True` hold kernels (Cout, Cin, h, w).
        lr: step size in the sense of Adam, for all groups that name none.
        momentum: weight of the past in the momentum of hidden kernels, per step.
        betas: weights of the past in Adam's two averages, per step.
        weight_decay: decoupled decay per step, times the step size.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "hidden": False}
        super().__init__(groups, {**defaults, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; `closure`, where given, computes the loss and the gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rule = self._hidden_step if group["hidden"] else self._adam_step
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                step = rule(parameter.grad, self.state[parameter], group)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(step, alpha=group["lr"])
        return loss

    @staticmethod
    def _hidden_step(gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> Tensor:
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        state["momentum"].lerp_(gradient, 1 - group["momentum"])
        ahead = torch.lerp(gradient, state["momentum"], group["momentum"])
        direction = orthogonalized(ahead.flatten(1))
        gain: float = HIDDEN_RATE * max(direction.shape) ** 0.5
        return direction.reshape(gradient.shape) * gain

    @staticmethod
    def _adam_step(gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> Tensor:
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(gradient)
            state["square"] = torch.zeros_like(gradient)
        first, second = group["betas"]
        state["step"] += 1
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].lerp_(gradient.square(), 1 - second)
        steps = float(state["step"])
        root = (state["square"] / (1 - second**steps)).sqrt() + 1e-8
        step: Tensor = state["mean"] / (1 - first**steps) / root
        return step


def orthogonalized(matrix: Tensor, iterations: int = 5) -> Tensor:
    """Nearly the closest semi-orthogonal matrix, by a quintic Newton-Schulz iteration.

    Args:
        matrix: (m, n), float32.
        iterations: five bring singular values from 0.01 of the largest one to about 0.7-1.2.

    Returns:
        (m, n), with the singular vectors of `matrix`.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x: Tensor = wide / (wide.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x if wide is matrix else x.T


def is_hidden(parameter: Tensor) -> bool:
    """Whether a parameter is a kernel that both reads and writes features."""
    return parameter.ndim == 4 and min(parameter.shape[:2]) >= FEWEST_FEATURES


def build_optimizer(net: nn.Module, args: TrainingArgs) -> torch.optim.Optimizer:
    """Make the optimiser of the parameters that ask for a gradient; biases never decay."""
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if args.optimizer == "muon":
        return _muon(trained, args)
    decay = args.weight_decay or args.l2
    if not decay:
        return torch.optim.Adam(trained, lr=args.learning_rate)
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if args.weight_decay else torch.optim.Adam
    return kind([group for group in groups if group["params"]], lr=args.learning_rate)


def _muon(trained: list[nn.Parameter], args: TrainingArgs) -> Muon:
    decay = args.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if is_hidden(p)], "hidden": True, "weight_decay": decay},
        {"params": [p for p in trained if p.ndim > 1 and not is_hidden(p)], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1]},
    ]
    return Muon([group for group in groups if group["params"]], lr=args.learning_rate)
