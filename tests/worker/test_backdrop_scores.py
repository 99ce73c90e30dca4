"""Distances on known Gaussians, and a comparison from end to end on drawn pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from enhancer_worker.__main__ import main
from enhancer_worker.nets.backdrop_conditions import STYLES, BackdropConditions
from enhancer_worker.nets.backdrop_generator import BackdropGenerator, BackdropGeneratorConfig
from enhancer_worker.research import backdrop_scores
from enhancer_worker.research.backdrop_commands import (
    MOST_SHEET_BYTES,
    evaluate_backdrops,
    save_small,
    sheet,
)
from enhancer_worker.research.backdrop_contenders import network, no_network
from enhancer_worker.training.backdrops.distances import (
    diversity,
    frechet,
    inception,
    kernel,
    precision_recall,
)
from enhancer_worker.training.backdrops.features import OwnFeatures, fit_styles
from enhancer_worker.training.backdrops.inception import InceptionFeatures, inception_figures
from enhancer_worker.training.backdrops.prepare import prepare_backdrops
from enhancer_worker.training.backdrops.samples import read_samples
from shopimg.contract import WorkerError
from tests.worker.tiny_nets import restorer


def gaussians(count: int, mean: float = 0.0, deviation: float = 1.0, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, generator=generator) * deviation + mean


def test_frechet__of_known_gaussians() -> None:
    real = gaussians(20_000)
    assert frechet(real, gaussians(20_000, seed=1)) == pytest.approx(0, abs=0.01)
    moved = frechet(real, gaussians(20_000, mean=2.0, seed=1))
    assert moved == pytest.approx(4 * 2.0**2, rel=0.02)
    wider = frechet(real, gaussians(20_000, deviation=3.0, seed=1))
    assert wider == pytest.approx(4 * (3 - 1) ** 2, rel=0.03)


def test_kernel__is_zero_for_equal_distributions_and_repeatable() -> None:
    real = gaussians(400)
    mean, deviation = kernel(real, gaussians(400, seed=1))
    assert abs(mean) < deviation
    far, _ = kernel(real, gaussians(400, mean=2.0, seed=1))
    assert far > 10 * deviation
    assert kernel(real, gaussians(400, mean=2.0, seed=1))[0] == far


def test_inception__of_sure_and_of_unsure_classifiers() -> None:
    sure = torch.eye(5).repeat(80, 1) * 100
    assert inception(sure) == pytest.approx(5, abs=0.2)
    assert inception(torch.zeros(400, 5)) == pytest.approx(1)


def test_precision_recall__of_a_collapsed_generator() -> None:
    real = gaussians(300)
    assert precision_recall(real, real) == (1.0, 1.0)
    precision, recall = precision_recall(real, 0.01 * gaussians(300, seed=1))
    assert precision > 0.95
    assert recall < 0.1
    assert precision_recall(real, gaussians(300, mean=50.0)) == (0.0, 0.0)


def test_diversity__is_the_mean_distance_within_groups() -> None:
    groups = torch.tensor([[[0.0], [2.0]], [[5.0], [9.0]]])
    assert diversity(groups) == pytest.approx(3)


def test_fit_styles__tells_clusters_apart() -> None:
    features = torch.cat([gaussians(50, mean=m, seed=int(m)) for m in (-4.0, 0.0, 4.0)])
    styles = torch.arange(3).repeat_interleave(50)
    found = fit_styles(features, styles, 3)(features).argmax(1)
    assert float((found == styles).float().mean()) > 0.95


def test_own_features__see_texture_and_layout() -> None:
    net = OwnFeatures(restorer())
    smooth = torch.full((1, 3, 256, 256), 0.5)
    torch.manual_seed(0)
    noisy = (smooth + 0.2 * torch.randn_like(smooth)).clamp(0, 1)
    found = net(torch.cat([smooth, noisy, smooth]))
    assert found.shape == (3, net.num_features)
    assert torch.equal(found[0], found[2])
    assert float((found[0] - found[1]).abs().max()) > 0.01


def test_own_features__stay_when_other_restorers_ship() -> None:
    net = OwnFeatures()
    assert net.name == "features 6235a39b3588"
    # From the whole network in full precision, as all figures up to 30 November 2026 are.
    ramp = torch.linspace(0, 1, 128).expand(1, 3, 128, 128)
    assert net(ramp)[0, :3].tolist() == pytest.approx([0.0273, 0.0463, 0.0332], abs=0.002)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    options = ["--out", str(folder), "--drawn", "84"]
    CliRunner().invoke(prepare_backdrops, options, catch_exceptions=False)
    return folder


def test_judge__finds_real_pictures_nearer_than_the_baseline(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backdrop_scores, "OwnFeatures", lambda: OwnFeatures(restorer()))
    monkeypatch.setattr(backdrop_scores, "FIXED_CONDITIONS", 1)
    bench = backdrop_scores.read_bench(prepared, most=30)
    real = backdrop_scores.judge_real(bench)
    baseline = backdrop_scores.judge(bench, no_network)
    assert real["kid_own"] < baseline["kid_own"]
    assert real["palette_error"] < 1
    assert real["kid_own_photographs"] is None
    assert 0 <= baseline["style_accuracy"] <= 1
    sheets = backdrop_scores.per_style(bench, no_network, 2)
    assert list(sheets) == [style for style in STYLES if style in sheets]
    assert {len(pictures) for pictures in sheets.values()} == {2}


class Unloaded(FeatureExtractorInceptionV3):
    """Keeps the random weights that it begins with."""

    def load_state_dict(self, *_: object) -> None:
        """Nothing."""


def test_evaluate_backdrops__judges_by_inception_too(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With random weights: those that were published are not ours to ship."""
    monkeypatch.setattr(backdrop_scores, "OwnFeatures", lambda: OwnFeatures(restorer()))
    monkeypatch.setattr(backdrop_scores, "FIXED_CONDITIONS", 1)
    torch.manual_seed(0)
    weights, net = tmp_path / "inception.pth", tmp_path / "backdrop_s.safetensors"
    torch.save({}, weights)
    random = Unloaded("inception-v3-compat", ["2048"], str(weights))
    for part in random.modules():
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(part.weight)
    torch.save(random.state_dict(), weights)
    save_file(BackdropGenerator(BackdropGeneratorConfig()).state_dict(), net)
    options = ["--data", str(prepared), "--net", str(net)]
    result = CliRunner().invoke(evaluate_backdrops, [*options, "--inception", str(weights)])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["inception"].startswith("Inception-v3 ")
    assert list(found["results"]) == ["real halves", "backdrop_s", "no network"]
    for figures in found["results"].values():
        assert {"kid", "fid", "is", "kid_own", "fid_own", "is_own"} <= figures.keys()
        assert 1 <= figures["is"] <= 1008
    training, held_out = read_samples(prepared)
    pictures = [sample.picture for sample in training[:12]]
    judge = InceptionFeatures(weights)
    same, other = (
        inception_figures(judge, pictures, made)
        for made in (pictures, [255 - sample.picture for sample in held_out[:12]])
    )
    assert same["fid"] == pytest.approx(0, abs=0.01 * other["fid"])
    assert same["kid"] < other["kid"]
    argv = ["evaluate-backdrops", *options, "--inception", str(net)]
    refused = CliRunner().invoke(main, argv)
    assert refused.exit_code == 2
    assert "backdrop_s.safetensors holds no weights of Inception-v3" in refused.output


