"""Cuts Markdown into its top-level blocks, without tearing a fence or an indented continuation."""

from __future__ import annotations

import re

_FENCE_LINE = re.compile(r"^[ >]*(?:(?:[-*+]|\d+[.)]) +)*(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)


def blocks(markdown: str) -> list[str]:
    """The blocks in order; joined with blank lines they are the Markdown again, apart from extra blank lines between them."""
    found: list[str] = []
    fence = ""
    for piece in markdown.split("\n\n"):
        if fence:
            found[-1] += "\n\n" + piece
            fence = _open_fence(piece, fence) if fence in piece else fence
        elif not piece or piece.isspace():
            continue
        else:
            if piece[0] == "\n":
                piece = piece.lstrip("\n")
            if piece[0] == " " and found:
                found[-1] += "\n\n" + piece
            else:
                found.append(piece)
            if "```" in piece or "~~~" in piece:
                fence = _open_fence(piece, "")
    if fence:
        found[-1] = found[-1].rstrip("\n")
    return found


def _open_fence(text: str, fence: str) -> str:
    """The fence that is open at the end of `text` when `fence` is open at its start ("" for none)."""
    if not fence and text.startswith("```") and text.endswith("\n```") and text.count("```") == 2:
        return ""
    for line in _FENCE_LINE.finditer(text):
        sign, rest = line.groups()
        if fence:
            if sign.startswith(fence) and not rest.strip():
                fence = ""
        elif not (sign[0] == "`" and "`" in rest):
            fence = sign
    return fence
