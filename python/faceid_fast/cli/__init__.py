"""The command line: ``faceid VERB``, one file per verb."""

from faceid_fast.cli.main import app

__all__ = ["app"]
