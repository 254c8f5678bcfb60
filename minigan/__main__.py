"""`python -m minigan` is the command `minigan`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
