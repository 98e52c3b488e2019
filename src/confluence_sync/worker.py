"""What a worker process needs, made once by the server that workers are forked from, so that they share its memory and its time."""

import gc

import confluence_sync.chunk
import confluence_sync.convert.storage
import confluence_sync.prepare  # noqa: F401  # where a worker looks up what to call
from confluence_sync.memory import keep_flat, let_go
from confluence_sync.tokens import counter

keep_flat()
counter()  # its tables take 13 MB, which importing alone does not make
let_go("bpe_openai")
gc.freeze()  # a collection in a worker would touch, and so copy, memory that it shares
gc.set_threshold(10_000)  # converting makes few cycles and many objects
