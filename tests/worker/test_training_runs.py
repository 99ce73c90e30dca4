"""Training runs: reproducible, configurable, stopped early, shared by several processes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from enhancer_worker.nets.srvgg import SRVGG, TIERS, SRVGGConfig
from enhancer_worker.training import fit_upscaler
from enhancer_worker.training.args import (
    RestorerArgs,
    TrainingArgs,
    TrainingArgsError,
    UpscalerArgs,
)
from enhancer_worker.training.averages import AverageWriter
from enhancer_worker.training.cli import train_main
from enhancer_worker.training.command_lines import parse
from enhancer_worker.training.config_file import (
    ConfigFileError,
    read_config,
    recorded_config,
    write_config,
)
from enhancer_worker.training.data import RunClock, find_photos, read_tiles
from enhancer_worker.training.fit_upscaler import UpscalerPairs, build_net
from enhancer_worker.training.loop import TrainingModule
from enhancer_worker.training.optimizers import build_optimizer
from enhancer_worker.training.runs import run
from tests.worker.training_data import tiny_run, write_data

# Lightning warns about its own dependencies and about this machine's cores.
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = "out/upscale_x2_s.safetensors"


@pytest.fixture(autouse=True)
def small_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TIERS, "s", (16, 1))


def test_fit__gives_the_same_weights_for_the_same_seed(tmp_path: Path) -> None:
    write_data(tmp_path)
    runs = [("a", 1), ("b", 1), ("c", 2)]
    for name, seed in runs:
        fit_upscaler.fit(tiny_run(tmp_path, max_steps=6, seed=seed, out=tmp_path / name))
    first, again, other = (load_file(tmp_path / n / "upscale_x2_s.safetensors") for n, _ in runs)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["body.0.weight"], other["body.0.weight"])


def test_fit__writes_curves_and_pictures(tmp_path: Path) -> None:
    fit_upscaler.fit(tiny_run(write_data(tmp_path), max_steps=50, validate_steps=25, batch=1))
    events = EventAccumulator(str(tmp_path / "out/logs"))
    events.Reload()
    assert {"train/loss", "schedule/rate", "val/x2_psnr_y"} <= set(events.Tags()["scalars"])
    # Lightning numbers a curve's points from zero.
    assert [event.step for event in events.Scalars("val/x2_psnr_y")] == [24, 49]
    assert [event.step for event in events.Images("val/lq_result_gt")] == [25, 50]


def test_fit__records_its_config_beside_and_inside_the_weights(tmp_path: Path) -> None:
    args = tiny_run(write_data(tmp_path), max_steps=1, weight_decay=0.01)
    fit_upscaler.fit(args)
    assert UpscalerArgs(**read_config(tmp_path / "out/config.yaml", UpscalerArgs)) == args
    recorded = recorded_config(tmp_path / WEIGHTS)
    assert (recorded["weight_decay"], recorded["max_steps"]) == (0.01, 1)
    assert (recorded["data"], recorded["out"]) == (tmp_path.name, "out")
    assert "init_from_sha256" not in recorded


def test_fit__records_what_it_began_from_and_how_far_it_came(tmp_path: Path) -> None:
    fit_upscaler.fit(tiny_run(write_data(tmp_path), max_steps=1))
    begin = tmp_path / WEIGHTS
    digest = hashlib.sha256(begin.read_bytes()).hexdigest()
    fit_upscaler.fit(tiny_run(tmp_path, max_steps=3, init_from=begin))
    recorded = recorded_config(begin)
    assert (recorded["steps_done"], recorded["init_from_sha256"]) == (3, digest)


def test_run__shares_its_steps_without_a_rounding_step(tmp_path: Path) -> None:
    args = tiny_run(write_data(tmp_path), max_steps=10)
    pairs = UpscalerPairs(read_tiles(find_photos(args.data)), 2, args.batch)

    def build(clock: RunClock) -> TrainingModule:
        return TrainingModule(build_net(args), lambda result, gt: {}, args, clock)

    module = run("own", build, pairs, [], args, part=1 - 0.7)
    assert module.global_step == 3  # of 10 * (1 - 0.7), which is a little more


def trained(tmp_path: Path, scores: list[float], **options: object) -> TrainingModule:
    """Train with a validation after each step, whose figures are given."""
    write_data(tmp_path)
    left = iter(scores)
    original = TrainingModule.on_validation_epoch_end

    def told(module: TrainingModule) -> None:
        module._figures = {"val/told": [next(left)]}
        original(module)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingModule, "on_validation_epoch_end", told)
        patch.setattr(TrainingModule, "figures", lambda module, pairs: {"val/told"})
        return fit_upscaler.fit(tiny_run(tmp_path, validate_steps=1, **options))


def test_patience__ends_a_run_that_gains_nothing(tmp_path: Path) -> None:
    options = {"stop_on": "val/told", "patience": 2, "least_gain": 0.5, "max_steps": 9}
    module = trained(tmp_path, [30, 31, 31.4, 31.5, 40], **options)
    assert module.global_step == 4


def test_patience__starts_again_after_a_gain(tmp_path: Path) -> None:
    options = {"stop_on": "val/told", "patience": 2, "max_steps": 9}
    module = trained(tmp_path, [30, 29, 31, 30, 31, 50], **options)
    assert module.global_step == 5


def test_stop_on__keeps_the_best_weights(tmp_path: Path) -> None:
    module = trained(tmp_path, [30, 35, 31, 32], stop_on="val/told", max_steps=4)
    best = load_file(tmp_path / WEIGHTS)
    latest = module.average.module.state_dict()
    assert not torch.equal(best["body.0.weight"], latest["body.0.weight"])
    trained(tmp_path, [30, 35, 31, 36], stop_on="val/told", max_steps=4)
    assert torch.equal(load_file(tmp_path / WEIGHTS)["body.0.weight"], latest["body.0.weight"])


def test_patience__survives_a_resumed_run(tmp_path: Path) -> None:
    options = {"stop_on": "val/told", "patience": 3}
    trained(tmp_path, [35, 30, 30], max_steps=3, **options)
    best = (tmp_path / WEIGHTS).read_bytes()
    module = trained(tmp_path, [34, 50], max_steps=9, resume=True, **options)
    assert module.global_step == 4
    assert (tmp_path / WEIGHTS).read_bytes() == best


@pytest.mark.parametrize("flavour", ["faithful", "photo"])
def test_stop_on__is_checked_before_anything_is_trained(tmp_path: Path, flavour: str) -> None:
    kinds = {"faithful": ("x2",), "photo": ("photo", "x2")}[flavour]
    known = ", ".join(f"val/{kind}_{figure}" for kind in kinds for figure in ("psnr_y", "ssim_y"))
    args = tiny_run(write_data(tmp_path), stop_on="val/psnr", max_steps=2, flavour=flavour)
    with pytest.raises(TrainingArgsError) as caught:
        fit_upscaler.fit(args)
    assert str(caught.value) == f"no figure 'val/psnr' to stop on; there are {known}"
    assert not args.out.exists()


def test_stop_on__changes_no_number_of_the_run(tmp_path: Path) -> None:
    write_data(tmp_path)
    for name, figure in (("a", ""), ("b", "val/x2_psnr_y")):
        out = tmp_path / name
        fit_upscaler.fit(tiny_run(tmp_path, max_steps=2, stop_on=figure, out=out))
    first, other = (load_file(tmp_path / n / "upscale_x2_s.safetensors") for n in "ab")
    assert all(torch.equal(first[key], other[key]) for key in first)


def test_writer__counts_a_figure_that_is_not_a_number_as_a_miss() -> None:
    writer = AverageWriter(Path(), tiny_run(Path(), max_steps=1, stop_on="val/told"))
    figures = [float("nan"), 3.0, 2.0]
    kept = [writer._gains({"val/told": torch.tensor(figure)}) for figure in figures]
    assert (kept, writer.misses) == ([False, True, False], 1)


@pytest.mark.parametrize(
    ("options", "kind", "decay"),
    [
        ({}, "Adam", [0]),
        ({"l2": 0.1}, "Adam", [0.1, 0]),
        ({"weight_decay": 0.2}, "AdamW", [0.2, 0]),
    ],
)
def test_build_optimizer__decays_kernels_alone(
    options: dict[str, float], kind: str, decay: list[float]
) -> None:
    net = SRVGG(SRVGGConfig(2, 16, 1))
    optimizer = build_optimizer(net, tiny_run(Path(), max_steps=1, **options))
    groups = optimizer.param_groups
    assert type(optimizer).__name__ == kind
    assert [group["weight_decay"] for group in groups] == decay
    assert sum(len(group["params"]) for group in groups) == 6
    assert all(p.ndim == 1 for group in groups[1:] for p in group["params"])


def test_weight_decay__shrinks_kernels(tmp_path: Path) -> None:
    write_data(tmp_path)
    norms = []
    for decay in (0.0, 1.0):
        options = {"max_steps": 10, "warm_up_steps": 1, "weight_decay": decay}
        module = fit_upscaler.fit(tiny_run(tmp_path, learning_rate=1e-2, **options))
        norms.append(float(module.net.body[2].weight.detach().norm()))
    assert norms[1] < 0.99 * norms[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hours": 0.0}, "without an end"),
        ({"weight_decay": 0.1, "l2": 0.1}, "not both"),
        ({"patience": 1}, "patience needs a figure"),
        ({"devices": 2}, "several devices validate together"),
        ({"loss": "l3"}, "no loss 'l3'; there are l1, l2, log_l2, charbonnier, fft_l1"),
        ({"last_loss": "l3"}, "no loss 'l3'"),
    ],
)
def test_args__refuse_what_cannot_run(options: dict[str, float], message: str) -> None:
    with pytest.raises(TrainingArgsError, match=message):
        TrainingArgs(data=Path(), out=Path(), **options)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("upscaler", ["--scale", "5"], "--scale is one of 2, 3, 4"),
        ("upscaler", ["--net", "xl"], "--net is one of s, m, espcn, vdsr"),
        ("upscaler", ["--loss", "l3"], "no loss 'l3'"),
        ("restorer", ["--patch", "18"], "patch and last-patch are multiples of 4"),
        ("restorer", ["--blur", "0.9"], "the parts of the mix are more than all"),
        ("estimator", ["--last-patch", "100"], "patch and last-patch are multiples of 8"),
    ],
)
def test_train__says_in_a_line_what_cannot_run(
    kind: str, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        train_main([kind, "--data", "nowhere", "--out", "nowhere", *options])
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_train__says_in_a_line_that_there_are_no_weights_to_start_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["upscaler", "--data", "nowhere", "--out", "nowhere", "--init-from", "no.safetensors"]
    assert train_main(argv) == 2
    assert capsys.readouterr().err == "there is no file no.safetensors to start from\n"


def test_restorer_args__take_a_mix_that_adds_up_to_all() -> None:
    # In floating point 1 - 0.55 - 0.45 is -5.6e-17.
    args = RestorerArgs(data=Path(), out=Path(), gaussian=0, jpeg=0, upload=0.55, blur=0.45)
    assert args.clean == pytest.approx(0, abs=1e-9)


def test_restorer_args__refuse_negative_parts() -> None:
    with pytest.raises(TrainingArgsError, match=r"--gaussian is from 0 to 1, not -0\.1"):
        RestorerArgs(data=Path(), out=Path(), gaussian=-0.1)


def test_config__is_won_by_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("data: photos\nlearning-rate: 1e-4\nscale: 4\nresume: true\nbatch: 8\n")
    argv = ["--config", str(path), "--out", "o", "--scale", "3", "--no-resume"]
    expected = UpscalerArgs(
        data=Path("photos"), out=Path("o"), learning_rate=1e-4, scale=3, batch=8
    )
    assert parse(UpscalerArgs, argv, "train upscaler") == expected


def test_config__is_read_back_as_it_was_written(tmp_path: Path) -> None:
    args = RestorerArgs(data=Path("d"), out=Path("o"), init_from=Path("x"), l2=1e-7, resume=True)
    write_config(args, tmp_path)
    assert RestorerArgs(**read_config(tmp_path / "config.yaml", RestorerArgs)) == args


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat: 1", "no option learning_rat; did you mean learning_rate?"),
        ("batch: 1.5", "batch is 1.5, not int"),
        ("batch: true", "batch is True, not int"),
        ("batch: .inf", "batch is inf, not int"),
        ("resume: 1", "resume is 1, not bool"),
        ("patch: wide", "patch is 'wide', not int"),
        ("data: 7", "data is 7, not Path"),
        ("batch: null", "batch is None, not int"),
        ("- batch", "holds no mapping"),
        ("a: [", "cannot read"),
    ],
)
def test_config__refuses_what_is_not_understood(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigFileError) as caught:
        read_config(path, UpscalerArgs)
    assert message in str(caught.value)


def test_parse__tells_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(UpscalerArgs, ["--out", "o"], "train upscaler")
    assert caught.value.code == 2
    assert "these are required: --data" in capsys.readouterr().err


DISTRIBUTED = """
import sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import torch
from enhancer_worker.nets.srvgg import TIERS
TIERS["s"] = (16, 1)
from enhancer_worker.training import fit_upscaler
from enhancer_worker.training.args import UpscalerArgs

