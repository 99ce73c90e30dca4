"""The worker's command line: `python -m enhancer_worker COMMAND`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import starmap

import click

from enhancer_worker.config import variables
from enhancer_worker.enhance_command import enhance
from enhancer_worker.plan_command import plan
from enhancer_worker.weights_command import weights

_PROGRAM = "python -m enhancer_worker"
_PASS_THROUGH = {"ignore_unknown_options": True, "help_option_names": []}
_TRAINING, _BACKDROPS = "training.cli", "research.backdrop_commands"
_EXTRAS = (
    ("train", f"{_TRAINING}:train_main", "Train a network, such as an upscaler."),
    (
        "finetune",
        f"{_TRAINING}:finetune_main",
        "Tune a trained network to the photographs of one shop.",
    ),
    ("evaluate", f"{_TRAINING}:evaluate_main", "Measure a network on benchmark pictures."),
    (
        "compare",
        f"{_TRAINING}:compare_main",
        "Show and measure two networks, or resamplings, side by side.",
    ),
    ("average", f"{_TRAINING}:average_main", "Average weights of one network."),
    ("export", f"{_TRAINING}:export_main", "Export trained weights for the CPU engine."),
    ("cards", f"{_TRAINING}:cards_main", "Write a model card per network from weights.json."),
    ("research", "research.commands:research", "Run methods of the literature, for comparison."),
    (
        "prepare-backdrops",
        "training.backdrops.prepare:prepare_backdrops",
        "Write training pictures of backdrops with their exact conditions.",
    ),
    (
        "evaluate-backdrops",
        f"{_BACKDROPS}:evaluate_backdrops",
        "Judge generators of backdrops on held-out pictures.",
    ),
    (
        "backdrop-sheets",
        f"{_BACKDROPS}:backdrop_sheets",
        "Draw sheets of what the backdrop network makes.",
    ),
)


class _Main(click.Group):
    """Says below the commands which variables of the environment they read."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what stands below the fields of ``WorkerConfig``."""
        with formatter.section("Environment"):
            formatter.write_dl(list(variables().items()))


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Enhance product photos on this machine, and train the networks that do it."""


def _extra(name: str, place: str, summary: str) -> click.Command:
    """Make a command that needs the extra ``train``, which is imported when it runs.

    Args:
        name: of the command.
        place: module and name of what takes all that follows: a click command, or a function that
            returns the exit status.
        summary: for ``--help``.
    """

    @click.command(name, help=summary, context_settings=_PASS_THROUGH)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def run(arguments: Sequence[str]) -> None:
        module, _, attribute = place.partition(":")
        try:
            found = getattr(import_module(f"enhancer_worker.{module}"), attribute)
        except ModuleNotFoundError as err:
            raise click.ClickException(f'{name}: {err}: pip install "shopimg[train]"') from err
        if not isinstance(found, click.Command):
            sys.exit(found(arguments))
        from enhancer_worker.training.mistakes import told  # noqa: PLC0415 - likewise an extra

        sys.exit(told(lambda: found(list(arguments), prog_name=f"{_PROGRAM} {name}")))

    return run


for _command in (enhance, plan, weights, *starmap(_extra, _EXTRAS)):
    main.add_command(_command)


if __name__ == "__main__":
    main(prog_name=_PROGRAM)
