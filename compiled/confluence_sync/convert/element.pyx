"""The elements of a page: as much of lxml's element as the converter uses, by the same names and with the same meaning."""

cimport cython


@cython.final
@cython.freelist(1000)
@cython.no_gc  # a tree has no cycles: no element knows its parent
cdef class Element:
    """One element with its children; the text behind it is its tail."""

    def __len__(self):
        return 0 if self.children is None else len(self.children)

    def __iter__(self):
        return iter(()) if self.children is None else iter(self.children)

    def __getitem__(self, position):
        return ([] if self.children is None else self.children)[position]

    cpdef str get(self, str name, str default=None):
        return default if self.attributes is None else self.attributes.get(name, default)

    def iterchildren(self, str tag):
        return iter([child for child in self if (<Element>child).tag == tag])

    def find(self, str tag):
        cdef Element child
        for child in self:
            if child.tag == tag:
                return child
        return None

    def findtext(self, str tag):
        cdef Element child = self.find(tag)
        return None if child is None else child.text or ""

    def iter(self, *tags):
        """This element and all below it in reading order; those with one of these tags where any are given."""
        cdef Element element
        waiting = [self]
        while waiting:
            element = waiting.pop()
            if not tags or element.tag in tags:
                yield element
            if element.children is not None:
                waiting.extend(reversed(element.children))

    def itertext(self):
        return iter([text for text in _texts(self, None) if text])


cpdef str plain(Element element):
    """All text below an element in reading order, <br> as a line break."""
    return element.text or "" if element.children is None else "".join(_texts(element, "\n"))


cdef list _texts(Element element, str line_break):
    """The texts below an element in reading order; `line_break` stands in for what a <br> holds. Not recursive: lxml's trees may be deep."""
    cdef list found = [], waiting = [element]
    cdef Element one, child
    while waiting:
        last = waiting.pop()
        if isinstance(last, str):
            found.append(last)
            continue
        one = last
        found.append(line_break if line_break is not None and one.tag == "br" else one.text or "")
        if one.children is not None:
            for child in reversed(one.children):
                if child.tail is not None:
                    waiting.append(child.tail)
                waiting.append(child)
    return found


cdef Element adopted(top):
    """lxml's element and all below it as ours."""
    cdef Element ours = Element.__new__(Element), root = ours
    waiting = [(top, ours)]
    while waiting:
        theirs, ours = waiting.pop()
        ours.tag, ours.text, ours.tail = theirs.tag, theirs.text, theirs.tail
        ours.attributes = dict(theirs.attrib) or None
        ours.children = [Element.__new__(Element) for _ in theirs] or None
        waiting.extend(zip(theirs, ours))
    return root
