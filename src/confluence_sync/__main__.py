"""`python -m confluence_sync` is the same as `confluence-sync`; without a verb it syncs, as the program it replaces did."""

import sys

from confluence_sync.cli import program

if __name__ == "__main__":
    sys.exit(program(sys.argv[1:] or ["sync"]))
