"""The quality benchmark: every method runs for real, and the verdicts say what was measured."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import goals, page, prior, quality
from benchmarks.methods import Method, label, lanczos, methods_for, nlm
from benchmarks.remembered import Remembered
from enhancer_worker.nets.zoo import ZOO
from enhancer_worker.training.benchmarks import parse_sets
from enhancer_worker.training.metrics import psnr
from enhancer_worker.training.protocols import (
    Case,
    clean_case,
    denoising_case,
    jpeg_case,
    upscaling_case,
)
from tests.worker.training_data import write_data, write_picture


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    write_picture(tmp_path / "one.png", 7, 50)
    return tmp_path / "one.png"


def test_quality__writes_figures_and_tables(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    argv = ["--data", str(data), "--set", "set5,cbsd68,live1,cbsd68:clean", "--quick"]
    assert quality.main([*argv, "--results", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "quality.json").read_text())
    tables = figures["tables"]
    assert list(tables) == ["set5", "cbsd68", "live1"]
    assert list(tables["cbsd68"]) == ["sigma15", "sigma25", "sigma50", "clean"]
    bicubic, ours = (tables["set5"]["x2"][name] for name in ("bicubic", "ours S"))
    assert ours["psnr_y"] > bicubic["psnr_y"]
    assert tables["cbsd68"]["sigma25"]["ours S"]["images"] == 1
    assert "BM3D (sigma known)" not in tables["cbsd68"]["sigma25"]
    assert tables["cbsd68"]["clean"]["input"]["de00"] == 0
    assert "de00" not in tables["live1"]["q10"]["input"]
    assert figures["goals"] == figures["protocol_deviations"] == []
    shown = (tmp_path / "quality.md").read_text()
    assert "a trial, not a result" in shown
    assert "## Do no harm: cbsd68, 1 pictures" in shown
    assert f"| ours S | {ours['psnr_y']:.2f} / {ours['ssim_y']:.4f}, dE" in shown


def test_remembered__measures_what_has_changed_alone(picture: Path, tmp_path: Path) -> None:
    asked = []

    def measure(case: Case, method: Method, name: str) -> float:
        known = Remembered(tmp_path / "known" / "figures.json")

        def run() -> dict[str, float]:
            asked.append(name)
            return {"psnr_y": float(len(asked))}

        figures = known.get(case, method, case.prepare(picture), run)
        known.write()
        return figures["psnr_y"]

    old, new = (Method("ours", lambda one: one.gt, version=version) for version in ("1", "2"))
    double, triple = upscaling_case(2), upscaling_case(3)
    cases = [(double, old, "first"), (double, old, "again"), (double, new, "weights")]
    found = [measure(*one) for one in [*cases, (triple, old, "case"), (double, old, "still")]]
    assert asked == ["first", "weights", "case"]
    assert found == [1, 1, 2, 3, 1]
    write_picture(picture, 8, 50)
    assert measure(double, old, "picture") == 4


def test_quality__shows_deep_image_prior_beside_the_others(tmp_path: Path) -> None:
    write_picture(write_data(tmp_path) / "benchmarks/set5/another.png", 9, 90)
    argv = ["--data", str(tmp_path), "--set", "cbsd68:clean", "--limit", "1"]
    options = ["--prior", "1", "--prior-steps", "3", "--prior-channels", "8"]
    assert quality.main([*argv, *options, "--results", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "quality.json").read_text())["prior"]
    name = "Deep Image Prior (1 picture, 3 iterations, 8 channels)"
    assert next(iter(rows)) == "bicubic"
    assert [*rows][-1] == name
    assert rows["ours S"]["psnr_y"] > rows["bicubic"]["psnr_y"] > rows[name]["psnr_y"] > 5
    (case,) = (one for one in parse_sets([prior.SET], tmp_path)[0].cases if one.name == prior.CASE)
    smallest = case.prepare(tmp_path / "benchmarks/set5/one.png")
    (bicubic,) = (one for one in methods_for(case) if one.label == "bicubic")
    expected = quality.measure(case, bicubic, smallest)["psnr_y"]
    assert rows["bicubic"]["psnr_y"] == pytest.approx(expected, abs=1e-4)
    shown = (tmp_path / "quality.md").read_text()
    assert "## Without any training data: set5 x4" in shown
    assert f"| {name} | {rows[name]['psnr_y']:.2f} / " in shown


def test_quality__fails_where_bicubic_is_not_the_published_one(tmp_path: Path) -> None:
    argv = ["--data", str(write_data(tmp_path)), "--set", "set5", "--results", str(tmp_path)]
    assert quality.main(argv) == 1
    figures = json.loads((tmp_path / "quality.json").read_text())
    assert figures["protocol_deviations"][0].startswith("set5 x2: bicubic ")
    assert "Protocol differs: set5 x2" in (tmp_path / "quality.md").read_text()
    assert {one["goal"] for one in figures["goals"]} >= {"set5 x2, dB", "set5 x4, dB"}


def test_quality__says_which_folder_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quality.main(["--data", str(tmp_path), "--results", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"no images in {tmp_path}/benchmarks/set5\n"
    assert not (tmp_path / "out").exists()


def test_quality__shows_slow_methods_on_the_pictures_they_saw(tmp_path: Path) -> None:
    quick = [{"psnr_rgb": value, "ssim_rgb": 0.5} for value in (30.0, 20.0, 10.0)]
    measured = {"sigma25": {"ours S": quick, "slow": quick[:2]}}
    assert quality._subset_means(measured) == {
        "sigma25": {
            "ours S": {"psnr_rgb": 25.0, "ssim_rgb": 0.5, "images": 2},
            "slow": {"psnr_rgb": 25.0, "ssim_rgb": 0.5, "images": 2},
        }
    }
    whole = quality._means_by_case(measured)
    assert quality._table(whole)[2:] == ["| ours S | 20.00 / 0.5000 |"]
    assert quality._subset_means({"x2": {"a": quick, "b": quick}}) == {}


@pytest.mark.parametrize(
    ("case", "first"),
    [
        (upscaling_case(2), ["bicubic", "Lanczos"]),
        (denoising_case(25), ["input", "non-local means (sigma known)"]),
        (jpeg_case(10), ["input"]),
    ],
)
def test_methods_for__begin_with_the_baselines(case: quality.Case, first: list[str]) -> None:
    labels = [method.label for method in methods_for(case)]
    assert labels[: len(first)] == first
    assert "ours S" in labels
    assert len(set(labels)) == len(labels)


def test_label__names_reference_tier_and_flavour() -> None:
    names = ("upscale_x2_s", "upscale_x4_m_photo", "espcn_x2", "restore_s")
    labels = [label(ZOO[name]) for name in names]
    assert labels == ["ours S", "ours M photo", "ESPCN, trained here", "ours S"]


def test_lanczos__enlarges_in_float(picture: Path) -> None:
    case = upscaling_case(2)
    sample = case.prepare(picture)
    result = lanczos(sample.lq, 2)
    assert result.shape == sample.gt.shape
    assert psnr(result.clamp(0, 1), sample.gt) > 20
    flat = torch.full((1, 3, 8, 8), 0.3)
    assert torch.allclose(lanczos(flat, 3), torch.full((1, 3, 24, 24), 0.3), atol=1e-6)


def test_nlm__removes_noise_and_keeps_colours_in_place(tmp_path: Path) -> None:
    write_picture(tmp_path / "two.png", 3, 96)
    case = denoising_case(25)
    sample = case.prepare(tmp_path / "two.png")
    noisy, denoised = case.score(sample.lq, sample), case.score(nlm(sample.lq, 25), sample)
    assert denoised["psnr_rgb"] > noisy["psnr_rgb"] + 3


def test_measure__counts_colour_against_the_input_for_super_resolution(picture: Path) -> None:
    case = upscaling_case(2)
    sample = case.prepare(picture)
    truth = quality.measure(case, Method("truth", lambda one: one.gt), sample)
    assert truth["psnr_y"] == 100.0
    assert (truth["de00"], truth["de00_p95"]) == (0, 0)
    darker = quality.measure(case, Method("darker", lambda one: one.gt * 0.8), sample)
    assert darker["de00"] > 3


def test_measure__counts_colour_against_the_truth_otherwise(picture: Path) -> None:
    def tinted(one: quality.Sample) -> Tensor:
        return one.lq * torch.tensor([1.0, 0.9, 1.0]).view(1, 3, 1, 1)

    case = clean_case()
    figures = quality.measure(case, Method("tinted", tinted), case.prepare(picture))
    assert figures["de00"] > 2


def test_verdicts__compare_with_floor_and_aim() -> None:
    rows = {
        "bicubic": {"psnr_y": 33.66},
        "ours S": {"psnr_y": 37.3, "de00": 0.1, "de00_p95": 1.2},
        "ours S photo": {"psnr_y": 36.0, "de00": 0.4, "de00_p95": 0.9},
    }
    found = goals.verdicts({"set5": {"x2": rows}})
    assert [(one["goal"], one["reached"]) for one in found] == [
        ("set5 x2, dB", "floor"),
        ("set5 x2, CIEDE2000, mean", "aim"),
        ("set5 x2, CIEDE2000, 95th percentile", "missed"),
        ("set5 x2, CIEDE2000, mean", "missed"),
        ("set5 x2, CIEDE2000, 95th percentile", "aim"),
    ]
    shown = "\n".join(goals.to_markdown(found))
    assert "| set5 x2, dB | ours S | 37.30 | 37.2 | 37.9 | floor |" in shown
    assert "kept in 2 of 4 cases" in shown


def test_verdicts__average_the_gain_of_all_blurs() -> None:
    gains = dict(zip(goals.BLURS, (1.0, 2.0, 3.0, 4.0), strict=True))
    cases = {
        case: {"input": {"psnr_rgb": 25.0}, "ours S": {"psnr_rgb": 25.0 + gain}}
        for case, gain in gains.items()
    }
    (verdict,) = goals.verdicts({"cbsd68": cases})
    assert (verdict["measured"], verdict["reached"]) == (2.5, "floor")
    del cases["disk2"]
    assert goals.verdicts({"cbsd68": cases}) == []


def test_verdicts__count_what_int8_costs() -> None:
    rows = {"ours S": {"psnr_y": 31.00}, "ours S int8": {"psnr_y": 30.93}}
    found = goals.verdicts({"live1": {"q30": rows}})
    assert [(one["goal"], one["measured"], one["reached"]) for one in found][-1] == (
        "live1 q30, loss by int8, dB",
        0.07,
        "floor",
    )


def test_markdown_table__is_one_row_per_line() -> None:
    assert page.markdown_table(["a", "b"], [["1", "2"], ["3", "4"]]) == [
        "| a | b |",
        "|---|---|",
        "| 1 | 2 |",
        "| 3 | 4 |",
    ]
