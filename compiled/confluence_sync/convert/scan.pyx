"""Looks at text one character at a time, for which Python has regular expressions."""

from cpython.unicode cimport Py_UNICODE_ISALNUM, Py_UNICODE_ISSPACE, PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ, PyUnicode_Substring
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    MARK = 1  # what Markdown may read as markup
    BLANK = 2  # a space
    WHITE = 4  # other white space
    SIGN = 8  # ASCII punctuation, which a backslash makes plain

ctypedef fused Char:  # Python keeps a text in the smallest of them that holds its largest character
    uint8_t
    uint16_t
    uint32_t

cdef uint8_t _looks[256]


cdef _note_looks():
    cdef int code
    for code in range(256):
        _looks[code] = (
            (MARK if chr(code) in "\\`*_[]<~&" else 0)
            | (BLANK if code == 0x20 else WHITE if chr(code).isspace() else 0)
            | (SIGN if 0x20 < code < 0x7F and not chr(code).isalnum() else 0)
        )


_note_looks()


cdef inline uint8_t _look(Char c) noexcept:
    """Beyond Latin-1 there is no mark; white space there has its own kinds."""
    if Char is not uint8_t:
        if c > 0xFF:
            return WHITE if Py_UNICODE_ISSPACE(c) else 0
    return _looks[<uint8_t>c]


cpdef bint marked(str text):
    """Whether a character is in `text` that Markdown may read as markup."""
    cdef Py_ssize_t size = len(text)  # which raises for None; what follows would read it
    return _first_mark(text, 0, size) < size


cdef Py_ssize_t _first_mark(str text, Py_ssize_t at, Py_ssize_t size) noexcept:
    """Where the next mark is from `at` on; `size` where there is none."""
    cdef int kind = PyUnicode_KIND(text)
    if kind == 1:
        return _first_mark_in(<const uint8_t*>PyUnicode_DATA(text), at, size)
    if kind == 2:
        return _first_mark_in(<const uint16_t*>PyUnicode_DATA(text), at, size)
    return _first_mark_in(<const uint32_t*>PyUnicode_DATA(text), at, size)


cdef Py_ssize_t _first_mark_in(const Char* text, Py_ssize_t at, Py_ssize_t size) noexcept:
    while at < size and not ((Char is uint8_t or text[at] <= 0xFF) and _looks[<uint8_t>text[at]] & MARK):
        at += 1
    return at


cpdef str escaped(str text):
    """`text` with a backslash before each character that Markdown would read as markup where it stands."""
    cdef Py_ssize_t size = len(text), done = 0, at = _first_mark(text, 0, size), end
    cdef list pieces = None
    while at < size:
        end = _markup(PyUnicode_KIND(text), PyUnicode_DATA(text), at, size)
        if end > at:
            pieces = [] if pieces is None else pieces
            pieces.append(PyUnicode_Substring(text, done, at))
            done = end
            pieces.append(("\\" + text[at]) * (end - at))  # a run, of one sign
        at = _first_mark(text, end if end > at else at + 1, size)
    if pieces is None:
        return text
    pieces.append(PyUnicode_Substring(text, done, size))
    return "".join(pieces)


cdef Py_ssize_t _markup(int kind, void* data, Py_ssize_t at, Py_ssize_t size) noexcept:
    """Where what must be escaped from `at` on ends, a run of one sign; `at` where the sign there is none of markup."""
    cdef Py_UCS4 sign = PyUnicode_READ(kind, data, at)
    cdef bint last = at + 1 == size
    cdef Py_UCS4 after = 0 if last else PyUnicode_READ(kind, data, at + 1)
    cdef Py_ssize_t end = at + 1
    if sign == "_" or sign == "~":
        while end < size and PyUnicode_READ(kind, data, end) == sign:
            end += 1
        if end > at + 1:
            return end
        return end if sign == "_" and not (_alnum(kind, data, at - 1, size) and _alnum(kind, data, end, size)) else at
    if sign == "\\":
        return end if last or after < 0x7F and _looks[after] & SIGN else at
    if sign == "*":
        return at if not last and at > 0 and Py_UNICODE_ISSPACE(after) and Py_UNICODE_ISSPACE(PyUnicode_READ(kind, data, at - 1)) else end
    if sign == "]":
        return end if last or after == "(" or after == "[" or after == ":" else at
    if sign == "<":
        return end if last or after == "/" or after == "!" or after == "?" or c"a" <= (<uint32_t>after | 0x20) <= c"z" else at
    if sign == "&":
        return end if _entity(kind, data, at + 2 if after == "#" else at + 1, size) else at
    return end if sign == "`" else at


