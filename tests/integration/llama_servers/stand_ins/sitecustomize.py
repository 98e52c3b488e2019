"""Loaded first in a test server: gives it an SQLite that can load extensions, which not every Python is built with."""

import contextlib
import sys

with contextlib.suppress(ImportError):
    import pysqlite3

    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2
