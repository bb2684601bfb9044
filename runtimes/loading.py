"""From a bundle's folder to a verifier: trust, engine, device.

verifier = load("runs/demo/export/onnx", engine="onnxruntime")
"""

from __future__ import annotations

from pathlib import Path

from gazeclip.bundle.gate import refuse_rejected
from gazeclip.bundle.trust import load_trusted
from gazeclip.console.progress import say
from gazeclip.errors import ConfigError
from gazeclip.system.threads import usable_threads
from runtimes.engines.registry import choose_device, choose_engine
from runtimes.saturation import describe_saturation
from runtimes.verifier import Verifier


def load(
    bundle_dir: str | Path,
    engine: str | None = None,
    threads: int | None = None,
    device: str | None = None,
    allow_rejected: bool = False,
    trusted: str | Path | None = None,
    text_bank: str | Path | None = None,
    compute_units: str | None = None,
) -> Verifier:
    """Load a bundle (every hash is checked) into an engine.

    A line on standard error warns where the CPU may compute this bundle wrongly.

    Args:
        engine: name in `runtimes.ENGINES`; None takes the one made for the bundle's model file.
        threads: None takes what this process may use (`usable_threads`).
        device: e.g. `GPU`; None takes the CPU. One that is not there is an error, never replaced.
        allow_rejected: run also a file that the forensic gate refused when it was exported.
        trusted: file of the public key that must have signed the bundle; None takes the one that
            GAZECLIP_TRUSTED_KEY names, and without that takes any whole bundle.
        text_bank: a bank file with other classes, for a bundle that was exported to take one.
        compute_units: where Core ML may compute: `all`, `cpu_only`, `cpu_and_gpu` or `cpu_and_ne`;
            None takes those that the bundle was exported for. An error with any other engine.

    Raises:
        ArtifactError, BundleError, ConfigError, MissingDependencyError.
    """
    bundle = load_trusted(bundle_dir, trusted)
    if not allow_rejected:
        refuse_rejected(bundle.folder, bundle.meta)
    count = usable_threads() if threads is None else threads
    if count < 1:
        raise ConfigError(f"{count} threads are not enough", remedy="Use at least 1")
    chosen = choose_engine(bundle, engine)
    place = choose_device(chosen.name, device, compute_units)
    warning = describe_saturation(bundle, chosen.name, place)
    if warning is not None:
        say(f"warning: {warning}")
    verifier = Verifier(bundle, chosen(bundle, count, place), count)
    return verifier if text_bank is None else verifier.with_bank(Path(text_bank))
