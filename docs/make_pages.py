"""Writes the sources of the site into a folder: python docs/make_pages.py FOLDER."""

import sys
from pathlib import Path

from specc.cli import cli
from specc.pages.site import write

write(Path(sys.argv[1]), cli)
