"""Counts cl100k_base tokens by remembering what words count: text repeats its words, and looking one up costs less than encoding it.

cl100k_base cuts text into pieces before it encodes them, by the expression that tiktoken's openai_public.py shows, and never joins two.
Pieces are cut here; the encoder is asked once for each that is new, and for texts with characters of which it may think otherwise.
"""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

import unicodedata

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    UNSEEN, OTHER, SPACE, LINE, LETTER, DIGIT, UNSURE  # what the expression tells apart, where it was asked for
    BLOCK = 256  # code points whose kinds are asked for at once: all of them take 14 ms, and a text has few
    PAIRS = 1 << 15  # of places for a word: each has two to choose from
    LONGEST = 30  # bytes of a word that is remembered: with its two numbers half a line of the cache
    BASIC = 0x10000  # code points whose kind is looked up, and those of pictographs
    PICTURES = 0x1F000
    BEHIND_PICTURES = 0x1FB00

cdef uint8_t _kinds[BASIC]
cdef uint8_t _pictures[BEHIND_PICTURES - PICTURES]


cdef uint8_t _seen(uint8_t* kinds, int first, int code) noexcept:
    """The kind of a code point, out of a table that begins with `first`."""
    if kinds[code - first] == UNSEEN:
        _note_kinds(kinds, first, code // BLOCK * BLOCK)
    return kinds[code - first]


cdef int _note_kinds(uint8_t* kinds, int first, int start) except -1:
    """The kind of each character in the block that begins with `start`."""
    cdef int code
    for code in range(start, start + BLOCK):
        kinds[code - first] = _kind(code, unicodedata.category(chr(code)), unicodedata.ucd_3_2_0.category(chr(code)))
    return 0


cdef uint8_t _kind(int code, str now, str before):
    """What the expression takes a character for. UNSURE where Python's Unicode and the encoder's may be of different years: a letter,
    digit or space of the one that the other does not know. A sign is as good as nothing there. Also for ſ, which folds to the s of 's.
    """
    cdef Py_UCS4 first = now[0]
    if code == 0x0A or code == 0x0D:
        return LINE
    if code == 0x09 or code == 0x0B or code == 0x0C or code == 0x85:
        return SPACE
    if code == 0x17F or now == "Cn" or now == "Co" or now == "Cs":
        return UNSURE
    if first != "L" and first != "N" and first != "Z":
        return OTHER
    if first != before[0]:
        return UNSURE
    return LETTER if first == "L" else DIGIT if first == "N" else SPACE


cdef struct Word:
    uint8_t size  # 0: nothing here
    uint8_t tokens
    uint8_t[LONGEST] text


@cython.final
cdef class Counter:
    """`count` gives how many tokens a text has, and raises UnicodeEncodeError for half a surrogate pair. One thread at a time: the GIL."""

    cdef Word* words
    cdef object exact

    def __cinit__(self, exact):
        self.exact = exact
        self.words = <Word*>PyMem_Calloc(2 * PAIRS, sizeof(Word))
        if self.words == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.words)

    cpdef Py_ssize_t count(self, str text) except -1:
        cdef Py_ssize_t size, at = 0, end, total = 0
        cdef const uint8_t* data = <const uint8_t*>PyUnicode_AsUTF8AndSize(text, &size)
        while at < size:
            end = _plain_piece(data, at)
            if end == 0:
                end = _piece(data, at, size)
            if end < 0:
                return self.exact(text)
            total += self._tokens(data + at, end - at)
            at = end
        return total

    cdef Py_ssize_t _tokens(self, const uint8_t* piece, Py_ssize_t size) except -1:
        cdef Word* pair
        cdef Py_ssize_t tokens
        if size > LONGEST:
            return self.exact(piece[:size].decode())
        pair = self.words + 2 * _place(piece, size)
        if _is(pair, piece, size):
            return pair.tokens
        if _is(pair + 1, piece, size):
            return pair[1].tokens
        tokens = self.exact(piece[:size].decode())
        pair[1] = pair[0]  # the older of the two is forgotten
        pair.size, pair.tokens = size, tokens
        memcpy(pair.text, piece, size)
        return tokens


cdef inline bint _is(const Word* word, const uint8_t* piece, Py_ssize_t size) noexcept:
    return word.size == size and memcmp(word.text, piece, size) == 0


cdef inline Py_ssize_t _place(const uint8_t* piece, Py_ssize_t size) noexcept:
    """Which pair of places is the word's: FNV-1a."""
    cdef uint64_t hashed = 14695981039346656037u
    cdef Py_ssize_t at
    for at in range(size):
        hashed = (hashed ^ piece[at]) * 1099511628211u
    return (hashed ^ (hashed >> 32)) & (PAIRS - 1)


def counter(exact):
    """A counting function that asks `exact`, the encoder's own, for words it does not know."""
    if _kinds[0] == UNSEEN:
        _note_kinds(_kinds, 0, 0)
    return Counter(exact).count


