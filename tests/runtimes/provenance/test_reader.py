"""Signed pictures, and what was done to them afterwards."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import ConfigError, MissingDependencyError
from runtimes.provenance.reader import CredentialReader
from tests.runtimes.provenance.signing import MEDIA_TYPES, Authority, c2pa, draw, sign

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def signed(authority: Authority) -> bytes:
    return sign(draw("JPEG"), authority.make_signer("A camera"))


@pytest.fixture
def anchors(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "anchors.pem"
    path.write_bytes(authority.pem)
    return path


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_a_signed_picture_of_each_kind_is_valid(kind: str, authority: Authority) -> None:
    picture = sign(draw(kind), authority.make_signer("A camera"), kind)
    found = CredentialReader().read(picture)
    assert (found.state, found.faults, found.reason) == ("valid", (), None)
    assert (found.signer, found.organisation) == ("A camera", "Test house")
    assert found.claim_generator == "test camera 7"
    assert found.trusted is None and found.says_ai_made is False
    assert found.describe() == "valid, unknown signer A camera"


def test_a_signer_is_trusted_who_leads_to_a_named_anchor(
    signed: bytes, anchors: Path, tmp_path: Path
) -> None:
    found = CredentialReader(anchors).read(signed)
    assert (found.state, found.trusted) == ("valid", True)
    assert found.describe() == "valid, trusted signer A camera"
    others = tmp_path / "others.pem"
    others.write_bytes(Authority("Another authority").pem)
    found = CredentialReader(others).read(signed)
    assert (found.state, found.trusted) == ("valid", False)
    both = tmp_path / "both.pem"
    both.write_bytes(others.read_bytes() + anchors.read_bytes())
    assert CredentialReader(both).read(signed).trusted is True


@pytest.mark.parametrize(
    ("source_type", "answer"),
    [
        ("digitalCapture", False),
        ("algorithmicMedia", False),
        ("trainedAlgorithmicMedia", True),
        ("compositeWithTrainedAlgorithmicMedia", True),
    ],
)
def test_whether_an_action_says_ai_made(
    source_type: str, answer: bool, authority: Authority
) -> None:
    signer = authority.make_signer("A program")
    found = CredentialReader().read(sign(draw("JPEG"), signer, source_type=source_type))
    assert (found.state, found.source_types) == ("valid", (source_type,))
    assert found.says_ai_made is answer
    assert found.describe().endswith(", says AI-made") is answer


def test_an_edited_picture_says_what_its_parent_said(authority: Authority) -> None:
    made = sign(
        draw("JPEG"), authority.make_signer("A model"), source_type="trainedAlgorithmicMedia"
    )
    edited = sign(draw("JPEG", colour=90), authority.make_signer("An editor"), parent=made)
    found = CredentialReader().read(edited)
    assert (found.state, found.signer, found.says_ai_made) == ("valid", "An editor", True)


def test_a_changed_pixel_breaks_them(signed: bytes, anchors: Path) -> None:
    place = signed.rindex(b"\xff\xda") + 400  # within the coded picture
    changed = signed[:place] + bytes([signed[place] ^ 0x10]) + signed[place + 1 :]
    before, after = (np.asarray(Image.open(io.BytesIO(data))) for data in (signed, changed))
    assert (before != after).any()
    found = CredentialReader(anchors).read(changed)
    assert (found.state, found.faults) == ("broken", ("assertion.dataHash.mismatch",))
    assert found.describe() == "broken: assertion.dataHash.mismatch"


def test_a_changed_claim_breaks_them(signed: bytes) -> None:
    assert signed.count(b"test camera") == 1
    found = CredentialReader().read(signed.replace(b"test camera", b"best camera"))
    assert (found.state, found.claim_generator) == ("broken", "best camera 7")
    assert "claimSignature.mismatch" in found.faults


def test_an_expired_certificate_breaks_them(authority: Authority, anchors: Path) -> None:
    signed = sign(draw("JPEG"), authority.make_signer("A camera", seconds=1.5))
    reader = CredentialReader(anchors)
    assert reader.read(signed).state == "valid"
    time.sleep(2.5)
    found = reader.read(signed)
    assert found.state == "broken" and "signingCredential.expired" in found.faults


def test_what_was_stripped_is_absent(signed: bytes) -> None:
    again = io.BytesIO()
    Image.open(io.BytesIO(signed)).save(again, "JPEG")
    for data in (again.getvalue(), draw("JPEG")):
        found = CredentialReader().read(data)
        assert (found.state, found.says_ai_made, found.trusted) == ("absent", None, None)
        assert found.describe() == "absent"


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_what_was_cut_is_unreadable(part: float, signed: bytes) -> None:
    found = CredentialReader().read(signed[: int(part * len(signed))])
    assert found.state == "unreadable" and found.reason


def test_every_kind_of_source(signed: bytes, tmp_path: Path) -> None:
    reader = CredentialReader()
    path = tmp_path / "signed.dat"  # known by its bytes, not by its name
    path.write_bytes(signed)
    with path.open("rb") as stream:
        found = [reader.read(source) for source in (path, str(path), signed, stream)]
        assert not stream.closed
    assert len(set(found)) == 1 and found[0].state == "valid"


def test_what_is_no_file_is_unreadable(tmp_path: Path) -> None:
    reader = CredentialReader()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opened, it would wait for a writer
    reasons = [reader.read(source).reason for source in (tmp_path / "none", tmp_path, pipe)]
    assert reasons == ["No such file or directory", "not a plain file", "not a plain file"]
    bitmap = io.BytesIO()
    Image.new("RGB", (4, 4)).save(bitmap, "BMP")
    for data, reason in (
        (b"", "a file of unknown type is not looked into"),
        (bitmap.getvalue(), "a file of type BMP is not looked into"),
    ):
        found = reader.read(data)
        assert (found.state, found.reason) == ("unreadable", reason)


@pytest.mark.parametrize("text", ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_anchors_that_are_none_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "anchors.pem"
    path.write_text(text)
    with pytest.raises(ConfigError, match="holds no certificate, or one that is damaged"):
        CredentialReader(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        CredentialReader(tmp_path / "none.pem")


def test_without_the_package_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(MissingDependencyError, match=r"'c2pa' is not installed.*\[provenance\]"):
        CredentialReader()


@pytest.mark.skipif(sys.platform != "linux", reason="the library is called otherwise")
def test_no_library_of_the_current_folder_is_loaded(tmp_path: Path) -> None:
    package = Path(c2pa.__file__).parent
    shutil.copy(package / "libs" / "libc2pa_c.so", tmp_path)
    tell = "import c2pa.c2pa; print(c2pa.c2pa._lib._name)"
    ours = f"from runtimes.provenance.reader import load_library; load_library(); {tell}"
    places = []
    for code in (tell, ours):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        places.append(Path(done.stdout.strip()).parent)
    # The first is what a plain import does: it must fail here once that is no longer so.
    assert places == [tmp_path, package / "libs"]