def test_inception__says_which_file_holds_no_weights(tmp_path: Path) -> None:
    for content in (b"nothing", b""):
        file = tmp_path / "inception.pth"
        file.write_bytes(content)
        with pytest.raises(WorkerError) as caught:
            InceptionFeatures(file)
        assert "inception.pth holds no weights of Inception-v3" in caught.value.detail


def test_no_network__paints_the_palette_where_it_belongs() -> None:
    conditions = BackdropConditions(
        style="cove", palette=((200, 0, 0), (0, 0, 200), (0, 0, 0)), azimuth=0.0, horizon=0.4
    )
    (picture,) = no_network([conditions])
    assert picture[-1, 100].tolist() == [200, 0, 0]
    assert picture[0, 100].tolist() == [0, 0, 200]


def test_network__says_which_file_does_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "dcgan.safetensors"
    file.write_bytes(b"nothing")
    with pytest.raises(WorkerError) as caught:
        network(file)
    assert str(file) in caught.value.detail


def test_sheet__is_a_small_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(10)]
    drawn = sheet(pictures, 48)
    assert drawn.size == (4 * 48, 3 * 48)
    save_small(drawn, tmp_path / "sheet.jpg")
    assert (tmp_path / "sheet.jpg").stat().st_size <= MOST_SHEET_BYTES
    with Image.open(tmp_path / "sheet.jpg") as image:
        assert image.size == drawn.size