cdef inline int _kind_at(const uint8_t* data, Py_ssize_t at, Py_ssize_t size, Py_ssize_t* width) noexcept:
    """The kind of the character at `at` and its bytes; OTHER and 0 behind the end. UTF-8 from Python is well-formed."""
    cdef uint8_t first
    cdef uint32_t code
    if at >= size:
        width[0] = 0
        return OTHER
    first = data[at]
    if first < 0x80:
        width[0] = 1
        return _kinds[first]
    if first < 0xE0:
        width[0] = 2
        return _seen(_kinds, 0, (<uint32_t>first & 0x1F) << 6 | data[at + 1] & 0x3F)
    if first < 0xF0:
        width[0] = 3
        return _seen(_kinds, 0, (<uint32_t>first & 0x0F) << 12 | (<uint32_t>data[at + 1] & 0x3F) << 6 | data[at + 2] & 0x3F)
    width[0] = 4
    code = (<uint32_t>data[at + 1] & 0x3F) << 12 | (<uint32_t>data[at + 2] & 0x3F) << 6 | data[at + 3] & 0x3F
    code |= (<uint32_t>first & 0x07) << 18
    return _seen(_pictures, PICTURES, code) if PICTURES <= code < BEHIND_PICTURES else UNSURE


cdef inline Py_ssize_t _run(const uint8_t* data, Py_ssize_t at, Py_ssize_t size, int kind, Py_ssize_t most) noexcept:
    """Behind the characters of one kind from `at` on."""
    cdef Py_ssize_t width
    while most and _kind_at(data, at, size, &width) == kind and width:
        at += width
        most -= 1
    return at


cdef inline Py_ssize_t _plain_piece(const uint8_t* data, Py_ssize_t at) noexcept:
    """Where a piece of ASCII letters ends that has at most one other sign in front and ASCII behind it; 0 for any other. Most pieces are
    such, and all ASCII is sure. Behind a text stands a zero, which is no letter."""
    cdef Py_ssize_t end = at
    if data[at] == 0x27:  # where a short form may begin
        return 0
    if _kinds[data[at]] != LETTER:
        if data[at] >= 0x80 or _kinds[data[at]] == LINE or _kinds[data[at]] == DIGIT:
            return 0
        end += 1
        if data[end] >= 0x80 or _kinds[data[end]] != LETTER:
            return 0
    elif data[at] >= 0x80:
        return 0
    while data[end] < 0x80 and _kinds[data[end]] == LETTER:
        end += 1
    return end if data[end] < 0x80 else 0


cdef Py_ssize_t _piece(const uint8_t* data, Py_ssize_t at, Py_ssize_t size) noexcept:
    """Where the piece that begins at `at` ends; -1 where a character is in it, or follows it, of whose kind we are not sure."""
    cdef Py_ssize_t width, after, end
    cdef int kind = _kind_at(data, at, size, &width), following
    if kind == UNSURE:
        return -1
    if kind == DIGIT:
        end = _run(data, at, size, DIGIT, 3)
    elif kind == LETTER:
        end = _run(data, at, size, LETTER, size)
    elif kind != LINE and _kind_at(data, at + width, size, &after) == LETTER:
        end = _short_form(data, at, size)
        end = end if end else _run(data, at + width, size, LETTER, size)
    elif kind == OTHER:
        end = _run(data, _run(data, at, size, OTHER, size), size, LINE, size)
    elif data[at] == 0x20 and after and _kind_at(data, at + 1, size, &after) == OTHER and after:
        end = _run(data, _run(data, at + 1, size, OTHER, size), size, LINE, size)
    else:
        end = _white(data, at, size)
    following = _kind_at(data, end, size, &width)
    return -1 if following == UNSURE else end


cdef Py_ssize_t _short_form(const uint8_t* data, Py_ssize_t at, Py_ssize_t size) noexcept:
    """Behind 's, 't, 'm, 'd, 're, 've or 'll in either case; 0 where none begins."""
    cdef uint8_t one, two
    if data[at] != 0x27:
        return 0
    one = data[at + 1] | 0x20
    if one == 0x73 or one == 0x74 or one == 0x6D or one == 0x64:
        return at + 2
    two = data[at + 2] | 0x20 if at + 2 < size else 0
    if two == 0x65 and (one == 0x72 or one == 0x76) or one == 0x6C and two == 0x6C:
        return at + 3
    return 0


cdef Py_ssize_t _white(const uint8_t* data, Py_ssize_t at, Py_ssize_t size) noexcept:
    """White space up to its last line end; without one, all but the last character, which begins the next piece, unless nothing follows."""
    cdef Py_ssize_t width, start = at, lines = 0, last = at
    cdef int kind = _kind_at(data, at, size, &width)
    while width and (kind == SPACE or kind == LINE):
        last = at
        at += width
        if kind == LINE:
            lines = at
        kind = _kind_at(data, at, size, &width)
    if lines:
        return lines
    return at if at == size or last == start else last
