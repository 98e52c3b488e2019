"""Looks at text one character at a time, for which Python has regular expressions."""

from cpython.unicode cimport Py_UNICODE_ISSPACE, PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ


cpdef bint marked(str text):
    """Whether a character is in `text` that Markdown may read as markup."""
    cdef Py_UCS4 c
    for c in text:
        if c in "\\`*_[]<~&":
            return True
    return False


cpdef str collapsed(str text):
    """The words of `text` with one space between them."""
    cdef Py_ssize_t at, size = len(text)  # which raises for None; what follows would read it
    cdef int kind = PyUnicode_KIND(text)
    cdef void* data = PyUnicode_DATA(text)
    cdef bint space, before = True
    for at in range(size):
        space = Py_UNICODE_ISSPACE(PyUnicode_READ(kind, data, at))
        if space and (before or PyUnicode_READ(kind, data, at) != " "):
            return " ".join(text.split())
        before = space
    return " ".join(text.split()) if before and size else text


cdef bint legal(str body):
    """Whether XML allows every character and, but for a carriage return, takes it as it is."""
    cdef Py_UCS4 c
    for c in body:
        if c < 0x20 and c != 0x09 and c != 0x0A or 0xD800 <= c <= 0xDFFF or c == 0xFFFE or c == 0xFFFF:
            return False
    return True
