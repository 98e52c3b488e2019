from confluence_sync.chunking.units cimport Unit
