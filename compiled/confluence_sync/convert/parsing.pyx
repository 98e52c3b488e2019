"""Reads a body into elements. What this parser is sure of it reads exactly as lxml does, only faster; the rest it leaves to lxml. So with
a body whose tags do not balance: what is surely the same as after a repair (repair.py) is read at once."""

cimport cython
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_FindChar, PyUnicode_KIND, PyUnicode_READ, PyUnicode_Substring
from libc.string cimport memcmp

from confluence_sync.convert.element cimport Element
from confluence_sync.convert.entities cimport decoded, resolved

import re

from confluence_sync.convert import lxml_tree
from confluence_sync.convert.lxml_tree import NotWellFormed as NotWellFormed
from confluence_sync.convert.repair import MAX_DEPTH, VOID, repaired

cdef enum:
    DEEPEST = 200  # levels: lxml takes more, and gets the bodies that have more

_OPEN_NUMBER = re.compile("&#(?!(?:[0-9]{1,7}|x[0-9a-fA-F]{1,6});)")  # a repair closes it
_QUOTES = ("'", '"')


def parsed(str body):
    """The body under one root element. Raises NotWellFormed."""
    cdef Element root = None
    cdef _Parser parser
    cdef str lines = body.replace("\r\n", "\n").replace("\r", "\n") if "\r" in body else body
    if _legal(lines):
        parser = _Parser(lines, False)
        root = parser.root()
        if parser.unbalanced:
            raise NotWellFormed("its tags do not balance")
    return _adopted(lxml_tree.parsed(body)) if root is None else root


def mended(str body):
    """The body after a repair of its tags under one root element. Raises NotWellFormed."""
    cdef Element root = _Parser(body, True).root() if _legal(body) else None
    return parsed(repaired(body)) if root is None else root


cdef Element _adopted(top):
    """lxml's element and all below it as ours."""
    cdef Element ours = Element.__new__(Element), root = ours
    waiting = [(top, ours)]
    while waiting:
        theirs, ours = waiting.pop()
        ours.tag, ours.text, ours.tail = theirs.tag, theirs.text, theirs.tail
        ours.attributes = dict(theirs.attrib) or None
        ours.children = [Element.__new__(Element) for _ in theirs] or None
        waiting.extend(zip(theirs, ours))
    return root


cdef bint _legal(str body):
    """Whether XML allows every character and, but for a carriage return, takes it as it is."""
    cdef Py_UCS4 c
    for c in body:
        if c < 0x20 and c != 0x09 and c != 0x0A or 0xD800 <= c <= 0xDFFF or c == 0xFFFE or c == 0xFFFF:
            return False
    return True


