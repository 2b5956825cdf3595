"""`python -m platform_e2e` is the same as the command `platform-e2e`."""

from __future__ import annotations

import sys

from platform_e2e.cli import main

sys.exit(main(sys.argv[1:]))
