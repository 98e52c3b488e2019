// A small bar chart of the last runs, with a table behind it for those who cannot see it.
import { day, words } from "./words.js";
import { make } from "./markdown.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 280, HEIGHT = 84, FLOOR = 68;

function shape(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  return node;
}

const changes = (run) => ["new", "changed", "retagged", "deleted"].reduce((sum, name) => sum + (run.pages[name] ?? 0), 0);

export function plot(figure, runs) {
  figure.replaceChildren();
  if (!runs.length) {
    figure.append(make("p", { class: "hint" }, words.noRuns));
    return;
  }
  const shown = [...runs].reverse().slice(-14);
  const most = Math.max(1, ...shown.map(changes));
  const step = WIDTH / 14;
  const chart = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  chart.append(shape("line", { x1: 0, x2: WIDTH, y1: FLOOR + 0.5, y2: FLOOR + 0.5, class: "axis" }));
  shown.forEach((run, i) => {
    const height = changes(run) ? Math.max(3, (changes(run) / most) * (FLOOR - 16)) : 2;
    const x = WIDTH - (shown.length - i) * step;
    const bar = shape("rect", { x: x + 2, y: FLOOR - height, width: step - 5, height, rx: 2, class: run.exit ? "bar bad" : "bar" });
    bar.append(shape("title", {}, `${day(run.started, true)}: ${changes(run)}`));
    chart.append(bar);
    if (changes(run)) chart.append(shape("text", { x: x + step / 2 - 0.5, y: FLOOR - height - 4, class: "count" }, String(changes(run))));
  });
  chart.append(shape("text", { x: WIDTH, y: HEIGHT - 3, class: "date end" }, day(shown.at(-1).started)));
  if (shown.length > 7) chart.append(shape("text", { x: WIDTH - shown.length * step, y: HEIGHT - 3, class: "date" }, day(shown[0].started)));
  const rows = shown.map((run) => make("tr", {}, make("th", { scope: "row" }, day(run.started, true)), make("td", {}, String(changes(run)))));
  figure.append(make("figcaption", {}, words.plot), chart, make("table", { class: "hidden" }, make("tbody", {}, ...rows)));
}
