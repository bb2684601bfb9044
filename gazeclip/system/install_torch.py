"""Install torch and torchvision here, never a CUDA build on a machine without an NVIDIA GPU.

    python -m gazeclip.system.install_torch               # the CPU build unless there is a GPU
    python -m gazeclip.system.install_torch --index URL   # what is there
    python -m gazeclip.system.install_torch --check       # refuse a CUDA build without a GPU

PyPI's torch for Linux is the CUDA build (several GB); the CPU build has a local version
(`2.13.0+cpu`) and an index of its own. Standard library only, and nothing of this package: it runs
before anything is installed, as a file as well.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).with_name("constraints.txt")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
AGAIN = (
    "python -m gazeclip.system.install_torch --index {} (with make: make install TORCH_INDEX={})"
)


def read_pin(name: str) -> str:
    """The version of a package in the constraints file."""
    pattern = rf"^{name}==(\S+)"
    match = re.search(pattern, CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        sys.exit(f"error: {CONSTRAINTS} does not pin {name}")
    return match.group(1)


def has_gpu() -> bool:
    """Whether an NVIDIA GPU is usable here."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return False
    return subprocess.run([command, "-L"], capture_output=True).returncode == 0


def run_pip(*arguments: str, quiet: bool = False) -> bool:
    """Run `pip install`; whether it succeeded."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "-c", str(CONSTRAINTS)]
    return subprocess.run([*command, *arguments], capture_output=quiet).returncode == 0


def install(index: str) -> bool:
    """Install both packages; whether it succeeded."""
    torch = f"torch=={read_pin('torch')}"
    vision = f"torchvision=={read_pin('torchvision')}"
    if index:
        # The CPU build and a CUDA build are the same version to pip: without force it would keep
        # what is there. What torch needs besides comes with the project's own requirements, from
        # where pip is configured for.
        return run_pip("--no-deps", "--force-reinstall", "--index-url", index, torch, vision)
    if has_gpu() or platform.system() != "Linux":
        return run_pip(torch, vision)
    # The local version cannot be met by a CUDA build: first from what pip is configured for, then
    # from PyTorch's own index.
    if run_pip(f"{torch}+cpu", quiet=True):
        return _install_vision(vision)
    return run_pip("--no-deps", "--index-url", CPU_INDEX, f"{torch}+cpu", f"{vision}+cpu")


def _install_vision(vision: str) -> bool:
    """The torchvision that fits a CPU torch, or with a warning the one that does not."""
    from_pytorch = ("--no-deps", "--retries", "0", "--timeout", "15", "--index-url", CPU_INDEX)
    if run_pip("--no-deps", f"{vision}+cpu", quiet=True):
        return True
    if run_pip(*from_pytorch, f"{vision}+cpu", quiet=True):
        return True
    print(
        f"warning: no CPU build of {vision} found; the default one is a CUDA build whose", end=" "
    )
    print("operators do not work beside a CPU torch. Nothing here needs them (the networks declare")
    print(f"them); an index with both CPU builds is chosen by: {AGAIN.format('URL', 'URL')}")
    return run_pip("--no-deps", vision)


def check() -> None:
    """Refuse an environment that ended up with a CUDA build and no GPU."""
    import torch

    cuda = torch.version.cuda
    if cuda is not None and not has_gpu() and platform.system() == "Linux":
        remedy = f"Run: {AGAIN.format(CPU_INDEX, CPU_INDEX)}"
        sys.exit(f"error: torch {torch.__version__} is a CUDA build, and there is no GPU. {remedy}")
    print(f"torch {torch.__version__} ({'CPU' if cuda is None else f'CUDA {cuda}'})")


def main() -> None:
    """Install, or `--check` what is installed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", default="", help="index to take torch from")
    parser.add_argument("--check", action="store_true", help="only look at what is installed")
    arguments = parser.parse_args()
    if arguments.check:
        check()
    elif not install(arguments.index):
        remedy = f"Name an index that has it: {AGAIN.format(CPU_INDEX, CPU_INDEX)}"
        sys.exit(f"error: torch could not be installed. {remedy}")


if __name__ == "__main__":
    main()
