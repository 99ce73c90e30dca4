"""The `weights` command: what ships, and whether it is intact."""

from __future__ import annotations

import sys

import click

from enhancer_worker.config import WorkerConfig
from enhancer_worker.nets.manifest import file_digest, read_manifest
from shopimg.contract import WorkerError


@click.command()
def weights() -> None:
    """List the weights that ship and check their digests."""
    try:
        config = WorkerConfig.from_environment()
        records = read_manifest(config.weights_dir)
    except WorkerError as err:
        raise click.ClickException(err.detail) from err
    intact = True
    for record in records.values():
        sources = ", ".join(f"{data['name']} ({data['licence']})" for data in record.data)
        click.echo(
            f"{record.name}: {record.parameters} parameters, {record.licence}, {record.date}"
        )
        click.echo(f"  trained on {sources or 'nothing that is recorded'}")
        if record.int8 is not None:
            use = "chosen" if record.int8.chosen else "not chosen"
            click.echo(f"  int8 loses {record.int8.loss_db:.3f} dB at most: {use}")
        for file, expected in record.files.items():
            state = _state(config, file, expected)
            intact = intact and state == "ok"
            click.echo(f"  {file}  {expected[:12]}  {state}")
    sys.exit(0 if intact else 1)


def _state(config: WorkerConfig, file: str, expected: str) -> str:
    path = config.weights_dir / file
    if not path.exists():
        return "missing"
    return "ok" if file_digest(path) == expected else "altered"
