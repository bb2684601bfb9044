"""The statistics against naive references, the tests' error rates, and the command."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.__main__ import main
from gazeclip.data.rows import read_samples
from gazeclip.errors import ConfigError, GazeClipError, ImageError, ManifestError, WeightsError
from gazeclip.studies.gaze_stats import compare, figure, matched, measure, statistics
from gazeclip.taxonomy import Taxonomy

ROOT = Path(__file__).parents[3]
TAXONOMY = Taxonomy.load("dfad")
COLUMNS = ("path", "label", "split", "identity", "gaze_pitch", "gaze_yaw")


@pytest.fixture(autouse=True)
def few_resamplings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of reports are tested for being there; those of the statistics have their own."""
    for module in (compare, matched):
        monkeypatch.setattr(module, "BOOTSTRAPS", 100)


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- statistics


def test_energy_distance_is_the_double_loop() -> None:
    x, y = draw(0).normal(size=(9, 2)), draw(1).normal(0.5, 2.0, size=(6, 2))

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return sum(float(np.hypot(*(p - q))) for p in a for q in b) / (len(a) * len(b))

    expected = 2 * mean(x, y) - mean(x, x) - mean(y, y)
    assert statistics.energy_distance(x, y) == pytest.approx(expected, rel=1e-12)
    assert statistics.energy_distance(x, x) == pytest.approx(0.0, abs=1e-15)
    # the permutation tests sum the same pairs by another route
    assert statistics.energy_test(x, y, 5, draw(2)).statistic == pytest.approx(expected, rel=1e-12)
    assert statistics.paired_energy_test(x[:6], y, 5, draw(2)).statistic == pytest.approx(
        statistics.energy_distance(x[:6], y), rel=1e-12
    )
    centred = statistics.energy_distance(x - x.mean(axis=0), y - y.mean(axis=0))
    assert statistics.centred_energy_test(x, y, 5, draw(2)).statistic == pytest.approx(
        centred, rel=1e-12
    )


def test_energy_distance_in_one_dimension_is_scipys_squared() -> None:
    reference = pytest.importorskip("scipy.stats").energy_distance
    x, y = draw(3).normal(size=40), draw(4).exponential(size=31)
    assert statistics.energy_distance(x[:, None], y[:, None]) == pytest.approx(
        reference(x, y) ** 2, rel=1e-9
    )


def test_spread_statistic_is_scipys_brown_forsythe() -> None:
    reference = pytest.importorskip("scipy.stats").levene
    x, y = draw(5).normal(size=41), draw(6).normal(3.0, 2.0, size=30)
    outcome = statistics.spread_test(x, y, 999, draw(7))
    assert outcome.statistic == pytest.approx(reference(x, y, center="median").statistic, rel=1e-9)


@pytest.mark.parametrize(
    "test", [statistics.energy_test, statistics.centred_energy_test, statistics.paired_energy_test]
)
def test_energy_p_values_are_uniform_where_nothing_differs(test) -> None:  # type: ignore[no-untyped-def]
    p = [
        test(draw(100 + k).normal(size=(24, 2)), draw(900 + k).normal(size=(24, 2)), 99, draw(k)).p
        for k in range(120)
    ]
    check_uniform(np.array(p))


@pytest.mark.parametrize("test", [statistics.spread_test, statistics.paired_spread_test])
def test_spread_p_values_are_uniform_where_only_the_mean_differs(test) -> None:  # type: ignore[no-untyped-def]
    p = [
        test(draw(100 + k).normal(size=30), draw(900 + k).normal(5.0, 1.0, size=30), 99, draw(k)).p
        for k in range(200)
    ]
    check_uniform(np.array(p))


def check_uniform(p: np.ndarray) -> None:
    # Wide enough for the fixed seeds' chance (4 standard errors), narrow enough for a test that is
    # twice too eager.
    for level in (0.1, 0.25, 0.5, 0.75):
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / len(p)), level
    assert p.min() >= 1 / 100


