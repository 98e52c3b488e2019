cdef str decoded(str raw)
