"""Which allocator pyarrow takes in a process that reads a Parquet manifest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")
ROOT = Path(__file__).parents[3]
VARIABLE = "ARROW_DEFAULT_MEMORY_POOL"
READ = """
import sys
from pathlib import Path
from gazeclip.data.table import read_rows
assert len(read_rows(Path(sys.argv[1]))) == 1
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""


@pytest.mark.parametrize(("chosen", "taken"), [(None, "system"), ("mimalloc", "mimalloc")])
def test_arrow_allocates_from_the_system_unless_told_otherwise(
    tmp_path: Path, chosen: str | None, taken: str
) -> None:
    if taken not in pyarrow.supported_memory_backends():
        pytest.skip(f"this pyarrow has no {taken}")
    table = pyarrow.table({"path": ["a.png"], "label": ["real"], "split": ["train"]})
    pyarrow.parquet.write_table(table, tmp_path / "m.parquet")
    environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if chosen is not None:
        environ[VARIABLE] = chosen
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "m.parquet")],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [taken]
