"""``python -m hyperfastapi``: the same as the command ``hyperfastapi``."""

import sys

from hyperfastapi._cli import main

if __name__ == "__main__":
    sys.exit(main())
