cpdef bint marked(str text)
cpdef str collapsed(str text)
cdef bint legal(str text)
