"""The real servers, once for a session: a fixture that each file imported would be another server for each file."""

from tests.integration.milvus_server import milvus
from tests.integration.postgres import database, postgres

__all__ = ["database", "milvus", "postgres"]