def test_clear_differences_are_found_and_p_is_never_zero() -> None:
    x, y = draw(0).normal(size=(60, 2)), draw(1).normal(0, 2.0, size=(60, 2))
    shifted = draw(2).normal(2.0, 1.0, size=(60, 2))
    least = pytest.approx(1 / 200)
    assert statistics.energy_test(x, shifted, 199, draw(3)).p == least
    assert statistics.centred_energy_test(x, y, 199, draw(3)).p == least
    assert statistics.spread_test(x[:, 0], y[:, 0], 199, draw(3)).p == least
    assert statistics.paired_spread_test(x[:, 0], y[:, 0], 199, draw(3)).p == least
    assert (
        statistics.centred_energy_test(x, shifted, 199, draw(3)).p > 0.05
    )  # a shift of the mean is no spread


def test_spread_test_does_not_feel_a_shift() -> None:
    x, y = draw(0).normal(size=50), draw(1).normal(0, 1.3, size=40)
    here, there = (statistics.spread_test(x, y + shift, 199, draw(2)) for shift in (0.0, 8.0))
    assert there.p == here.p and there.statistic == pytest.approx(here.statistic, rel=1e-9)


def test_holm_by_hand() -> None:
    assert statistics.correct_holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx(
        [0.04, 0.09, 0.09, 0.5]
    )
    assert statistics.correct_holm([0.9, 0.8]) == [1.0, 1.0]
    assert statistics.correct_holm([]) == []


def test_robust_std_is_a_normal_distributions_own() -> None:
    values = np.append(draw(0).normal(0, 0.3, 20000), np.full(200, 50.0))
    assert statistics.robust_std(values) == pytest.approx(0.3, rel=0.03)
    assert values.std() > 1


def test_bootstrap_over_people_is_wider_when_their_pictures_agree() -> None:
    people = np.repeat(np.arange(20), 10)
    values = draw(0).normal(size=20)[people]  # ten equal pictures of each
    grouped = statistics.cluster_stds(values, people, 500, draw(1))
    single = statistics.cluster_stds(values, np.arange(200), 500, draw(1))
    assert grouped.std() > 2 * single.std()
    reference = [values[draw(k).integers(0, 200, 200)].std() for k in range(500)]
    assert single.mean() == pytest.approx(
        np.mean(reference), rel=0.02
    ) and single.std() == pytest.approx(np.std(reference), rel=0.2)
    means = statistics.cluster_means(values, people, 500, draw(1))
    assert means.mean() == pytest.approx(values.mean(), abs=0.05)


def test_one_per_cluster() -> None:
    clusters = np.array(["a", "b", "a", "c", "a", "b"])
    chosen = statistics.one_per_cluster(clusters, draw(0))
    assert sorted(clusters[chosen]) == ["a", "b", "c"]
    assert {tuple(statistics.one_per_cluster(clusters, draw(k)).tolist()) for k in range(40)} > {
        tuple(chosen.tolist())
    }


# --- groups, pairs, figure


