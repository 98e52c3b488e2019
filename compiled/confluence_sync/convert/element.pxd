cdef class Element:
    cdef readonly str tag
    cdef readonly str text
    cdef readonly str tail
    cdef dict attributes
    cdef list children
    cpdef str get(self, str name, str default=*)


cpdef str plain(Element element)


cdef Element adopted(top)
