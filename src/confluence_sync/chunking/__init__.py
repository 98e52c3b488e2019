"""How Markdown becomes chunks: blocks, then units that are never torn, then cuts that find themselves again after an edit."""
