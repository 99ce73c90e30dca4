"""Training of backdrop generators: runs, precision, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from enhancer_worker.nets.backdrop_generator import BackdropGenerator, BackdropGeneratorConfig
from enhancer_worker.nets.backdrop_input import NUMBERS
from enhancer_worker.nets.backdrop_maps import MAPS, SIDE
from enhancer_worker.nets.backdrop_scenery import Scenery, SceneryConfig
from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.backdrops import fit as fit_backdrop
from enhancer_worker.training.backdrops.args import BackdropArgs
from enhancer_worker.training.backdrops.dcgan import DCGANGenerator
from enhancer_worker.training.backdrops.discriminators import Discriminator
from enhancer_worker.training.backdrops.module import SCENERY_CHANNELS, BackdropModule
from enhancer_worker.training.backdrops.samples import BackdropBatches, read_samples
from enhancer_worker.training.backdrops.scenery import PanelBatches, SceneryModule
from enhancer_worker.training.data import Pair, RunClock

F32, BF16 = torch.float32, torch.bfloat16
SMALL = SceneryConfig((8, 8, 8, 8))
TINY = BackdropGeneratorConfig(
    (16, 16, 16, 16, 16), (1, 1, 1, 1, 1), mapped=16, texture=8, scenery=SMALL.channels
)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"objective": "lsgan"}, "--objective is one of r3gan, dcgan, wgan_gp"),
        ({"net": "m"}, "--net is one of s, scenery, dcgan"),
        ({"net": "dcgan", "scenery": Path("a")}, "--scenery is a part of --net s"),
        ({"palettes": "#fff #000 #123456"}, "--palettes is three colours"),
        ({"first_part": 1.5}, "--first-part is from 0 to 1, not 1.5"),
        ({"optimizer": "muon"}, "--optimizer is not for backdrops"),
        ({"weight_decay": 0.1}, "--weight-decay is not for backdrops"),
        ({"clip_norm": 1.0}, "--clip-norm is not for backdrops"),
    ],
)
def test_args__refuse_what_cannot_run(option: dict[str, object], words: str) -> None:
    with pytest.raises(TrainingArgsError, match=words):
        BackdropArgs(data=Path("a"), out=Path("b"), **option)


def run_args(data: Path, out: Path, **options: object) -> BackdropArgs:
    values: dict[str, object] = {
        "hours": 0.0,
        "max_steps": 3,
        "batch": 2,
        "first_part": 0.3,
        "window_part": 0.6,
        "validate_steps": 3,
    }
    return BackdropArgs(data=data, out=out, accelerator="cpu", **values | options)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_backdrop, "BackdropGeneratorConfig", lambda: TINY)
    monkeypatch.setattr(fit_backdrop, "SceneryConfig", lambda: SMALL)
    monkeypatch.setattr(fit_backdrop, "Discriminator", lambda: Discriminator((8, 8, 8, 8)))
    monkeypatch.setattr(fit_backdrop, "MOST_HELD_OUT", 1)


QUIET = (
    "ignore:.*does not have many workers:UserWarning",
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::lightning.fabric.utilities.rank_zero.LightningDeprecationWarning",
    "ignore::UserWarning:lightning",
)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("objective", ["r3gan", "wgan_gp"])
@pytest.mark.filterwarnings(*QUIET)
def test_fit__trains_and_resumes(objective: str, prepared: Path, tmp_path: Path) -> None:
    args = run_args(prepared, tmp_path, objective=objective, scenery=scenery_file(tmp_path))
    module = fit_backdrop.fit(args)
    first = load_file(tmp_path / "backdrop_s.safetensors")
    assert module.clock.step == 3
    logged = EventAccumulator(str(tmp_path / "logs")).Reload()
    (grid,) = logged.Images("val/made_real")
    assert (grid.step, grid.width, grid.height) == (3, 2 * SIDE, SIDE)
    resumed = fit_backdrop.fit(replace(args, max_steps=4, resume=True))
    assert resumed.clock.step == 4
    assert any(
        not torch.equal(first[key], value) for key, value in resumed.net.state_dict().items()
    )


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("bf16_part", "kinds"), [(0.0, {F32}), (1.0, {F32, BF16})])
@pytest.mark.filterwarnings(*QUIET)
def test_fit__computes_scores_in_half_precision_and_penalties_in_full(
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bf16_part: float,
    kinds: set[torch.dtype],
) -> None:
    scores: list[Tensor] = []

    def build() -> Discriminator:
        judge = Discriminator((8, 8, 8, 8))
        judge.register_forward_hook(lambda _module, _given, found: scores.append(found))
        return judge

    monkeypatch.setattr(fit_backdrop, "Discriminator", build)
    options = {"bf16_part": bf16_part, "first_part": 0.0, "scenery": scenery_file(tmp_path)}
    module = fit_backdrop.fit(run_args(prepared, tmp_path, **options))
    assert {found.dtype for found in scores} == kinds
    assert {p.dtype for p in module.parameters()} == {F32}


@pytest.mark.usefixtures("tiny")
@pytest.mark.filterwarnings(*QUIET)
def test_fit__trains_the_generator_of_the_textbooks(prepared: Path, tmp_path: Path) -> None:
    module = fit_backdrop.fit(run_args(prepared, tmp_path, net="dcgan", objective="dcgan"))
    assert module.clock.step == 3
    DCGANGenerator().load_state_dict(load_file(tmp_path / "dcgan.safetensors"))


@pytest.mark.usefixtures("tiny")
@pytest.mark.filterwarnings(*QUIET)
def test_fit__trains_scenery_apart_and_begins_with_it(prepared: Path, tmp_path: Path) -> None:
    args = run_args(prepared, tmp_path / "scenery", net="scenery", bf16_part=1.0)
    module = fit_backdrop.fit(args)
    assert isinstance(module, SceneryModule)
    assert {p.dtype for p in module.parameters()} == {F32}
    assert cast(Scenery, module.net).to_colours.bias.abs().max() > 0
    written = tmp_path / "scenery" / "scenery.safetensors"
    options = {"scenery": written, "first_part": 0.0}
    whole = fit_backdrop.fit(run_args(prepared, tmp_path / "whole", **options))
    behind = cast(BackdropGenerator, whole.net).behind.state_dict()
    assert all(torch.equal(behind[name], value) for name, value in load_file(written).items())


@pytest.mark.usefixtures("tiny")
def test_module__paints_whole_pictures_as_the_net_does(prepared: Path, tmp_path: Path) -> None:
    net = BackdropGenerator(TINY)
    torch.nn.init.normal_(net.to_pixels.weight, std=0.05)
    args = run_args(prepared, tmp_path)
    module = BackdropModule(net, Discriminator((8, 8)), args, RunClock(0, 1))
    planes, truth = BackdropBatches(read_samples(prepared)[0], 2)(np.random.default_rng(0), 0)
    truth[:, SCENERY_CHANNELS] = net.scenery(planes[:, len(MAPS)].flatten(1)[:, :NUMBERS]).detach()
    module.progress = 0.5
    assert module._paint(planes, truth).made.shape == (2, 3, 128, 128)
    module.progress = 1.0
    assert torch.equal(module._paint(planes, truth).made, net(planes))


def test_fit__refuses_to_leave_scenery_untrained(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingArgsError, match="name --scenery"):
        fit_backdrop.fit(run_args(prepared, tmp_path))


@pytest.mark.usefixtures("tiny")
@pytest.mark.filterwarnings(*QUIET)
def test_fit__can_go_on_where_it_was_broken_off(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(PanelBatches):
        drawn = 0

        def __call__(self, rng: np.random.Generator, side: int) -> Pair:
            Breaking.drawn += 1
            if Breaking.drawn > 5:
                raise InterruptedError
            return super().__call__(rng, side)

    monkeypatch.setattr(fit_backdrop, "PanelBatches", Breaking)
    args = run_args(prepared, tmp_path, net="scenery", max_steps=9, checkpoint_minutes=0.0)
    with pytest.raises(InterruptedError):
        fit_backdrop.fit(args)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"]
    assert 1 <= kept < 9
    monkeypatch.setattr(fit_backdrop, "PanelBatches", PanelBatches)
    assert fit_backdrop.fit(replace(args, resume=True)).clock.step == 9


def scenery_file(folder: Path) -> Path:
    path = folder / "scenery.safetensors"
    save_file(Scenery(SMALL).state_dict(), path)
    return path
