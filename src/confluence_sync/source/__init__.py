"""Confluence as a source of pages: base.py says what a run needs, connect.py opens the one that the settings name."""
