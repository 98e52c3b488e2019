"""A local Confluence: Cloud and Data Center shapes over a folder or file of pages, with changes and faults on request."""
