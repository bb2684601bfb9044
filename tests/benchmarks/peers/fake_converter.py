"""In place of `benchmarks.peers.convert`: writes what each name calls for, and a line a start."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

name, folder, *forms = sys.argv[1:]
with (Path(folder).parent / "starts.txt").open("a") as file:
    file.write(f"{name}: {' '.join(forms)}\n")
for form in forms:
    if name == "dies":
        os.kill(os.getpid(), 9)
    if name == "sleeps" and form.startswith("openvino"):
        time.sleep(60)
    place = Path(folder) / form
    place.mkdir()
    found: dict[str, object] = {"model": "model.onnx", "io": {}}
    if form.startswith("tflite"):
        found = {"reason": "ValueError: odd"}
    else:
        (place / "model.onnx").write_bytes(b"x" * 2000)
    (place / "made.json").write_text(json.dumps(found))
