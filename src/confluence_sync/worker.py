"""What a worker process needs, imported once by the server that workers are forked from, so that they share its memory."""

import confluence_sync.chunk
import confluence_sync.convert  # noqa: F401  # imported for its effect on memory
