"""The command `app`: what the server sends, and what is said where nothing can be served."""

from __future__ import annotations

import http.client
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeclip.bundle.contents import BankInput, BundleContents
from gazeclip.bundle.keys import make_keys, read_private_key
from gazeclip.bundle.signature import sign_bundle
from gazeclip.bundle.write import write_bundle
from gazeclip.errors import BundleError, ConfigError, MissingDependencyError, StageError
from gazeclip.scoring.evidence import Evidence
from gazeclip.system import place
from runtimes.app import build
from runtimes.app.server import HEADERS, POLICY, open_server
from runtimes.cli import main
from runtimes.commands.app import find_page
from tests.conftest import write_model

ROOT = Path(__file__).parents[3]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A built page in small."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<p>page</p>", encoding="utf-8")
    (folder / "assets" / "ort.wasm").write_bytes(b"\0asm")
    (tmp_path / "secret.txt").write_text("outside", encoding="utf-8")
    return folder


@pytest.fixture
def port(page: Path) -> Iterator[int]:
    """Where the page is served."""
    with open_server(page, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def ask(port: int, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_the_page_comes_with_the_headers_that_keep_it_in(port: int) -> None:
    answer, body = ask(port, "/")
    assert (answer.status, body) == (200, b"<p>page</p>")
    assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_wasm_has_the_type_that_browsers_compile(port: int) -> None:
    answer, body = ask(port, "/assets/ort.wasm")
    assert (answer.headers["Content-Type"], body) == ("application/wasm", b"\0asm")


@pytest.mark.parametrize("path", ["/assets/", "/none.js", "/../secret.txt", "/%2e%2e/secret.txt"])
def test_nothing_else_is_given_away(port: int, path: str) -> None:
    answer, body = ask(port, path)
    assert answer.status == 404
    assert b"outside" not in body and b"ort.wasm" not in body


def test_nothing_is_accepted(port: int) -> None:
    answer, _ = ask(port, "/", "POST")
    assert answer.status == 501


def test_a_taken_port_is_one_line(port: int, page: Path) -> None:
    with pytest.raises(ConfigError, match=f"port {port}"):
        open_server(page, port)


def test_a_page_that_was_not_built(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not built") as caught:
        find_page(tmp_path)
    assert "--build" in str(caught.value.remedy)


def test_a_bundle_belongs_to_the_build(bundles: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="holds the bundle"):
        main(["app", "--bundle", str(bundles["onnx"])])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The page's source in small."""
    folder = tmp_path / "web"
    (folder / "node_modules").mkdir(parents=True)
    (folder / "package-lock.json").write_text("{}", encoding="utf-8")
    return folder


def put_npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in npm's place: real ones are tried by `make web`."""
    program = folder / "npm"
    program.write_text(f'#!/bin/sh\necho "$@" >> calls\n{script}\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(build.shutil, "which", lambda _: str(program))


def test_a_build_replaces_the_page_and_installs_once(
    source: Path, tmp_path: Path, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'mkdir -p "$GAZECLIP_OUT" && basename "$GAZECLIP_BUNDLE" > "$GAZECLIP_OUT/index.html"'
    put_npm(tmp_path, f'[ "$1" = ci ] || {{ {script}; }}', monkeypatch)
    for _ in range(2):
        built = build.build_page(bundles["onnx"], source)
        assert (built / "index.html").read_text(encoding="utf-8") == "onnx\n"
        (built / "stale").touch()
    build.build_page(bundles["onnx"], source)
    assert not (built / "stale").exists()
    calls = (source / "calls").read_text(encoding="utf-8").splitlines()
    assert [call.split()[0] for call in calls] == ["ci", "run", "run", "run"]


def test_a_failed_build_leaves_the_page_and_says_why(
    source: Path, tmp_path: Path, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "dist").mkdir()
    (source / "dist" / "index.html").touch()
    put_npm(tmp_path, '[ "$1" = ci ] || { echo no such file; exit 1; }', monkeypatch)
    with pytest.raises(StageError, match=r"npm run failed \(no such file\)"):
        build.build_page(bundles["onnx"], source)
    assert (source / "dist" / "index.html").exists()


def test_what_computes_in_float_beside_a_run_s_int8_is_packed_too(
    source: Path,
    tmp_path: Path,
    weights: dict[str, np.ndarray],
    contents: BundleContents,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def write(folder: str, **changes: Any) -> Path:
        place = tmp_path / "export" / folder
        name = write_model(place, "onnx", weights)
        made = replace(contents, target="onnx", model_file=name, **changes)
        return write_bundle(place, made).folder

    script = 'mkdir -p "$GAZECLIP_OUT" && echo "$GAZECLIP_TWIN" > "$GAZECLIP_OUT/index.html"'
    put_npm(tmp_path, f'[ "$1" = ci ] || {{ {script}; }}', monkeypatch)

    def pack(bundle: Path) -> str:
        return (build.build_page(bundle, source) / "index.html").read_text(encoding="utf-8").strip()

    student = {"student_sha256": "a" * 64, "taxonomy_sha256": "b" * 64}
    made_from = {**student, "quantized_encoder_sha256": "d" * 64, "recipe_sha256": "e" * 64}
    shipped = write("onnx", precision="int8", provenance=made_from)
    assert pack(shipped) == ""
    twin = write("onnx-fp32", precision="fp32", provenance=student)
    assert pack(shipped) == str(twin)
    assert pack(twin) == ""  # the one that was named, and no other
    drop = {"figure": "tpr", "before": 0.9, "after": 0.5, "limit": 0.03, "generator": None}
    rejected = {
        "outcome": "fail",
        "accepted": False,
        "agreement": 0.5,
        "split": "val",
        "n_real": 9,
        "n_fake": 9,
        "twin": "f" * 64,
        "drops": [{**drop, "outcome": "fail"}],
    }
    smaller = write("onnx-w8", precision="w8", provenance=student)
    assert pack(shipped) == str(smaller)
    write("onnx-w8", precision="w8", provenance=student, gate=rejected)
    assert pack(shipped) == str(twin)
    assert "the forensic gate rejected it" in capsys.readouterr().err
    shutil.rmtree(smaller)
    shutil.rmtree(twin)
    write("onnx-fp32", precision="fp32", provenance={"student_sha256": "c" * 64})
    assert pack(shipped) == ""
    assert "another student" in capsys.readouterr().err
    (twin / "golden.npz").write_bytes(b"changed")
    with pytest.raises(BundleError):
        pack(shipped)


def test_what_cannot_be_built_is_said_before_npm_runs(
    source: Path,
    tmp_path: Path,
    spoiled: Path,
    bundles: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_npm(tmp_path, "exit 1", monkeypatch)
    with pytest.raises(ConfigError, match="source is not here"):
        build.build_page(bundles["onnx"], tmp_path / "none")
    with pytest.raises(ConfigError, match="for openvino"):
        build.build_page(bundles["openvino"], source)
    (spoiled / "golden.npz").write_bytes(b"changed")
    with pytest.raises(BundleError):
        build.build_page(spoiled, source)
    monkeypatch.setattr(build.shutil, "which", lambda _: None)
    with pytest.raises(MissingDependencyError, match="npm") as caught:
        build.build_page(bundles["onnx"], source)
    assert "Node.js" in str(caught.value.remedy)
    assert not (source / "calls").exists()


def test_the_page_is_built_around_bundles_of_the_named_key_only(
    source: Path, tmp_path: Path, spoiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    put_npm(tmp_path, '[ "$1" = ci ] || mkdir "$GAZECLIP_OUT"', monkeypatch)
    build_here = partial(build.build_page, source=source)
    monkeypatch.setattr("runtimes.commands.app.build_page", build_here)
    keys = tmp_path / "ours"
    make_keys(keys)
    command = ["app", "--build", "--bundle", str(spoiled), "--trusted", f"{keys}.pub"]
    with pytest.raises(BundleError, match="is not signed"):
        main(command)
    assert not (source / "calls").exists()
    sign_bundle(spoiled, read_private_key(Path(f"{keys}.key")))
    assert main(command) == 0
    with pytest.raises(ConfigError, match="holds the bundle"):
        main(["app", "--trusted", f"{keys}.pub"])


@pytest.mark.checkout
def test_the_page_carries_the_same_policy_as_the_server() -> None:
    html = (ROOT / "apps" / "web" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"content=\"(default-src [^\"]+)\"", html) == [POLICY]


@pytest.mark.checkout
def test_the_source_is_where_the_command_looks() -> None:
    assert place.ROOT / "apps" / "web" == build.SOURCE
    assert (build.SOURCE / "package-lock.json").is_file()


def test_the_page_has_no_text_bank_to_give(
    contents: BundleContents, bundles: dict[str, Path], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "npm")
    (tmp_path / "package-lock.json").write_text("{}", encoding="utf-8")
    folder = tmp_path / "bundle"
    folder.mkdir()
    shutil.copyfile(bundles["onnx"] / "model.onnx", folder / "model.onnx")
    evidence = Evidence(("detection",), (0.7,), 0.1, -6.0, 5.7)
    told = replace(contents, evidence=evidence, bank_input=BankInput("text_bank", None))
    write_bundle(folder, told)
    with pytest.raises(ConfigError, match="takes its text bank from outside"):
        build.build_page(folder, tmp_path)
