"""`gazeclip bundle` and `python -m export ACTION`: exit codes, one line for what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from export.__main__ import main
from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.signature import read_signature
from gazeclip.bundle.write import write_bundle
from gazeclip.cli.guard import describe_error
from gazeclip.cli.verbs import run_verb
from gazeclip.errors import BundleError, ConfigError, GateError
from runtimes.cli import main as runtimes_main
from tests.rejected import reject_bundle

ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
Encoding = serialization.Encoding
PublicFormat = serialization.PublicFormat
ROOT = Path(__file__).resolve().parents[2]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def pair(tmp_path: Path, capsys: Capture) -> str:
    """`PAIR.key` and `PAIR.pub`, made by the command."""
    assert main(["keygen", str(tmp_path / "ours")]) == 0
    told = capsys.readouterr()
    assert len(told.out.strip()) == 64 and "keep it secret" in told.err
    return str(tmp_path / "ours")


def test_from_keys_to_a_verdict_of_a_signed_bundle(
    pair: str,
    spoiled: Path,
    photos: dict[str, Path],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = str(spoiled)
    assert main(["verify-bundle", folder]) == 0
    assert capsys.readouterr().out.rstrip().endswith(", not signed")
    assert main(["sign", folder, "--key", f"{pair}.key"]) == 0
    signature = read_signature(spoiled)
    assert signature is not None and signature.key_id in capsys.readouterr().out
    assert run_verb("bundle", ["verify", folder], "gazeclip bundle") == 0
    told = capsys.readouterr().out
    assert f"; signed with the key {signature.key_id}, and nobody says here whose" in told
    image = str(photos["real"])
    assert runtimes_main(["verify", image, "--bundle", folder, "--trusted", f"{pair}.pub"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("GAZECLIP_TRUSTED_KEY", f"{pair}.pub")
    assert run_verb("bundle", ["verify", folder], "gazeclip bundle") == 0
    assert "signed with the trusted key" in capsys.readouterr().out


def change_byte(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[100] ^= 1
    (folder / "model.onnx").write_bytes(bytes(data))


def cut_off(folder: Path) -> None:
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-1])


def sign_with_another_key(folder: Path) -> None:
    theirs = str(folder.parent / "theirs")
    main(["keygen", theirs])
    with pytest.raises(ConfigError, match="--force"):
        main(["sign", str(folder), "--key", f"{theirs}.key"])
    assert main(["sign", str(folder), "--key", f"{theirs}.key", "--force"]) == 0


def take_signature_away(folder: Path) -> None:
    (folder / "signature.json").unlink()


@pytest.mark.parametrize(
    "attack", [change_byte, cut_off, sign_with_another_key, take_signature_away]
)
def test_what_is_refused_is_one_line_and_exit_code_2(
    attack: object, pair: str, spoiled: Path, photos: dict[str, Path], capsys: Capture
) -> None:
    assert callable(attack)
    main(["sign", str(spoiled), "--key", f"{pair}.key"])
    attack(spoiled)
    capsys.readouterr()
    public = f"{pair}.pub"
    with pytest.raises(BundleError) as checked:
        main(["verify-bundle", str(spoiled), "--trusted", public])
    with pytest.raises(BundleError) as judged:
        image = str(photos["real"])
        runtimes_main(["verify", image, "--bundle", str(spoiled), "--trusted", public])
    assert str(checked.value) == str(judged.value)
    line, code = describe_error(checked.value)
    assert code == 2 and line.startswith("bundle ") and "\n" not in line
    assert capsys.readouterr().out == ""


def change_signature(folder: Path, **changes: str | None) -> None:
    """Other values in the signature file; None takes one away."""
    path = folder / "signature.json"
    entry = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in entry.items() if value is not None}))


def write_anew(folder: Path, contents: BundleContents) -> None:
    """Whole, of other contents, and with the signature of the former ones."""
    signature = (folder / "signature.json").read_bytes()
    write_bundle(folder, replace(contents, licence="another"))
    (folder / "signature.json").write_bytes(signature)


@pytest.mark.parametrize("is_old", [False, True])
def test_a_stale_signature_is_refused_without_a_key(
    is_old: bool, pair: str, spoiled: Path, contents: BundleContents, capsys: Capture
) -> None:
    main(["sign", str(spoiled), "--key", f"{pair}.key"])
    if is_old:  # as earlier versions wrote it
        change_signature(spoiled, public_key=None)
    capsys.readouterr()
    assert main(["verify-bundle", str(spoiled)]) == 0
    assert ("it claims the key" in capsys.readouterr().out) is is_old
    write_anew(spoiled, contents)
    with pytest.raises(BundleError, match="changed after it was signed"):
        main(["verify-bundle", str(spoiled)])


def test_a_signature_is_compared_with_the_key_that_it_claims(pair: str, spoiled: Path) -> None:
    main(["sign", str(spoiled), "--key", f"{pair}.key"])
    right = (spoiled / "signature.json").read_text()
    theirs = ed25519.Ed25519PrivateKey.generate()
    raw = theirs.public_key().public_bytes_raw()
    for changes, words in (
        ({"signature": base64.b64encode(bytes(64)).decode()}, "was not made with the key"),
        ({"key_id": "0" * 64}, "is not the key 0000000000000000 that it claims"),
        ({"public_key": base64.b64encode(raw).decode()}, "is not the key"),
        ({"public_key": base64.b64encode(raw[:31]).decode()}, "31 bytes instead of 32"),
    ):
        (spoiled / "signature.json").write_text(right)
        change_signature(spoiled, **changes)
        with pytest.raises(BundleError, match=words):
            main(["verify-bundle", str(spoiled)])
    # Theirs in every part: right by itself, and refused by whoever knows our key.
    theirs_id = hashlib.sha256(
        theirs.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()
    digest = json.loads((spoiled / "bundle.json").read_text())["digest"]
    value = theirs.sign(f"gazeclip-edge bundle 1\n{digest}\n".encode())
    change_signature(
        spoiled,
        key_id=theirs_id,
        public_key=base64.b64encode(raw).decode(),
        signature=base64.b64encode(value).decode(),
    )
    assert main(["verify-bundle", str(spoiled)]) == 0
    with pytest.raises(BundleError, match="is trusted"):
        main(["verify-bundle", str(spoiled), "--trusted", f"{pair}.pub"])


def test_a_signature_that_is_required_needs_a_key(
    pair: str, spoiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["verify-bundle", str(spoiled), "--require-signature"]
    with pytest.raises(ConfigError, match="no key is named"):
        main(command)
    with pytest.raises(BundleError, match="is not signed"):
        main([*command, "--trusted", f"{pair}.pub"])
    main(["sign", str(spoiled), "--key", f"{pair}.key"])
    with pytest.raises(ConfigError, match="no key is named"):
        main(command)
    monkeypatch.setenv("GAZECLIP_TRUSTED_KEY", f"{pair}.pub")
    assert main(command) == 0


def test_check_computes_bundles_of_the_named_key_only(pair: str, spoiled: Path) -> None:
    command = ["check", str(spoiled), "--trusted", f"{pair}.pub"]
    with pytest.raises(BundleError, match="is not signed"):
        main(command)
    main(["sign", str(spoiled), "--key", f"{pair}.key"])
    assert main(command) == 0


@pytest.mark.parametrize("action", ["sign", "verify-bundle", "check"])
def test_what_the_gate_rejected_is_told_and_exit_code_3(
    action: str,
    pair: str,
    spoiled: Path,
    bundles: dict[str, Path],
    contents: BundleContents,
    capsys: Capture,
) -> None:
    """Also where another bundle of the same command was not rejected."""
    reject_bundle(spoiled, contents)
    options = ["--key", f"{pair}.key"] if action == "sign" else [str(bundles["onnx"])]
    command = [action, str(spoiled), *options]
    with pytest.raises(
        GateError, match=r"worse than its fp32 twin: tpr 0\.900 -> 0\.500"
    ) as caught:
        main(command)
    line, code = describe_error(caught.value)
    assert code == 3 and str(spoiled) in line and "\n" not in line
    assert str(bundles["onnx"]) not in line
    assert not (spoiled / "signature.json").exists()
    capsys.readouterr()
    assert main([*command, "--allow-rejected"]) == 0


def test_a_signature_does_not_hide_the_rejection(
    pair: str, spoiled: Path, contents: BundleContents, capsys: Capture
) -> None:
    reject_bundle(spoiled, contents)
    folder = str(spoiled)
    assert main(["sign", folder, "--key", f"{pair}.key", "--allow-rejected"]) == 0
    capsys.readouterr()
    with pytest.raises(GateError, match="the gate rejected"):
        main(["verify-bundle", folder, "--trusted", f"{pair}.pub"])
    assert "signed with the trusted key" in (told := capsys.readouterr().out)
    assert "; REJECTED by the gate: it judges worse than its fp32 twin" in told
    with pytest.raises(GateError):
        main(["check", folder, "--json"])
    (entry,) = json.loads(capsys.readouterr().out)["bundles"]
    assert entry["within"] is True and entry["rejected"].startswith("it judges worse")


def test_damage_comes_before_a_rejection(
    spoiled: Path, contents: BundleContents, bundles: dict[str, Path], tmp_path: Path
) -> None:
    reject_bundle(spoiled, contents)
    damaged = Path(shutil.copytree(bundles["onnx"], tmp_path / "damaged"))
    change_byte(damaged)
    with pytest.raises(BundleError, match=r"model\.onnx was changed"):
        main(["verify-bundle", str(spoiled), str(damaged)])


def test_as_a_process_without_torch(pair: str, spoiled: Path) -> None:
    code = (
        "import sys\n"
        "from export.__main__ import guard, main\n"
        "def check(argv):\n"
        "    try:\n"
        "        return main(argv)\n"
        "    finally:\n"
        "        heavy = {'torch', 'onnx', 'openvino', 'coremltools'} & set(sys.modules)\n"
        "        assert not heavy, heavy\n"
        "guard(check)\n"
    )
    command = [sys.executable, "-c", code, "verify-bundle", str(spoiled), "--trusted"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, f"{pair}.pub"], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: bundle ") and done.stderr.count("\n") == 1
