"""Entities as characters and names with their prefixes, where we are sure of what lxml (lxml_tree) makes of them."""

from cpython.unicode cimport PyUnicode_FindChar, PyUnicode_Substring

from html.entities import html5

cdef Py_ssize_t LONGEST = 33  # of a name with its semicolon, as in lxml_tree
cdef dict _XML_OWN = {"lt;": "<", "gt;": ">", "amp;": "&", "quot;": '"', "apos;": "'"}
cdef dict _entities = {**{name: text for name, text in html5.items() if name.endswith(";") and len(name) > 2}, **_XML_OWN}
cdef set _WHITE = {name for name, text in _entities.items() if text in "\t\n"}
for _name in _WHITE:
    del _entities[_name]  # what becomes of it depends on where it stands: left to lxml


cdef str decoded(str raw):
    """The text with its entities as characters; an ampersand that begins none stands for itself. None where lxml must decide."""
    cdef Py_ssize_t size = len(raw), start = 0, at = PyUnicode_FindChar(raw, "&", 0, size, 1)
    cdef list pieces
    if at < 0:
        return raw
    pieces = []
    while at >= 0:
        pieces.append(PyUnicode_Substring(raw, start, at))
        start = _entity(raw, at, pieces)
        if start < 0:
            return None
        at = PyUnicode_FindChar(raw, "&", start, size, 1)
    pieces.append(PyUnicode_Substring(raw, start, size))
    return "".join(pieces)


cdef Py_ssize_t _entity(str raw, Py_ssize_t at, list pieces) except -2:
    """Adds what stands for the ampersand at `at`, and gives where the text goes on; -1 where lxml must decide."""
    cdef Py_ssize_t end = raw.find(";", at + 1, at + 1 + LONGEST)
    cdef str name, found = None
    if end > at + 1:
        name = PyUnicode_Substring(raw, at + 1, end + 1)
        found = _numbered(name) if name[0] == "#" else _entities.get(name)
        if found is None and (name[0] == "#" or name in _WHITE):
            return -1
    pieces.append("&" if found is None else found)
    return at + 1 if found is None else end + 1


cdef str _numbered(str name):
    """The character of #123; or #x7b; where both HTML's reader and XML know it."""
    cdef str digits = name[1:-1]
    cdef Py_UCS4 c
    cdef Py_ssize_t code = 0, base = 10, most = 7
    if digits[:1] == "x":
        digits, base, most = digits[1:], 16, 6
    if not 0 < len(digits) <= most or not digits.isascii() or not digits.isalnum():
        return None
    try:
        code = int(digits, base)
    except ValueError:
        return None
    if code == 0x9 or code == 0xA or code == 0xD or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000:
        return chr(code)
    return None


cdef Py_ssize_t LONGEST_NAME = 100  # characters: lxml takes more, and gets the bodies that have more
cdef dict _names = {}  # what `resolved` gave before


cdef str resolved(str written):
    """The name as the handlers know it; None where lxml must decide."""
    cdef object name = _names.get(written, ...) if len(written) <= LONGEST_NAME else None
    if name is ...:
        name = _names_of_xml(written)
        if len(_names) < 10000:
            _names[written] = name
    return name


def _names_of_xml(str written):
    """With its prefix as lxml writes it; None where it may not be a name, declares something or has a prefix that nobody declared."""
    prefix, colon, local = written.partition(":")
    if not colon:
        prefix, local = "", written
    plain = local.isascii() and local.replace("-", "").replace(".", "").replace("_", "").isalnum()
    if not plain or not (local[0].isalpha() or local[0] == "_") or local == "xmlns":
        return None
    if not colon:
        return local
    return f"{{{prefix}}}{local}" if prefix in ("ac", "ri", "at") else None
