"""Reads a body whose tags do not balance as it would be read after a repair (repair.py), where that is sure; else the repair comes first."""

import re

from confluence_sync.convert.element cimport Element
from confluence_sync.convert.entities cimport decoded
from confluence_sync.convert.parsing cimport Parser
from confluence_sync.convert.scan cimport legal

from confluence_sync.convert.parsing import parsed
from confluence_sync.convert.repair import MAX_DEPTH, VOID, repaired

_OPEN_NUMBER = re.compile("&#(?!(?:[0-9]{1,7}|x[0-9a-fA-F]{1,6});)")  # a repair closes it
_QUOTES = ("'", '"')


def mended(str body):
    """The body after a repair of its tags under one root element. Raises NotWellFormed."""
    cdef Element root = _Mending(body).root() if legal(body) else None
    return parsed(repaired(body)) if root is None else root


cdef class _Mending(Parser):
    """An end tag that closes nothing goes, and what is not closed ends with what it stands in."""

    cdef str before  # the last text since a tag, as written

    def __cinit__(self, str body):
        self.mends, self.void, self.deepest = True, VOID, MAX_DEPTH

    cdef str _decoded(self, str raw):
        self.before = raw
        return None if "&#" in raw and _OPEN_NUMBER.search(raw) else decoded(raw)

    cdef _settle(self):
        self.before = None
        Parser._settle(self)

    cdef _dropped(self):
        """What it kept apart, half an entity or the end of a section, would be one."""
        if self.before is not None and (self.before[-1:] == "]" or self.before.rfind("&") > self.before.rfind(";")):
            self.sure = False

    cdef _crossing(self, str name):
        if self.above and (self.top.tag == name or name in [(<Element>one).tag for one in self.above[1:]]):
            self._settle()
            while self.top.tag != name:
                self._close()
            self._close()
        else:
            self._dropped()

    cdef _look_at(self, str name, str value):
        if name.startswith("xmlns") or value[:1] in _QUOTES or value[-1:] in _QUOTES:  # which a repair takes off
            self.sure = False
