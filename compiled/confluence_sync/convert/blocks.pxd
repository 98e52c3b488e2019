from confluence_sync.convert cimport escape
from confluence_sync.convert.element cimport Element
from confluence_sync.convert.walk cimport Walk
