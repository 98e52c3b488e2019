cdef class Unit:
    cdef readonly str text
    cdef readonly Py_ssize_t tokens
    cdef readonly int strength
    cdef readonly int level
    cdef readonly str sep
    cdef readonly str reopen
    cdef readonly str close
    cdef readonly Py_ssize_t reopen_tokens
    cdef readonly Py_ssize_t close_tokens


cdef class _Cutter:
    cdef readonly Py_ssize_t whole
    cdef readonly Py_ssize_t limit
    cdef readonly object count
    cdef readonly Py_ssize_t nesting
    cdef readonly bint quotes