@cython.final
cdef class _Parser:
    """Reads one body from its start to its end. `sure` turns False at the first thing that is for lxml, or for a repair, to decide;
    `unbalanced` tells that a tag is missing, unless it mends: then an end tag that closes nothing goes, and what is not closed ends with
    what it stands in."""

    cdef str body
    cdef Py_ssize_t at, size, deepest
    cdef int kind
    cdef void* data
    cdef bint sure, mends, loose
    cdef readonly bint unbalanced
    cdef Element top, last
    cdef list above  # the open elements' parents
    cdef Py_ssize_t names[DEEPEST], lengths[DEEPEST]  # where their names stand, and how long these are
    cdef str text  # since the last tag, and where there is more than one of them, all
    cdef list texts

    def __cinit__(self, str body, bint mends):
        self.body, self.mends = body, mends
        self.at, self.size, self.deepest = 0, len(body), MAX_DEPTH if mends else DEEPEST
        self.kind, self.data = PyUnicode_KIND(body), PyUnicode_DATA(body)
        self.sure = True
        self.above, self.texts = [], []

    cdef inline Py_UCS4 _char(self, Py_ssize_t at) noexcept:
        return PyUnicode_READ(self.kind, self.data, at) if at < self.size else 0

    cdef Element root(self):
        """The tree, or None when lxml must decide."""
        cdef Element root = Element.__new__(Element)
        root.tag = "r"
        self.top, self.last = root, None
        while self.sure and self.at < self.size:
            if self._char(self.at) == "<":
                self._markup()
            else:
                self._text()
        self._settle()
        self.unbalanced |= self.sure and not self.mends and self.top is not root
        return root if self.sure and not self.unbalanced else None

    cdef _markup(self):
        cdef Py_UCS4 c = self._char(self.at + 1)
        if c == "/":
            self._end()
        elif c == "!":
            self._section()
        else:
            self._start()

    cdef inline Py_ssize_t _next(self, Py_UCS4 sign, Py_ssize_t start) except -2:
        return PyUnicode_FindChar(self.body, sign, start, self.size, 1)

    cdef inline bint _holds(self, Py_UCS4 sign, Py_ssize_t start, Py_ssize_t end) except -1:
        return PyUnicode_FindChar(self.body, sign, start, end, 1) >= 0

    cdef _text(self):
        cdef Py_ssize_t end = self._next("<", self.at)
        cdef str raw, text
        if end < 0:
            end = self.size
        raw = PyUnicode_Substring(self.body, self.at, end)
        text = self._sure_of(None if self._holds(">", self.at, end) and "]]>" in raw else self._decoded(raw))
        self.loose = self.mends and (raw[-1] == "]" or raw.rfind("&") > raw.rfind(";"))
        self.at = end
        if text is not None:
            self._add(text)

    cdef str _decoded(self, str raw):
        if self.mends and "&#" in raw and _OPEN_NUMBER.search(raw):
            return None
        return decoded(raw)

    cdef _dropped(self):
        """Something between two texts goes; what it kept apart, half an entity or the end of a section, would be one."""
        if self.loose:
            self.sure = False

    cdef _add(self, str text):
        if self.text is None:
            self.text = text
            return
        if not self.texts:
            self.texts.append(self.text)
        self.texts.append(text)

    cdef _settle(self):
        """The texts since the last tag go where they belong: in front of the first child, or behind the last."""
        cdef str text = self.text
        self.loose = False
        if text is None:
            return
        if self.texts:
            text = "".join(self.texts)
            self.texts.clear()
        self.text = None
        if self.last is None:
            self.top.text = text
        else:
            self.last.tail = text

    cdef _section(self):
        """A comment, which goes, or a CDATA section, which is text as it stands."""
        cdef Py_ssize_t end
        if self.body.startswith("<!--", self.at):
            end = self.body.find("--", self.at + 4)
            if end < 0 or self._char(end + 2) != ">":
                self.sure = False
            self.at = end + 3
            if self.mends:
                self._dropped()
        elif self.body.startswith("<![CDATA[", self.at):
            end = self.body.find("]]>", self.at + 9)
            self.loose = False
            if end < 0 or self.mends and self.body.find("</ac:plain-text-", self.at + 9, end) >= 0:
                self.sure = False
            elif end > self.at + 9:
                self._add(PyUnicode_Substring(self.body, self.at + 9, end))
            self.at = end + 3
        else:
            self.sure = False

    cdef _end(self):
        cdef Py_ssize_t start = self.at + 2, end, level = len(self.above) - 1
        if level >= 0:
            end = start + self.lengths[level]
            if self._char(end) == ">" and self._equal(self.names[level], start, self.lengths[level]):
                self._settle()
                self.at = end + 1
                self._close()
                return
        self.at = start
        self._other_end(self._name())

    cdef _close(self):
        self.last = self.top
        self.top = self.above.pop()

    cdef _other_end(self, str written):
        """One that does not close the innermost element."""
        cdef str name = resolved(written)
        if name is None or self._char(self.at) != ">":
            self.sure = False
            return
        self.at += 1
        if not self.mends:
            self.unbalanced = self.sure
            self.at = self.size
        elif self.above and (self.top.tag == name or name in [(<Element>one).tag for one in self.above[1:]]):
            self._settle()
            while self.top.tag != name:
                self._close()
            self._close()
        else:
            self._dropped()

    cdef bint _equal(self, Py_ssize_t one, Py_ssize_t other, Py_ssize_t length) noexcept:
        """Whether the same characters stand in both places, behind neither of which the body ends."""
        cdef const char* data = <const char*>self.data
        return memcmp(data + self.kind * one, data + self.kind * other, self.kind * length) == 0

    cdef _start(self):
        cdef Element element = Element.__new__(Element)
        cdef Py_ssize_t name
        self._settle()
        self.at += 1
        name = self.at
        element.tag = self._sure_of(resolved(self._name()))
        cdef Py_ssize_t length = self.at - name
        while self.sure and self._gap():
            self._attribute(element)
        if self.sure:
            self._open(element, name, length)

    cdef _open(self, Element element, Py_ssize_t name, Py_ssize_t length):
        """Behind the attributes: > begins an element, /> is a whole one."""
        cdef bint whole = self._char(self.at) == "/"
        self.at += whole
        if self._char(self.at) != ">" or len(self.above) >= self.deepest:
            self.sure = False
            return
        whole = whole or self.mends and element.tag in VOID
        self.at += 1
        if self.top.children is None:
            self.top.children = [element]
        else:
            self.top.children.append(element)
        if whole:
            self.last = element
        else:
            self.names[len(self.above)], self.lengths[len(self.above)] = name, length
            self.above.append(self.top)
            self.top, self.last = element, None

    cdef bint _gap(self) noexcept:
        """Skips white space; true where an attribute follows it."""
        cdef Py_ssize_t start = self.at
        cdef Py_UCS4 c = self._char(self.at)
        while c == " " or c == "\n" or c == "\t":
            self.at += 1
            c = self._char(self.at)
        return self.at > start and c != ">" and c != "/"

    cdef str _name(self):
        """The name that begins here, as written."""
        cdef Py_ssize_t start = self.at
        cdef Py_UCS4 c = self._char(self.at)
        while c > 0x20 and c != "=" and c != ">" and c != "/" and c != "<":
            self.at += 1
            c = self._char(self.at)
        return PyUnicode_Substring(self.body, start, self.at)

    cdef inline str _sure_of(self, str found):
        """`found`, which is None where lxml must decide."""
        if found is None:
            self.sure = False
        return found

    cdef _attribute(self, Element element):
        cdef str name = self._sure_of(resolved(self._name())), value
        cdef Py_UCS4 sign = self._char(self.at + 1)
        cdef Py_ssize_t end = -1
        if self.sure and self._char(self.at) == "=" and (sign == '"' or sign == "'"):
            end = self._next(sign, self.at + 2)
        if end < 0:
            self.sure = False
            return
        value = PyUnicode_Substring(self.body, self.at + 2, end)
        if self._holds("<", self.at + 2, end) or (element.attributes is not None and name in element.attributes):
            self.sure = False
            return
        if self.mends and (name.startswith("xmlns") or value[:1] in _QUOTES or value[-1:] in _QUOTES):  # which a repair takes off
            self.sure = False
            return
        if self._holds("\n", self.at + 2, end) or self._holds("\t", self.at + 2, end):
            value = value.replace("\n", " ").replace("\t", " ")
        self.at = end + 1
        value = self._sure_of(self._decoded(value))
        if element.attributes is None:
            element.attributes = {name: value}
        else:
            element.attributes[name] = value
