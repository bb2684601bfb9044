"""What NNCF's build needs is found, tried, and kept apart per compiler.

A home that cannot be written stops nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gazeclip.errors import StageError
from quantize.nncf_setup import build_key, require_quantizers

ROOT = Path(__file__).parents[2]


def run_prepared(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python after `prepare_nncf()`, in a process of its own.

    Its PATH holds this environment's programs only if the caller gives it.
    """
    prepared = "import os, shutil; from quantize.nncf_setup import prepare_nncf; prepare_nncf()"
    base = {
        name: value
        for name, value in os.environ.items()
        if name not in ("TORCH_EXTENSIONS_DIR", "XDG_CACHE_HOME")
    }
    return subprocess.run(
        [sys.executable, "-c", f"{prepared}; {code}"],
        cwd=ROOT,
        env={**base, "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=900,  # one of them compiles
        check=False,
    )


def test_ninja_of_an_environment_that_is_not_activated_is_found(tmp_path: Path) -> None:
    own = Path(sys.executable).parent / "ninja"
    if not own.exists():
        pytest.skip("this environment has no ninja of its own")
    empty = tmp_path / "bin"
    empty.mkdir()
    done = run_prepared("print(shutil.which('ninja'))", PATH=str(empty), HOME=str(tmp_path))
    assert done.stdout.strip() == str(own), done.stderr
    other = empty / "ninja"  # one that the user has put on PATH stays the one that is used
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    done = run_prepared("print(shutil.which('ninja'))", PATH=str(empty), HOME=str(tmp_path))
    assert done.stdout.strip() == str(other)


@pytest.mark.parametrize("home", ["/dev/null/nobody", "/proc/nobody"])
def test_a_home_that_cannot_be_written_is_one_line(home: str, tmp_path: Path) -> None:
    done = run_prepared(
        "print(os.environ['TORCH_EXTENSIONS_DIR'])", HOME=home, TMPDIR=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert (
        len(lines) == 1
        and "no cache in the home of this user" in lines[0]
        and "XDG_CACHE_HOME" in lines[0]
    )
    folder = Path(done.stdout.strip())
    assert folder.is_dir() and folder.is_relative_to(tmp_path)
    private = folder.relative_to(tmp_path).parts[0]
    assert (tmp_path / private).stat().st_mode & 0o077 == 0


def test_nobody_elses_temporary_folder_is_taken(tmp_path: Path) -> None:
    open_to_all = tmp_path / f"gazeclip-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    done = run_prepared(
        "print(os.environ['TORCH_EXTENSIONS_DIR'])", HOME="/dev/null/nobody", TMPDIR=str(tmp_path)
    )
    assert not Path(done.stdout.strip()).is_relative_to(open_to_all), done.stderr
    assert not list(open_to_all.iterdir())


def test_each_compiler_has_a_build_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for command in ("c++", "/usr/bin/env", "no-such-compiler"):
        monkeypatch.setenv("CXX", command)
        keys.add(build_key())
        assert build_key() in keys
    assert len(keys) == 3


def test_each_ninja_has_a_build_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions of ninja record a build differently, and each would undo what the other made."""
    monkeypatch.setenv("CXX", sys.executable)  # found without PATH
    keys = []
    for name in ("one", "two", "one"):
        program = tmp_path / name / "ninja"
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        keys.append(build_key())
    assert keys[0] == keys[2] != keys[1]


def test_what_is_missing_to_build_the_quantizers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no C++ compiler (no-such-compiler)" in str(require_quantizers())
    monkeypatch.setenv("CXX", sys.executable)  # it can be found and compiles nothing
    assert "cannot compile two lines" in str(require_quantizers())
    monkeypatch.setattr("quantize.nncf_setup.compiler_fault", lambda: None)
    assert require_quantizers() is None
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert "no ninja" in str(require_quantizers())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("torch.utils.cpp_extension.CUDA_HOME", "/usr/local/cuda")
    with pytest.raises(StageError, match="on the GPU needs a C\\+\\+ compiler: no ninja"):
        require_quantizers()
    monkeypatch.setattr("torch.utils.cpp_extension.CUDA_HOME", None)
    with pytest.raises(
        StageError, match=r"needs the CUDA toolkit \(nvcc\), and there is none. Install the one"
    ):
        require_quantizers()


@pytest.mark.slow
def test_compiled_quantizers_are_built_and_agree_with_the_slower_ones() -> None:
    """Unit tests use the slower ones (see `tests/conftest.py`)."""
    pytest.importorskip("nncf")
    code = (
        "from quantize.nncf_setup import load_quantizers; assert load_quantizers() is None; "
        "from nncf.torch.quantization import extensions, reference; import torch; "
        "x = torch.linspace(-2, 2, 101).reshape(1, 101); "
        "arguments = (x, torch.tensor([-1.0]), torch.tensor([2.04]), 256); "
        "compiled = extensions.QuantizedFunctionsCPU.get('Quantize_forward')(*arguments); "
        "slower = reference.ReferenceQuantizedFunctions.Quantize_forward(*arguments); "
        "assert compiled is not x and torch.allclose(compiled, slower, atol=1e-6); "
        "print(len(compiled.unique()))"
    )
    done = run_prepared(code, PATH=os.environ["PATH"])
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50  # of 101 numbers three quarters lie within the levels


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["compiler", "extension"])
def test_slower_quantizers_are_told_once_and_still_train(fault: str, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    # with a sound compiler, a source that is not there stands for a build that fails
    spoil = (
        "import nncf.torch.quantization.extensions as e; e.CPU_EXT_SRC_LIST[:] = ['/no/such.cpp']; "
        if fault == "extension"
        else ""
    )
    code = (
        f"{spoil}from quantize.nncf_setup import load_quantizers; print(load_quantizers()); "
        "import torch; from nncf.torch.quantization.quantize_functions import QuantizeSymmetric; "
        "x = torch.randn(64, requires_grad=True); scale = torch.ones(1, requires_grad=True); "
        "QuantizeSymmetric.apply(x, scale, -128, 127, 256).sum().backward(); "
        "print(bool(x.grad.abs().sum() > 0))"
    )
    environment = {"HOME": str(tmp_path)} | ({"CXX": "/bin/false"} if fault == "compiler" else {})
    done = run_prepared(code, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    sentence, trained = done.stdout.splitlines()[-2:]
    assert "which takes longer" in sentence and trained == "True"
    assert ("/bin/false" in sentence) == (fault == "compiler")
