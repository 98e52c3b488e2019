#!/usr/bin/env python3
"""Can I reach my space? Says who I am, which space is meant, how many pages it has, and the first TEST_LIMIT titles with their dates.

pip install -r requirements.txt, set CONF_* and SPACE_NAME (or fill in .env), then: python test_confluence.py
"""

import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))


def main() -> int:
    """0 when the space can be read; 2 or 5 with what to fix otherwise."""
    from confluence_sync.errors import ConfluenceSyncError
    from confluence_sync.logs import shown

    try:
        from confluence_sync.settings_files import read_settings
        from confluence_sync.source.connect import open_source
        from confluence_sync.visit import described, visit

        settings = read_settings()
        with closing(open_source(settings)) as source:
            found = visit(source, settings)
    except ConfluenceSyncError as error:
        print(f"FAIL: {shown(str(error))}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        print(f"FAIL: {error.name} is not installed: pip install -r requirements.txt", file=sys.stderr)
        return 2
    print("\n".join(shown(line) for line in described(found)))
    return 2 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
