"""Run examples/tour.ipynb from its start, in a fresh kernel; write it with its pictures below build/.

``python -m docsite.notebook`` fails where a cell does, or where one writes to standard error. What it makes
may show real people (FACEID_TOUR_DATA): it is no part of the repository.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT: Final = Path(__file__).resolve().parents[1]
NOTEBOOK: Final = ROOT / "examples" / "tour.ipynb"
OUT: Final = ROOT / "build" / "notebook" / NOTEBOOK.name
TIMEOUT_S: Final = 600


def main() -> None:
    """Run it."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # Between processes of this machine only: by default a kernel listens to TCP.
    kernel = AsyncKernelManager(kernel_name="python3", transport="ipc")
    NotebookClient(
        notebook, km=kernel, timeout=TIMEOUT_S, resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, OUT)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    print("".join(output.text for output in outputs if output.get("name") == "stdout"), end="")
    if said := "".join(output.text for output in outputs if output.get("name") == "stderr"):
        sys.exit(f"{NOTEBOOK.name}: expected nothing on standard error, got:\n{said}")


if __name__ == "__main__":
    main()
