// Markdown to DOM nodes. Text only ever becomes text nodes and attributes are set from checked values, so nothing in an answer can run.
export function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export function safeLink(address) {
  try {
    const url = new URL(address);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : "";
  } catch {
    return "";
  }
}

// cite(n) gives the node for a citation, or null when there is no such source.
export function render(text, cite) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const root = document.createDocumentFragment();
  let at = 0;
  while (at < lines.length) at = block(lines, at, root, cite);
  return root;
}

const ITEM = /^(\s*)([-*+]|\d{1,4}[.)])\s+(.*)$/;
const STARTS = /^\s*(```|~~~|#{1,6}\s|>|\||([-*+]|\d{1,4}[.)])\s)/;

function block(lines, at, root, cite) {
  const line = lines[at];
  if (!line.trim()) return at + 1;
  const fence = line.match(/^\s*(```+|~~~+)\s*([\w+#.-]*)/);
  if (fence) return code(lines, at, root, fence);
  const heading = line.match(/^\s*(#{1,6})\s+(.*?)\s*#*$/);
  if (heading) {
    root.append(make(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2], cite)));
    return at + 1;
  }
  if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
    root.append(make("hr"));
    return at + 1;
  }
  if (/^\s*>/.test(line)) return quote(lines, at, root, cite);
  if (ITEM.test(line)) return list(lines, at, root, cite);
  if (line.includes("|") && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[at + 1] ?? "")) return table(lines, at, root, cite);
  return paragraph(lines, at, root, cite);
}

function code(lines, at, root, fence) {
  let end = at + 1;
  while (end < lines.length && !lines[end].trim().startsWith(fence[1])) end += 1;
  const body = make("code", fence[2] ? { "data-language": fence[2] } : {}, lines.slice(at + 1, end).join("\n"));
  root.append(make("pre", { tabindex: "0" }, body));
  return end + 1;
}

function quote(lines, at, root, cite) {
  let end = at;
  while (end < lines.length && /^\s*>/.test(lines[end])) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(/^\s*>\s?/, ""));
  root.append(make("blockquote", {}, render(inner.join("\n"), cite)));
  return end;
}

function list(lines, at, root, cite) {
  const [, indent, mark] = lines[at].match(ITEM);
  const ordered = /\d/.test(mark);
  const node = make(ordered ? "ol" : "ul", ordered && parseInt(mark, 10) !== 1 ? { start: String(parseInt(mark, 10)) } : {});
  while (at < lines.length) {
    const item = lines[at].match(ITEM);
    if (!item || item[1].length !== indent.length || /\d/.test(item[2]) !== ordered) break;
    const inner = [item[3]];
    at += 1;
    while (at < lines.length && (/^\s+\S/.test(lines[at]) && lines[at].search(/\S/) > indent.length || (!lines[at].trim() && /^\s{2,}\S/.test(lines[at + 1] ?? "")))) {
      inner.push(lines[at].slice(Math.min(indent.length + 2 + (ordered ? 1 : 0), Math.max(0, lines[at].search(/\S/)))));
      at += 1;
    }
    node.append(make("li", {}, inner.length === 1 ? inline(inner[0], cite) : render(inner.join("\n"), cite)));
    if (!(lines[at] ?? "x").trim() && ITEM.test(lines[at + 1] ?? "")) at += 1;
  }
  root.append(node);
  return at;
}

function table(lines, at, root, cite) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, "|"));
  const row = (line, name) => make("tr", {}, ...cells(line).map((cell) => make(name, {}, inline(cell, cite))));
  const body = make("tbody");
  const head = make("thead", {}, row(lines[at], "th"));
  at += 2;
  for (; at < lines.length && lines[at].includes("|"); at += 1) body.append(row(lines[at], "td"));
  root.append(make("div", { class: "scroll", tabindex: "0" }, make("table", {}, head, body)));
  return at;
}

function paragraph(lines, at, root, cite) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !STARTS.test(lines[end])) end += 1;
  root.append(make("p", {}, inline(lines.slice(at, end).join("\n"), cite)));
  return end;
}

const INLINE = /\\([\\`*_{}[\]<>()#+.!|~-])|(`+)([^`]|[^`][\s\S]*?[^`])\2(?!`)|\*\*(?=\S)([\s\S]*?\S)\*\*|(?<![\w*])[*_](?=[^\s*_])([^*_\n]*?[^\s*_])[*_](?![\w*])|~~(?=\S)([\s\S]*?\S)~~|\[(\d{1,3})\](?!\()|\[((?:[^[\]\\]|\\.)+)\]\(<?([^\s()<>]+(?:\([^\s()<>]*\)[^\s()<>]*)*)>?\)|(https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]])/;

export function inline(text, cite) {
  const root = document.createDocumentFragment();
  let rest = text;
  for (let found = rest.match(INLINE); found; found = rest.match(INLINE)) {
    root.append(rest.slice(0, found.index), piece(found, cite));
    rest = rest.slice(found.index + found[0].length);
  }
  root.append(rest);
  return root;
}

function piece([whole, escaped, , coded, bold, italic, struck, number, label, address, bare], cite) {
  if (escaped) return escaped;
  if (coded !== undefined) return make("code", {}, coded);
  if (bold) return make("strong", {}, inline(bold, cite));
  if (italic) return make("em", {}, inline(italic, cite));
  if (struck) return make("del", {}, inline(struck, cite));
  if (number) return cite(Number(number)) ?? whole;
  const url = safeLink(address ?? bare);
  const shown = label === undefined ? bare : inline(label, cite);
  return url ? make("a", { href: url, rel: "noopener noreferrer", target: "_blank" }, shown) : shown;
}
