from confluence_sync.convert cimport escape
from confluence_sync.convert.element cimport Element


cdef class Walk:
    cdef readonly object page
    cdef readonly object users
    cdef readonly object handlers
    cdef readonly object degraded
    cdef public list blocks
    cdef public list parts
    cdef public list levels
    cdef public Py_ssize_t depth
    cdef public bint in_cell
    cpdef flow(self, Element element)
    cpdef visit(self, Element element)
    cpdef bint deep(self, Element element) except -1
    cpdef text(self, str raw)
    cpdef stray(self, str text)
    cpdef beside(self, Element element, own)
    cpdef flush(self)
    cpdef block(self, str block)
    cpdef str inline(self, Element element)
    cpdef list apart(self, handler, Element element)
    cpdef list collected(self, Element element)
    cpdef lost(self, str name)