root = Path(sys.argv[1])
drawn = []

class Recording(fit_upscaler.UpscalerPairs):
    def __call__(self, rng, patch):
        pair = super().__call__(rng, patch)
        drawn.append(float(pair[0].sum()))
        return pair

fit_upscaler.UpscalerPairs = Recording
module = fit_upscaler.fit(UpscalerArgs(
    data=root, out=root / "out", hours=0.0, max_steps=5, validate_steps=2, batch=2, patch=12,
    last_patch=12, accelerator="cpu", devices=2, strategy="ddp", stop_on="val/x2_psnr_y",
))
state = {"net": module.net.state_dict(), "average": module.average.module.state_dict()}
torch.save({"drawn": torch.tensor(drawn), **state}, root / f"rank{module.global_rank}.pt")
"""


@pytest.mark.slow
def test_fit__shares_a_run_among_processes(tmp_path: Path) -> None:
    write_data(tmp_path)
    script = tmp_path / "share.py"
    script.write_text(DISTRIBUTED)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(tmp_path)]
    subprocess.run(command, env=environment, check=True, timeout=120, capture_output=True)
    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))
    assert not np.isin(first["drawn"], second["drawn"]).any()
    for part in ("net", "average"):
        assert all(torch.equal(first[part][key], second[part][key]) for key in first[part])
    assert not torch.equal(first["net"]["body.0.weight"], first["average"]["body.0.weight"])
    assert (tmp_path / WEIGHTS).exists()