cdef bint _alnum(int kind, void* data, Py_ssize_t at, Py_ssize_t size) noexcept:
    return 0 <= at < size and Py_UNICODE_ISALNUM(PyUnicode_READ(kind, data, at))


cdef bint _entity(int kind, void* data, Py_ssize_t start, Py_ssize_t size) noexcept:
    """Whether a word and a semicolon begin at `start`."""
    cdef Py_ssize_t at = start
    while at < size and (Py_UNICODE_ISALNUM(PyUnicode_READ(kind, data, at)) or PyUnicode_READ(kind, data, at) == "_"):
        at += 1
    return at > start and at < size and PyUnicode_READ(kind, data, at) == ";"


cpdef str collapsed(str text):
    """The words of `text` with one space between them."""
    cdef Py_ssize_t size = len(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef bint single
    if kind == 1:
        single = _single(<const uint8_t*>PyUnicode_DATA(text), size)
    elif kind == 2:
        single = _single(<const uint16_t*>PyUnicode_DATA(text), size)
    else:
        single = _single(<const uint32_t*>PyUnicode_DATA(text), size)
    return text if single else " ".join(text.split())


cdef bint _single(const Char* text, Py_ssize_t size) noexcept:
    """Whether all white space is a space between two words."""
    cdef Py_ssize_t at
    cdef uint8_t look, before = BLANK
    for at in range(size):
        look = _look(text[at])
        if look & WHITE or look & before & BLANK:
            return False
        before = look
    return not before & BLANK or size == 0


cdef bint legal(str body):
    """Whether XML allows every character and, but for a carriage return, takes it as it is."""
    cdef Py_ssize_t size = len(body)
    cdef int kind = PyUnicode_KIND(body)
    if kind == 1:
        return _legal(<const uint8_t*>PyUnicode_DATA(body), size)
    if kind == 2:
        return _legal(<const uint16_t*>PyUnicode_DATA(body), size)
    return _legal(<const uint32_t*>PyUnicode_DATA(body), size)


cdef bint _legal(const Char* text, Py_ssize_t size) noexcept:
    """All characters are looked at whatever is found: compilers make a loop without a way out eight or more at a time."""
    cdef Py_ssize_t at
    cdef Char bad = 0, c
    for at in range(size):
        c = text[at]
        bad |= (c < 0x20) & (c != 0x09) & (c != 0x0A)
        if Char is not uint8_t:
            bad |= (c >= 0xD800) & (c <= 0xDFFF) | (c == 0xFFFE) | (c == 0xFFFF)
    return bad == 0


cpdef bint whole(str text):
    """Whether `text` is free of lone surrogates, which JSON can carry and UTF-8 cannot."""
    cdef Py_ssize_t size = len(text)
    cdef int kind = PyUnicode_KIND(text)
    if kind == 1:
        return True
    if kind == 2:
        return _whole(<const uint16_t*>PyUnicode_DATA(text), size)
    return _whole(<const uint32_t*>PyUnicode_DATA(text), size)


cdef bint _whole(const Char* text, Py_ssize_t size) noexcept:
    cdef Py_ssize_t at
    cdef Char bad = 0
    for at in range(size):
        bad |= (text[at] >= 0xD800) & (text[at] <= 0xDFFF)
    return bad == 0
