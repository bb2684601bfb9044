"""Install torch and torchvision into this environment, never a CUDA build on a machine without an
NVIDIA GPU.

PyPI's torch for Linux is the CUDA build (several GB); the CPU build has a local version
(`2.13.0+cpu`) and an index of its
own. Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def pinned(name: str) -> str:
    """The version of a package in the constraints file."""
    match = re.search(rf"^{name}==(\S+)", CONSTRAINTS.read_text(), re.MULTILINE)
    if match is None:
        sys.exit(f"error: {CONSTRAINTS} does not pin {name}")
    return match.group(1)


def has_gpu() -> bool:
    """Whether an NVIDIA GPU is usable here."""
    command = shutil.which("nvidia-smi")
    return (
        command is not None and subprocess.run([command, "-L"], capture_output=True).returncode == 0
    )


def pip(*arguments: str, quiet: bool = False) -> bool:
    """Run pip; whether it succeeded."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "-c",
        str(CONSTRAINTS),
        *arguments,
    ]
    return subprocess.run(command, capture_output=quiet).returncode == 0


def install(index: str) -> bool:
    """Install both packages; whether it succeeded."""
    torch, vision = f"torch=={pinned('torch')}", f"torchvision=={pinned('torchvision')}"
    if index:  # what torch needs besides comes with the project's own requirements, from where pip is configured for
        # The CPU build and a CUDA build are the same version to pip: without force it would keep
        # what is there.
        return pip("--no-deps", "--force-reinstall", "--index-url", index, torch, vision)
    if has_gpu() or platform.system() != "Linux":
        return pip(torch, vision)
    # The local version cannot be met by a CUDA build: first from what pip is configured for, then
    # from PyTorch's own index.
    if pip(f"{torch}+cpu", quiet=True):
        from_pytorch = ("--no-deps", "--retries", "0", "--timeout", "15", "--index-url", CPU_INDEX)
        if pip("--no-deps", f"{vision}+cpu", quiet=True) or pip(
            *from_pytorch, f"{vision}+cpu", quiet=True
        ):
            return True
        print(
            f"warning: no CPU build of {vision} found; the default one is a CUDA build whose operators do not work beside a CPU torch."
        )
        print(
            "Nothing here needs them (docs/toolchain.md); an index with both CPU builds is chosen by: make install TORCH_INDEX=URL"
        )
        return pip("--no-deps", vision)
    return pip("--no-deps", "--index-url", CPU_INDEX, f"{torch}+cpu", f"{vision}+cpu")


def check() -> None:
    """Refuse an environment that ended up with a CUDA build and no GPU."""
    import torch

    if torch.version.cuda is not None and not has_gpu() and platform.system() == "Linux":
        sys.exit(
            f"error: torch {torch.__version__} is a CUDA build and there is no GPU. Remove .venv and run: make install TORCH_INDEX={CPU_INDEX}"
        )
    print(
        f"torch {torch.__version__} ({'CUDA ' + torch.version.cuda if torch.version.cuda else 'CPU'})"
    )


def main() -> None:
    """Install, or `--check` what is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", default="", help="index to take torch from")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.check:
        check()
    elif not install(arguments.index):
        sys.exit(
            f"error: torch could not be installed. Name an index that has it: make install TORCH_INDEX={CPU_INDEX}"
        )


if __name__ == "__main__":
    main()
