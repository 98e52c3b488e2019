cdef str decoded(str raw)
cdef str resolved(str written)
