"""Which bundle is meant where none is named."""

from __future__ import annotations

from pathlib import Path

from gazeclip.bundle.gate import explain_rejection, find_gate_faults, is_rejected
from gazeclip.bundle.layout import MANIFEST
from gazeclip.errors import StageError
from gazeclip.files.atomic import parse_json
from gazeclip.run.folder import latest_run
from gazeclip.run.stages import EXPORT, SHIPPED, parse_bundle_stage
from gazeclip.system.place import command_line
from runtimes.engines.registry import ENGINES, find_engine


def recent_bundle(engine: str | None = None) -> Path:
    """The most recent run's bundle, the first in the order of the engines that can be used here.

    Raises:
        StageError: no run, or none of its bundles can be run here.
        ConfigError: unknown engine.
    """
    run = latest_run()
    reasons = []
    for name in ENGINES if engine is None else [engine]:
        formats = find_engine(name).formats
        if engine is None:  # without being asked, an engine runs only what it is made for
            formats = formats[:1]
        for ending in formats:
            for folder in _find_shipped_bundles(run, ending):
                reason = ENGINES[name].load().available() or _find_rejection(folder)
                if reason is None:
                    return folder
                reasons.append(f"{folder.name}: {reason}")
    if reasons:
        raise StageError(f"no bundle of {run} can be run here ({'; '.join(reasons)})")
    wanted = f"bundle for {engine}" if engine is not None else "exported bundle"
    remedy = f"Run first: {command_line('export', '--target', 'all')}"
    raise StageError(f"{run} has no {wanted}", remedy=remedy)


def _find_rejection(folder: Path) -> str | None:
    """Why the gate refused a bundle; None if it did not, or if the bundle is damaged."""
    try:
        meta = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # whoever loads it says so
    if isinstance(meta, dict) and not find_gate_faults(meta) and is_rejected(meta):
        return f"rejected by the gate ({explain_rejection(meta)})"
    return None


def _find_shipped_bundles(run: Path, ending: str) -> list[Path]:
    """Folders of a run's bundles of the precision that ships whose model file has this ending."""
    found = []
    for folder in sorted((run / EXPORT).glob("*")):
        if folder.name.startswith("."):  # half made, or retired: never what the run ships
            continue
        bundle = parse_bundle_stage(f"{EXPORT}/{folder.name}")
        if bundle is None or bundle[1] != SHIPPED or not (folder / MANIFEST).is_file():
            continue
        if any(folder.glob(f"*{ending}")):
            found.append(folder)
    return found
