from confluence_sync.convert.element cimport Element

cdef enum:
    DEEPEST = 200  # levels: lxml takes more, and gets the bodies that have more


cdef class Parser:
    cdef str body
    cdef Py_ssize_t at, size, deepest
    cdef int kind
    cdef void* data
    cdef bint sure, mends
    cdef readonly bint unbalanced
    cdef object void  # tags that never hold anything, where it mends
    cdef Element top, last
    cdef list above  # the open elements' parents
    cdef Py_ssize_t names[DEEPEST], lengths[DEEPEST]  # where their names stand, and how long these are
    cdef str text  # since the last tag, and where there is more than one of them, all
    cdef list texts
    cdef Py_UCS4 _char(self, Py_ssize_t at) noexcept
    cdef Element root(self)
    cdef _markup(self)
    cdef Py_ssize_t _next(self, Py_UCS4 sign, Py_ssize_t start) except -2
    cdef bint _holds(self, Py_UCS4 sign, Py_ssize_t start, Py_ssize_t end) except -1
    cdef _text(self)
    cdef str _decoded(self, str raw)
    cdef _dropped(self)
    cdef _add(self, str text)
    cdef _settle(self)
    cdef _section(self)
    cdef _end(self)
    cdef _close(self)
    cdef _other_end(self, str written)
    cdef _crossing(self, str name)
    cdef bint _equal(self, Py_ssize_t one, Py_ssize_t other, Py_ssize_t length) noexcept
    cdef _start(self)
    cdef _open(self, Element element, Py_ssize_t name, Py_ssize_t length)
    cdef bint _gap(self) noexcept
    cdef str _name(self)
    cdef str _sure_of(self, str found)
    cdef _look_at(self, str name, str value)
    cdef _attribute(self, Element element)
