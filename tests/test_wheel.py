"""What someone has who installed the wheel: all data, and remedies that work without a checkout."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gazeclip", "distill", "quantize", "export", "runtimes", "benchmarks", "recipes")
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installed:
    """A wheel, where it was installed, and an empty folder to work in."""

    wheel: Path
    target: Path
    empty: Path

    def run(self, *command: str, on_path: bool = False) -> subprocess.CompletedProcess[str]:
        """A command in the empty folder that finds the installed packages only.

        Args:
            on_path: whether the console script's folder is on the search path.
        """
        environment = {**os.environ, "PYTHONPATH": str(self.target), "OMP_NUM_THREADS": "1"}
        if on_path:
            environment["PATH"] = f"{self.target / 'bin'}{os.pathsep}{environment['PATH']}"
        return subprocess.run(
            command,
            cwd=self.empty,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def script(self) -> str:
        """The console script."""
        return str(self.target / "bin" / "gazeclip")


def list_tracked_files() -> list[str]:
    """Files of the repository by their names from its root."""
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("needs a git checkout")
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel of the tracked files, built without a download and installed by itself."""
    source = tmp_path_factory.mktemp("source")
    for name in list_tracked_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    built = tmp_path_factory.mktemp("wheel")
    target = tmp_path_factory.mktemp("target")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(built), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = built.glob("*.whl")
    install = [*pip, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return Installed(wheel, target, tmp_path_factory.mktemp("empty"))


def test_the_wheel_holds_every_file_of_the_packages(installed: Installed) -> None:
    expected = {name for name in list_tracked_files() if name.split("/")[0] in PACKAGES}
    with zipfile.ZipFile(installed.wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == expected
    for name in (
        "recipes/demo.yaml",
        "gazeclip/taxonomies/dfad.yaml",
        "gazeclip/system/constraints.txt",
        "benchmarks/report/templates/report.html.j2",
        "runtimes/faces/yunet.onnx",
        "runtimes/faces/NOTICE",
    ):
        assert name in inside


def test_the_installed_packages_are_what_runs(installed: Installed) -> None:
    code = "import gazeclip, recipes; print(gazeclip.__file__); print(recipes.__file__)"
    done = installed.run(sys.executable, "-c", code)
    for line in done.stdout.splitlines():
        assert Path(line).is_relative_to(installed.target)


def test_the_front_door_opens(installed: Installed) -> None:
    done = installed.run(installed.script, "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: gazeclip COMMAND"), done.stderr
    done = installed.run(installed.script, "--version")
    assert re.fullmatch(r"gazeclip-edge \d+\.\d+\.\d+\n", done.stdout)
    done = installed.run(installed.script, "run", "--list")
    assert done.returncode == 0, done.stderr
    names = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert names == ["demo", "real"]
    done = installed.run(sys.executable, "-m", "export", "--list")
    assert done.returncode == 0 and "onnx" in done.stdout, done.stderr
    done = installed.run(sys.executable, "-m", "gazeclip.system.install_torch", "--help")
    assert done.returncode == 0, done.stderr


def test_a_shipped_recipe_is_found_by_its_name(installed: Installed) -> None:
    done = installed.run(installed.script, "run", "demo", "--set", "no.such=1")
    assert done.returncode == 2 and "no: unknown" in done.stderr
    done = installed.run(installed.script, "run", "recipes/demo.yaml")
    assert done.returncode == 2 and "Did you mean 'demo'" in done.stderr
    assert list(installed.empty.iterdir()) == []


@pytest.mark.parametrize("on_path", [True, False])
def test_the_command_of_a_remedy_works(installed: Installed, on_path: bool) -> None:
    script = "gazeclip" if on_path else installed.script
    for door in ([script], [sys.executable, "-m", "gazeclip"]):
        done = installed.run(*door, "data", "prepare", on_path=on_path)
        assert done.returncode == 2
        match = re.search(r"Run first: (.*) run demo$", done.stderr.strip())
        assert match is not None, done.stderr
        program = shlex.split(match.group(1))
        again = installed.run(*program, "--version", on_path=on_path)
        assert again.returncode == 0 and again.stdout.startswith("gazeclip-edge")


def test_remedies_install_the_distribution_with_its_own_pins(installed: Installed) -> None:
    code = (
        "from gazeclip.system.packages import install_command as command; "
        "print(command('onnx')); print(command('all'))"
    )
    onnx, everything = installed.run(sys.executable, "-c", code).stdout.splitlines()
    words = shlex.split(onnx)
    assert words[-1] == "gazeclip-edge[onnx]"
    constraints = Path(words[words.index("-c") + 1])
    assert constraints.is_relative_to(installed.target) and "torch==" in constraints.read_text()
    # never a torch that was not chosen, and no `make` where there is no Makefile
    assert "-m gazeclip.system.install_torch && " in everything and "make " not in everything
    done = installed.run(installed.script, "doctor")
    assert done.returncode == 0, done.stderr
    assert "torch==" not in done.stdout and "-e '" not in done.stdout
    assert "tested with" in done.stdout  # the pins are there
