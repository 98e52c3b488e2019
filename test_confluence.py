#!/usr/bin/env python3
"""Can I reach my space? Says who I am, which space is meant, how many pages it has, and the first TEST_LIMIT titles with their dates.

pip install -r requirements.txt, set CONF_* and SPACE_NAME (or fill in .env), then: python test_confluence.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))


def main() -> int:
    """0 when the space can be read; 2 or 5 with what to fix otherwise."""
    from confluence_sync.errors import SettingsError

    try:
        from confluence_sync.commands.checking import check_source
        from confluence_sync.settings_files import read_settings

        return check_source(read_settings(), sys.stdout)
    except SettingsError as error:
        print(f"FAILED: {error}")
        return error.exit_code
    except ModuleNotFoundError as error:
        print(f"FAILED: {error.name} is not installed: pip install -r requirements.txt")
        return 2


if __name__ == "__main__":
    sys.exit(main())
