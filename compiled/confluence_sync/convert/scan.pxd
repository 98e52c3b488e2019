cpdef bint marked(str text)
cpdef str collapsed(str text)
