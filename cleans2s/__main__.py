"""`python -m cleans2s` is the command `cleans2s`."""

import sys

from .cli import main

sys.exit(main())
