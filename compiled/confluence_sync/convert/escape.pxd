from confluence_sync.convert.scan cimport collapsed, escaped, marked

cpdef str text(str raw)
cpdef str paragraph(str inline)
cpdef list paragraphs(str raw)
cpdef str one_line(str inline)
cpdef str line_start(str line)
cpdef str label(str inline)
cpdef str address(str url)
cpdef str code_span(str code)
cpdef str fence(str code, str language=*)
