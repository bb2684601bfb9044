"""Nothing sends telemetry: every library that reports its use is told not to before its import.

`gazeclip.system.packages.require` calls `switch_telemetry_off` before each import and `silence`
after it, so that no engine, converter or stage has to remember it. Standard library only: a gateway
without torch uses it as well.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

SWITCHES = {
    # ONNX Runtime writes an id and a database into HOME as soon as it is imported.
    "ORT_DISABLE_TELEMETRY": "1",
    "NNCF_CI": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # FastAPI can export its errors, messages included, to whatever the environment names.
    "FASTAPI_OTEL_AUTO_CONFIGURE": "false",
    "OTEL_SDK_DISABLED": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
_REPORTER = "openvino_telemetry"  # of OpenVINO, its converter, and NNCF
# Its constructor writes an id and a count of uses into HOME, before anything is sent.
_REPORTING_METHODS = (
    "__init__",
    "init",
    "get_stats",
    "_update_opt_in_status",
    "send_opt_in_event",
    "send_event",
    "start_session",
    "end_session",
    "send_error",
    "send_stack_trace",
    "force_shutdown",  # waits for a sender, which an object that was never set up has not
)


def switch_telemetry_off() -> None:
    """Set every library's own switch, and keep OpenVINO's reporter from being imported.

    The values replace what the user has set: the promise is that nothing is sent, not that little
    is. OpenVINO's reporter obeys no environment variable; marked as not importable, it makes
    OpenVINO and NNCF take their own silent stand-in. Safe to call more than once.
    """
    os.environ.update(SWITCHES)
    reporter = sys.modules.get(_REPORTER)
    if reporter is None:
        sys.modules[_REPORTER] = None  # type: ignore[assignment]
    else:  # something outside this program imported it first
        _disarm(reporter)


def silence(module: ModuleType) -> None:
    """What can only be switched off once a library is imported, where it has such a switch."""
    if module.__name__ == "onnxruntime" and hasattr(module, "disable_telemetry_events"):
        module.disable_telemetry_events()


def _disarm(reporter: ModuleType) -> None:
    telemetry = getattr(reporter, "Telemetry", None)
    if telemetry is None:
        return
    for method in _REPORTING_METHODS:
        setattr(telemetry, method, _do_nothing)


def _do_nothing(*_: object, **__: object) -> None:
    """Stands for a method that sends, or that writes what would be sent."""
