"""Processes that render and align, one thread each, and the studio that each renderer keeps."""

from __future__ import annotations

import os
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

import cv2

from training.heads.ict import ParametricHead
from training.people.person import Studio

_studio: Studio | None = None


def worker_pool(processes: int, head: Path | None = None) -> Pool:
    """Start fresh processes of one thread each: more threads only get in each other's way.

    Parameters
    ----------
    head : file of the parametric head; with it, every process has a `studio`.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # the children read it when they import numpy
    return get_context("spawn").Pool(processes, *((_start_worker, (head,)) if head else ()))


def _start_worker(head: Path) -> None:
    global _studio  # noqa: PLW0603 - one studio per process: it holds 30 MB of modes
    cv2.setNumThreads(1)
    _studio = Studio(ParametricHead.load(head))


def studio() -> Studio:
    """The studio of this worker process; only in a pool that was given a head."""
    assert _studio is not None
    return _studio
