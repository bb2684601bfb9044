"""Signs images for tests, by an authority and a signer made on the spot; nothing is stored."""

from __future__ import annotations

import datetime
import io
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from PIL import Image

c2pa = pytest.importorskip("c2pa", reason="the extra 'provenance' is not installed")

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import (  # noqa: E402
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
)

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@dataclass
class Authority:
    """A certificate authority that signs itself and, for each picture, a signer."""

    name: str = "Test authority"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def pem(self) -> bytes:
        """Its own certificate: what an operator would name with `--trust`."""
        made = self._certify(self.name, self.key.public_key(), authority=True)
        return made.public_bytes(serialization.Encoding.PEM)

    def make_signer(self, name: str, seconds: float = 3600.0, ocsp: str | None = None) -> Any:
        """A signer whose certificate is good for so long, and names an OCSP responder perhaps."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._certify(name, key.public_key(), seconds=seconds, ocsp=ocsp)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        info = c2pa.C2paSignerInfo(
            alg=c2pa.C2paSigningAlg.ES256,
            sign_cert=leaf.public_bytes(serialization.Encoding.PEM) + self.pem,
            private_key=secret,
            ta_url=None,
        )
        return c2pa.Signer.from_info(info)

    def _certify(
        self,
        name: str,
        public: ec.EllipticCurvePublicKey,
        authority: bool = False,
        seconds: float = 3600.0,
        ocsp: str | None = None,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        usage = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        issuer = self.key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(self.name))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(seconds=seconds))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not authority,
                    key_cert_sign=authority,
                    crl_sign=authority,
                    **usage,
                ),
                critical=True,
            )
        )
        if not authority:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purpose, critical=False)
        if ocsp is not None:
            where = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp)
            )
            builder = builder.add_extension(x509.AuthorityInformationAccess([where]), False)
        return builder.sign(self.key, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test house"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def draw(kind: str, size: tuple[int, int] = (48, 40), colour: int = 128) -> bytes:
    """A noisy picture as a file of this kind."""
    noise = np.random.default_rng(5).integers(-40, 40, (size[1], size[0], 3))
    stream = io.BytesIO()
    Image.fromarray((noise + colour).astype(np.uint8)).save(stream, kind)
    return stream.getvalue()


def sign(
    picture: bytes,
    signer: Any,
    kind: str = "JPEG",
    source_type: str = "digitalCapture",
    parent: bytes | None = None,
    address: str | None = None,
) -> bytes:
    """The picture with credentials: created by `source_type`, or edited from a `parent`.

    Args:
        address: where the credentials are said to lie; they are then left out of the file.
    """
    created = {"action": "c2pa.created", "digitalSourceType": _VOCABULARY + source_type}
    actions = {"label": "c2pa.actions", "data": {"actions": [created]}}
    manifest = {
        "claim_generator_info": [{"name": "test camera", "version": "7"}],
        "assertions": [actions] if parent is None else [],
    }
    signed = io.BytesIO()
    with signer, c2pa.Builder(manifest) as builder:
        if parent is not None:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            told = json.dumps({"title": "before", "relationship": "parentOf"})
            builder.add_ingredient(told, MEDIA_TYPES[kind], io.BytesIO(parent))
        if address is not None:
            builder.set_no_embed()
            builder.set_remote_url(address)
        builder.sign(signer, MEDIA_TYPES[kind], io.BytesIO(picture), signed)
    return signed.getvalue()
