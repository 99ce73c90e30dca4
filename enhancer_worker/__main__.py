"""The worker's command line: `python -m enhancer_worker COMMAND`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from enhancer_worker.config import variables
from enhancer_worker.enhance_command import enhance
from enhancer_worker.plan_command import plan
from enhancer_worker.weights_command import weights

_PASS_THROUGH = {"ignore_unknown_options": True, "help_option_names": []}


class _Main(click.Group):
    """Says below the commands which variables of the environment they read."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what stands below the fields of ``WorkerConfig``."""
        with formatter.section("Environment"):
            formatter.write_dl(list(variables().items()))


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Enhance product photos on this machine, and train the networks that do it."""


@main.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def train(arguments: Sequence[str]) -> None:
    """Train a network: upscaler, restorer, estimator or backdrop."""
    from enhancer_worker.training.cli import train_main  # noqa: PLC0415 - needs the train extra

    sys.exit(train_main(arguments))


@main.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def finetune(arguments: Sequence[str]) -> None:
    """Tune a trained network to the photographs of one shop."""
    from enhancer_worker.training.cli import finetune_main  # noqa: PLC0415 - needs the train extra

    sys.exit(finetune_main(arguments))


@main.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def evaluate(arguments: Sequence[str]) -> None:
    """Measure a network on benchmark pictures."""
    from enhancer_worker.training.cli import evaluate_main  # noqa: PLC0415 - needs the train extra

    sys.exit(evaluate_main(arguments))


@main.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def compare(arguments: Sequence[str]) -> None:
    """Show and measure two networks, or resamplings, side by side."""
    from enhancer_worker.training.cli import compare_main  # noqa: PLC0415 - needs the train extra

    sys.exit(compare_main(arguments))


@main.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def export(arguments: Sequence[str]) -> None:
    """Export trained weights for the CPU engine."""
    from enhancer_worker.training.cli import export_main  # noqa: PLC0415 - needs the train extra

    sys.exit(export_main(arguments))


@main.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def cards(arguments: Sequence[str]) -> None:
    """Write a model card per network from weights.json."""
    from enhancer_worker.training.cli import cards_main  # noqa: PLC0415 - needs the train extra

    sys.exit(cards_main(arguments))


@main.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def research(arguments: Sequence[str]) -> None:
    """Run methods of the literature, for comparison."""
    from enhancer_worker.research.commands import research as group  # noqa: PLC0415 - train extra

    group(list(arguments), prog_name="python -m enhancer_worker research")


@main.command("prepare-backdrops", context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def prepare_backdrops(arguments: Sequence[str]) -> None:
    """Write training pictures of backdrops with their exact conditions."""
    from enhancer_worker.training.backdrops import prepare  # noqa: PLC0415 - train extra

    prepare.prepare_backdrops(list(arguments), prog_name="prepare-backdrops")


@main.command("evaluate-backdrops", context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def evaluate_backdrops(arguments: Sequence[str]) -> None:
    """Judge generators of backdrops on held-out pictures."""
    from enhancer_worker.research import backdrop_commands  # noqa: PLC0415 - train extra

    backdrop_commands.evaluate_backdrops(list(arguments), prog_name="evaluate-backdrops")


@main.command("backdrop-sheets", context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def backdrop_sheets(arguments: Sequence[str]) -> None:
    """Draw sheets of what the backdrop network makes."""
    from enhancer_worker.research import backdrop_commands  # noqa: PLC0415 - train extra

    backdrop_commands.backdrop_sheets(list(arguments), prog_name="backdrop-sheets")


main.add_command(enhance)
main.add_command(plan)
main.add_command(weights)

if __name__ == "__main__":
    main(prog_name="python -m enhancer_worker")
