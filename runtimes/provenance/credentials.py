"""What was found of content credentials in one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VALID = "valid"
BROKEN = "broken"
ABSENT = "absent"
UNREADABLE = "unreadable"
STATES = (VALID, BROKEN, ABSENT, UNREADABLE)
_LONGEST_NAME = 40  # characters of a signer's name in one phrase; the file chooses it


@dataclass(frozen=True)
class Credentials:
    """The state of a file's content credentials, and what they say.

    What broken ones say is not vouched for by anybody. That there are none means nothing: most
    programs and networks strip them.

    Attributes:
        state: one of `STATES`.
        signer: the name in the signing certificate. Anybody can make a certificate with any name.
        organisation: likewise.
        signed_at: the time of a time stamp, as the file writes it.
        trusted: whether the certificate leads to one of the named anchors; None where none were
            named, or nothing was signed.
        claim_generator: the program that wrote them, by its own words.
        source_types: IPTC digital source types of the recorded actions, those of the image's
            parents and components included.
        says_ai_made: whether one of these types means the work of a generative model; None where
            there are no credentials to say it.
        faults: C2PA's names of what does not match.
        reason: why they are unreadable.
    """

    state: str
    signer: str | None = None
    organisation: str | None = None
    signed_at: str | None = None
    trusted: bool | None = None
    claim_generator: str | None = None
    source_types: tuple[str, ...] = ()
    says_ai_made: bool | None = None
    faults: tuple[str, ...] = ()
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "state": self.state,
            "signer": self.signer,
            "organisation": self.organisation,
            "signed_at": self.signed_at,
            "trusted": self.trusted,
            "claim_generator": self.claim_generator,
            "source_types": list(self.source_types),
            "says_ai_made": self.says_ai_made,
            "faults": list(self.faults),
            "reason": self.reason,
        }

    def describe(self) -> str:
        """One short phrase for a table."""
        if self.state == BROKEN:
            return f"{BROKEN}: {', '.join(self.faults)}"
        if self.state != VALID:
            return self.state
        name = _shorten(self.signer or self.organisation or "without a name")
        parts = [VALID, f"{self._describe_trust()} {name}"]
        if self.says_ai_made:
            parts.append("says AI-made")
        return ", ".join(parts)

    def _describe_trust(self) -> str:
        return "trusted signer" if self.trusted else "unknown signer"


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
