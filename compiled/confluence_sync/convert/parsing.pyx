"""Reads a body into elements. What this parser is sure of it reads exactly as lxml does, only faster; the rest it leaves to lxml."""

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_FindChar, PyUnicode_KIND, PyUnicode_READ, PyUnicode_Substring
from libc.string cimport memcmp

from confluence_sync.convert.element cimport Element, adopted
from confluence_sync.convert.entities cimport decoded, resolved
from confluence_sync.convert.scan cimport legal

from confluence_sync.convert import lxml_tree
from confluence_sync.convert.lxml_tree import NotWellFormed as NotWellFormed


def parsed(str body):
    """The body under one root element. Raises NotWellFormed."""
    cdef Element root = None
    cdef Parser parser
    cdef str lines = body.replace("\r\n", "\n").replace("\r", "\n") if "\r" in body else body
    if legal(lines):
        parser = Parser(lines)
        root = parser.root()
        if parser.unbalanced:
            raise NotWellFormed("its tags do not balance")
    return adopted(lxml_tree.parsed(body)) if root is None else root


cdef class Parser:
    """Reads one body from its start to its end. `sure` turns False at the first thing that is for lxml to decide; `unbalanced` tells that a
    tag is missing. One that `mends` (mending.pyx) goes on there."""

    def __cinit__(self, str body):
        self.body = body
        self.at, self.size, self.deepest = 0, len(body), DEEPEST
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
        self.at = end
        if text is not None:
            self._add(text)

    cdef str _decoded(self, str raw):
        return decoded(raw)

    cdef _dropped(self):
        """Something between two texts goes."""

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
            self._dropped()
        elif self.body.startswith("<![CDATA[", self.at):
            end = self.body.find("]]>", self.at + 9)
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
        self._crossing(name)

    cdef _crossing(self, str name):
        self.unbalanced = self.sure
        self.at = self.size

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
        whole = whole or self.mends and element.tag in self.void
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

    cdef _look_at(self, str name, str value):
        """What a repair might make something else of."""

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
        if self.mends:
            self._look_at(name, value)
        if self._holds("\n", self.at + 2, end) or self._holds("\t", self.at + 2, end):
            value = value.replace("\n", " ").replace("\t", " ")
        self.at = end + 1
        value = self._sure_of(self._decoded(value))
        if element.attributes is None:
            element.attributes = {name: value}
        else:
            element.attributes[name] = value
