"""The worker's command line: `python -m enhancer_worker COMMAND`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from enhancer_worker.enhance_command import enhance
from enhancer_worker.weights_command import weights

_PASS_THROUGH = {"ignore_unknown_options": True, "help_option_names": []}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Enhance product photos on this machine, and train the networks that do it."""


@main.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def train(arguments: Sequence[str]) -> None:
    """Train a network: upscaler or restorer."""
    from enhancer_worker.training.cli import train_main  # noqa: PLC0415 - needs the train extra

    sys.exit(train_main(arguments))


@main.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def evaluate(arguments: Sequence[str]) -> None:
    """Measure a network on benchmark pictures."""
    from enhancer_worker.training.cli import evaluate_main  # noqa: PLC0415 - needs the train extra

    sys.exit(evaluate_main(arguments))


@main.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def export(arguments: Sequence[str]) -> None:
    """Export trained weights for the CPU engine."""
    from enhancer_worker.training.cli import export_main  # noqa: PLC0415 - needs the train extra

    sys.exit(export_main(arguments))


main.add_command(enhance)
main.add_command(weights)

if __name__ == "__main__":
    main(prog_name="python -m enhancer_worker")
