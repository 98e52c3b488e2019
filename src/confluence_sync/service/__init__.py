"""HTTP over the other modules: the reference Vector API, answers with sources, and the page; no logic of its own."""
