"""The macros that need no more than a name: which ones only navigate, which only group, and which show a file, a drawing or a formula."""

NAVIGATION = [
    "toc", "toc-zone-nav", "children", "pagetree", "pagetreesearch", "recently-updated", "recently-updated-dashboard", "livesearch",
    "search", "listlabels", "related-labels", "popular-labels", "recently-used-labels", "navmap", "contentbylabel", "content-by-label",
    "content-by-user", "blog-posts", "change-history", "contributors", "contributors-summary", "favpages", "spaces", "space-details",
    "space-attachments", "attachments", "spacejump", "create-from-template", "create-space-button", "profile-picture", "userlister",
    "network", "global-reports", "index", "content-tree", "tasks-report-macro", "scroll-pagebreak", "scroll-exportbutton",
    "scroll-bookmark", "scroll-pagetitle", "scroll-tablelayout", "loremipsum", "wordpress-sync-info", "wordpress-metadata",
    "breadcrumbs", "space-index", "recently-viewed", "like", "livesearch-macro", "page-index", "page-tree", "childpages",
    "children-display",
]  # fmt: skip
"""Lists and searches over other pages, and ornaments: nothing of the page's own text."""

GROUPS = [
    "expand", "excerpt", "details", "section", "column", "toc-zone", "tab-pane", "tabs-group", "ui-expand", "ui-tabs", "ui-tab",
    "ui-expand-macro", "div", "span", "align", "center", "scroll-only", "scroll-only-inline", "scroll-title", "scroll-content-block",
    "scroll-landscape", "scroll-portrait", "scroll-ignore", "scroll-ignore-inline", "scroll-pdf-ignore", "scroll-pdf-ignore-inline",
    "scroll-pdf-only", "scroll-indexterm", "show-if", "hide-if", "table-filter", "table-plus", "auibuttongroup", "horizontal-nav-group",
    "horizontal-nav-item", "vertical-nav-group", "vertical-nav-item", "multiexcerpt", "multiexcerpt-macro",
    "multiexcerpt-fast-block-macro", "multiexcerpt-fast-inline-macro", "sv-translation", "roundrect", "bgcolor", "color", "highlight",
    "cloak", "tasklist", "table-excerpt", "pivot-table", "table-joiner", "chart", "markdown-block", "im", "deck", "card",
]  # fmt: skip
"""Boxes, tabs and columns: their title, where they have one, and their body."""

FILES = [
    "view-file", "viewfile", "viewpdf", "viewdoc", "viewxls", "viewppt", "multimedia", "video", "excel", "widget",
]  # fmt: skip
"""An attachment or an outside page shown in the page."""

DIAGRAMS = [
    "drawio", "inc-drawio", "drawio-sketch", "gliffy", "mermaid-cloud", "plantumlcloud", "lucidchart", "balsamiq",
]  # fmt: skip
"""Drawings kept as attachments: the page knows their name only."""

FORMULAS = [
    "eazy-math-inline", "mathinline", "mathjax-inline-macro", "latex-inline",
]  # fmt: skip
"""TeX within a line."""

FORMULA_BLOCKS = [
    "easy-math-block", "eazy-math-block", "mathblock", "mathjax-block-macro", "latex", "latex-formatting",
]  # fmt: skip
"""TeX on lines of its own."""

INCLUDES = [
    "include", "excerpt-include", "multiexcerpt-include", "multiexcerpt-include-macro", "multiexcerpt-fast-include-block-macro",
    "multiexcerpt-fast-include-inline-macro",
]  # fmt: skip
"""Another page's text, shown here."""