def manifest(path: Path, rows: list[tuple[object, ...]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((*row, *[""] * (len(COLUMNS) - len(row))) for row in rows)
    return path


def labelled(folder: Path, swap_shift: float = 0.0) -> Path:
    """Real photographs of 40 people, and three generators.

    Two swaps of each of the first 20, near their photograph; a narrow GAN; too few of FLUX.
    """
    rng = draw(11)
    gaze = rng.normal(0, 0.3, size=(40, 2))
    rows: list[tuple[object, ...]] = [
        (f"real/{k:02}.png", "real", "train", f"p{k}", *gaze[k]) for k in range(40)
    ]
    for k in range(40):
        pitch, yaw = gaze[k % 20] + rng.normal(0, 0.02, 2) + (0.0, swap_shift)
        rows.append(
            (
                f"swap/{k % 20:02}__{39 - k:02}_{k}.png",
                "landmark_swap_poisson",
                "train",
                f"p{k % 20}",
                pitch,
                yaw,
            )
        )
    rows += [
        (f"gan/{k}.png", "stylegan1_ffhq", "test", "", *rng.normal(0, 0.05, 2)) for k in range(30)
    ]
    rows += [(f"flux/{k}.png", "flux1_schnell", "test", "", 0.1, 0.1 * k) for k in range(4)]
    return manifest(folder / "m.csv", rows)


def groups_of(path: Path) -> dict[str, compare.Group]:
    samples = read_samples(path, TAXONOMY)
    return compare.group_by_label(samples, measure.labelled_gaze(samples).angles, TAXONOMY, 0)


def test_pairs_take_the_choice_of_photographs_out(tmp_path: Path) -> None:
    groups = groups_of(labelled(tmp_path, swap_shift=0.1))
    assert (
        len(groups["landmark_swap_poisson"].single) == 20
    )  # two swaps of one person are not two people
    (entry,) = matched.compare_matched(groups, TAXONOMY, "__([0-9]+)", 199, 0)
    swaps, real = groups["landmark_swap_poisson"], groups["real"]
    own = np.array(
        [real.gaze[[s.identity for s in real.samples].index(s.identity)] for s in swaps.samples]
    )
    assert entry["pairs"] == 40 and entry["people"] == 20 and entry["other_photographs"] == 20
    assert entry["yaw"]["mean_difference"] == pytest.approx((swaps.gaze - own)[:, 1].mean())
    assert entry["yaw"]["photographs_std"] == pytest.approx(own[:, 1].std())
    assert (
        entry["yaw"]["forging_ratio"] == pytest.approx(1.0, abs=0.1)
        and entry["yaw"]["forging_p"] > 0.05
    )
    assert entry["energy"]["p"] < 0.05  # the shift is seen here
    assert entry["yaw"]["target_correlation"] > 0.99 > entry["yaw"]["source_correlation"]
    assert entry["yaw"]["target_weight"] == pytest.approx(1.0, abs=0.05) and entry["yaw"][
        "source_weight"
    ] == pytest.approx(0.0, abs=0.05)


def test_tests_take_one_image_per_person(tmp_path: Path) -> None:
    groups = groups_of(labelled(tmp_path))
    rows = {
        row["name"]: row for row in compare.compare_groups(groups, TAXONOMY, 199, 0)["generators"]
    }
    swaps, real = groups["landmark_swap_poisson"], groups["real"]
    assert (rows[swaps.name]["n"], rows[swaps.name]["people"], rows[swaps.name]["tested"]) == (
        40,
        20,
        20,
    )
    assert len(set(swaps.people[swaps.single])) == 20 == len(swaps.one_per_person)
    expected = statistics.energy_distance(swaps.gaze[swaps.single], real.gaze[real.single])
    assert rows[swaps.name]["energy"]["distance"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("pattern", ["__([0-9]+", "__[0-9]+", "none([0-9]+)"])
def test_a_source_pattern_must_find_photographs(pattern: str, tmp_path: Path) -> None:
    groups = groups_of(labelled(tmp_path))
    with pytest.raises(ConfigError, match="--source"):
        matched.compare_matched(groups, TAXONOMY, pattern, 100, 0)


def test_contours_hold_their_share() -> None:
    x = np.linspace(-5, 5, 201)
    density = np.exp(-0.5 * (x[:, None] ** 2 + x[None] ** 2))
    outer, inner = figure.contour_levels(density)
    # a normal distribution in the plane has mass 1 - m outside the level m of its peak
    assert outer == pytest.approx(0.1, abs=0.01) and inner == pytest.approx(0.5, abs=0.01)


def test_kernel_density_follows_the_points() -> None:
    points = draw(0).multivariate_normal((0.5, -0.2), [[0.09, 0.05], [0.05, 0.04]], 800)
    x = y = np.linspace(-1.5, 1.5, 90)
    density = figure.kernel_density(points, x, y)
    share = density / density.sum()
    assert (share.sum(axis=0) * x).sum() == pytest.approx(points[:, 0].mean(), abs=0.01)
    covariance = (share * np.outer(y, x)).sum() - (share.sum(axis=0) * x).sum() * (
        share.sum(axis=1) * y
    ).sum()
    assert covariance == pytest.approx(
        0.05 * (1 + 800 ** (-1 / 3)), rel=0.1
    )  # the kernels widen it


# --- the command


def run(*argv: object) -> int:
    return main(["gaze-stats", *(str(item) for item in argv)])


def test_the_command_from_labels_to_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    path, out = labelled(tmp_path), tmp_path / "out"
    assert run(path, "--permutations", 199, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "stylegan1_ffhq" in shown and "not tested" in shown
    report = json.loads((out / "gaze_stats.json").read_text())
    rows = {row["name"]: row for row in report["generators"]}
    assert list(rows) == [
        "landmark_swap_poisson",
        "stylegan1_ffhq",
        "flux1_schnell",
    ]  # taxonomy order
    assert (
        rows["stylegan1_ffhq"]["yaw"]["spread_p_holm"] < 0.05
        and rows["stylegan1_ffhq"]["yaw"]["narrower"] is True
    )
    assert "energy" not in rows["flux1_schnell"] and rows["flux1_schnell"]["n"] == 4
    assert report["splits"] == ["train", "test"] and report["gaze"]["source"].startswith(
        "gaze labels"
    )
    svg = (out / "gaze_stats.svg").read_bytes()
    assert ET.fromstring(svg).tag.endswith("svg") and b"http://www.w3.org/1999/xlink" in svg
    assert "flux1_schnell: fewer than 10" in (out / "gaze_stats.md").read_text()
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert run(path, "--permutations", 199, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out) == report
    assert before == {
        file.name: file.read_bytes() for file in out.iterdir()
    }  # one seed, one result
    assert (
        run(
            path,
            "--permutations",
            199,
            "--out",
            tmp_path / "other",
            "--splits",
            "train",
            "--no-figure",
        )
        == 0
    )
    assert not (tmp_path / "other" / "gaze_stats.svg").exists()
    assert [
        row["name"]
        for row in json.loads((tmp_path / "other" / "gaze_stats.json").read_text())["generators"]
    ] == ["landmark_swap_poisson"]


def test_angles_that_do_not_vary_are_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[tuple[object, ...]] = [
        (f"{k}.png", "real", "train", f"p{k}", 0.1, 0.2) for k in range(12)
    ]
    rows += [
        (f"s{k}.png", "landmark_swap_poisson", "train", f"p{k}", 0.01 * k, 0.2) for k in range(12)
    ]
    path = manifest(tmp_path / "m.csv", rows)
    assert run(path, "--permutations", 100, "--out", tmp_path / "out", "--no-figure", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (
        report["generators"][0]["pitch"]["ratio"] is None
        and report["matched"][0]["pitch"]["forging_ratio"] is None
    )
    assert (
        report["generators"][0]["yaw"]["spread_p"] == 1.0
        and report["generators"][0]["pitch"]["spread_p"] < 0.05
    )
    assert run(path, "--permutations", 100, "--out", tmp_path / "out", "--no-figure") == 0
    assert "share no gaze" in capsys.readouterr().out


def test_the_table_needs_no_rich(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    assert (
        run(labelled(tmp_path), "--permutations", 100, "--out", tmp_path / "out", "--no-figure")
        == 0
    )
    assert "landmark_swap_poisson, yaw" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (("--permutations", 99), ConfigError, "too few"),
        (("--weights", "x.pth"), ConfigError, "belongs to an encoder"),
        (("--splits", "tset"), ConfigError, "Did you mean 'test'"),
        (("--splits", "val"), ManifestError, "no real image"),
        (("--splits", "test"), ManifestError, "no real image"),
        (("--gaze", "eth-xgaze"), WeightsError, "--weights FILE"),
        (("--gaze", "eth-xgaze", "--weights", "missing.pth"), WeightsError, "does not exist"),
        (("--gaze", "small"), WeightsError, "needs a weight file"),
        (("--taxonomy", "demo"), ManifestError, "unknown label"),
    ],
)
def test_wrong_options_are_refused(
    options: tuple[object, ...], error: type[GazeClipError], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        run(labelled(tmp_path), "--out", tmp_path / "out", "--no-figure", *options)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("a.png", "real", "train", "", 0, 0), ("b.png", "sdxl", "train", "", 0, 0)], "too few"),
        ([(f"{k}.png", "real", "train", "", 0, 0) for k in range(12)], "only real"),
        ([(f"{k % 2}.png", "real", "train", "", 0, 0) for k in range(12)], "listed twice"),
        (
            [
                *[(f"{k}.png", "real", "train", "", 0, 0) for k in range(12)],
                ("x.png", "sdxl", "train"),
            ],
            "--gaze eth-xgaze --weights FILE",
        ),
    ],
)
def test_unusable_manifests_are_refused(
    rows: list[tuple[object, ...]], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError) as caught:
        run(manifest(tmp_path / "m.csv", rows), "--out", tmp_path / "out", "--no-figure")
    assert says in str(caught.value)


def test_errors_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "gazeclip",
        "gaze-stats",
        str(tmp_path / "none.csv"),
        "--no-figure",
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (
        done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    )


# --- measuring


class Counting:
    """Stands in for an encoder: gaze from the mean red and green; counts what it is shown."""

    input_size = 16

    def __init__(self) -> None:
        self.seen = 0
        self.mean = pytest.importorskip("torch").zeros(1)

    def __call__(self, pixels):  # type: ignore[no-untyped-def]
        from gazeclip.teacher.gaze.encoder import GazeFeatures

        self.seen += len(pixels)
        return GazeFeatures(pixels, pixels.float().mean((2, 3))[:, :2] / 255 - 0.5)


def pictures(folder: Path) -> Path:
    rows: list[tuple[object, ...]] = []
    for k in range(26):
        label, split = ("real", "train" if k < 12 else "test") if k < 14 else ("sdxl", "train")
        colour = draw(k).integers(0, 256, 3, dtype=np.uint8)
        Image.fromarray(np.tile(colour, (20, 20, 1))).save(folder / f"{k}.png")
        rows.append((f"{k}.png", label, split))
    return manifest(folder / "m.csv", rows)


def test_gaze_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Counting()
    monkeypatch.setattr(measure, "_build_encoder", lambda kind, weights: encoder)
    path, weights, out = pictures(tmp_path), tmp_path / "w.pth", tmp_path / "out"
    weights.write_bytes(b"one")
    samples = read_samples(path, TAXONOMY)
    train = [sample for sample in samples if sample.split == "train"]

    def gaze(chosen: list) -> np.ndarray:  # type: ignore[type-arg]
        return measure.measured_gaze(chosen, path, "small", weights, out).angles

    first = gaze(train)
    assert encoder.seen == 24
    pixels = np.stack([np.asarray(Image.open(sample.path))[0, 0, :2] for sample in train])
    np.testing.assert_allclose(first, pixels / 255 - 0.5, atol=1e-6)  # the table keeps six decimals
    everything = gaze(samples)
    assert encoder.seen == 26  # only the two of the other split
    np.testing.assert_array_equal(
        everything[[sample.split == "train" for sample in samples]], first
    )
    np.testing.assert_array_equal(gaze(samples), everything)
    assert encoder.seen == 26
    weights.write_bytes(b"two")
    gaze(samples)
    assert encoder.seen == 52
    path.write_text(path.read_text() + "\n")
    gaze(samples)
    assert encoder.seen == 78
    (out / "gaze.csv").write_text(
        (out / "gaze.csv").read_text().replace("0.", "1.")
    )  # edited by hand
    gaze(samples)
    assert encoder.seen == 104


def test_an_unreadable_image_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_build_encoder", lambda kind, weights: Counting())
    path = pictures(tmp_path)
    (tmp_path / "w.pth").write_bytes(b"one")
    (tmp_path / "17.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"17\.png"):
        run(
            path,
            "--gaze",
            "small",
            "--weights",
            tmp_path / "w.pth",
            "--out",
            tmp_path / "out",
            "--no-figure",
        )
    (tmp_path / "17.png").unlink()
    with pytest.raises(ImageError, match=r"17\.png does not exist"):
        run(
            path,
            "--gaze",
            "small",
            "--weights",
            tmp_path / "w.pth",
            "--out",
            tmp_path / "out",
            "--no-figure",
        )


def test_a_real_layout_reads_its_own_weights(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from gazeclip.teacher.gaze.small import SmallGaze

    torch.manual_seed(0)
    encoder = SmallGaze()
    torch.save(encoder.state_dict(), tmp_path / "small.pth")
    path = pictures(tmp_path)
    samples = read_samples(path, TAXONOMY)[:3]
    found = measure.measured_gaze(samples, path, "small", tmp_path / "small.pth", tmp_path / "out")
    from gazeclip.images.preprocess import PixelContract

    pixels = torch.stack(
        [
            torch.from_numpy(PixelContract(96).apply(sample.path)).permute(2, 0, 1)
            for sample in samples
        ]
    )
    with torch.no_grad():
        expected = encoder.eval()(pixels).gaze.numpy()
    np.testing.assert_allclose(
        found.angles, expected, atol=2e-6
    )  # six decimals kept, and a batch of another size
    assert found.source == "small, file small.pth" and found.weights_sha256 is not None
