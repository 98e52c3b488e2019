// The page: ask, watch the answer come, open its sources; freshness and sync at the side.
import { make, render, safeLink } from "./markdown.js";
import { call, events, random, stored } from "./net.js";
import { plot } from "./plot.js";
import { day, speak, words } from "./words.js";

const $ = (id) => document.getElementById(id);
const log = $("log"), question = $("question"), send = $("send"), space = $("space");
let session = stored("session", random);
let busy = null;
let answers = 0;

// ---- conversation

function bubble(who, name) {
  $("welcome").hidden = true;
  const body = make("div", { class: "body" });
  const article = make("article", { class: who, "aria-label": name }, body);
  log.append(article);
  return { article, body };
}

function sourceList(sources, prefix, cited) {
  const used = sources.filter((one) => !cited.length || cited.includes(one.number));
  const items = used.map((one) => {
    const name = one.heading ? `${one.title} › ${one.heading}` : one.title;
    const url = safeLink(one.url);
    const title = url ? make("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: words.opens }, name) : make("span", {}, name);
    const about = [one.space, one.updated_at ? `${words.changed} ${day(one.updated_at)}` : ""].filter(Boolean).join(" · ");
    return make("li", { id: `${prefix}-${one.number}`, value: String(one.number), tabindex: "-1" },
      make("span", { class: "number", "aria-hidden": "true" }, String(one.number)),
      make("div", {}, title, make("small", {}, about), make("p", {}, one.excerpt)));
  });
  return make("section", { class: "sources", "aria-label": words.sources }, make("h3", {}, words.sources), make("ol", {}, ...items));
}

function citing(sources, prefix) {
  return (number) => {
    const source = sources.find((one) => one.number === number);
    if (!source) return null;
    return make("a", { class: "cite", href: `#${prefix}-${number}`, title: source.title }, String(number));
  };
}

function showAnswer(shown, text, sources, cited, done) {
  const prefix = shown.prefix;
  shown.body.replaceChildren(render(text, citing(sources, prefix)));
  if (done && sources.length) shown.body.append(sourceList(sources, prefix, cited));
}

function addAnswer() {
  answers += 1;
  return { ...bubble("answer", words.answer), prefix: `answer${answers}` };
}

function nearEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 120;
}

function follow(act) {
  const stay = nearEnd();
  act();
  if (stay) log.scrollTop = log.scrollHeight;
}

async function ask(text) {
  bubble("you", words.you).body.append(make("p", {}, text));
  const shown = addAnswer();
  shown.body.append(make("p", { class: "hint waiting" }, words.thinking));
  log.scrollTop = log.scrollHeight;
  busy = new AbortController();
  setBusy(true, shown);
  let answer = "", sources = [], cited = [], drawn = 0, finished = false;
  const draw = (done) => follow(() => showAnswer(shown, answer, sources, cited, done));
  try {
    const body = JSON.stringify({ question: text, space: space.value || undefined, session_id: session });
    for await (const { name, data } of events(await call("/api/ask", { method: "POST", body, signal: busy.signal }))) {
      if (name === "sources") sources = data.sources;
      if (name === "done") [cited, finished] = [data.cited, true];
      if (name === "error") throw new Error(data.detail);
      if (name === "text") {
        answer += data.text;
        if (performance.now() - drawn > 60) [drawn] = [performance.now(), draw(false)];
      }
    }
    if (!finished) throw new Error(words.lost);
    draw(true);
    $("announce").textContent = words.ready(sources.length);
  } catch (error) {
    if (answer) draw(false); else shown.body.replaceChildren();
    const why = error.name === "AbortError" ? words.stopped : error instanceof TypeError ? words.lost : error.message;
    follow(() => shown.body.append(make("p", { class: error.name === "AbortError" ? "hint" : "failure", role: "alert" }, why)));
  } finally {
    busy = null;
    setBusy(false, shown);
  }
}

function setBusy(on, shown) {
  shown.article.setAttribute("aria-busy", String(on));
  send.textContent = on ? words.stop : words.send;
  send.classList.toggle("stop", on);
}

function grow() {
  question.style.height = "auto";
  question.style.height = `${Math.min(question.scrollHeight + 2, 200)}px`;
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (busy) {
    busy.abort();
    return;
  }
  const text = question.value.trim();
  if (!text) return;
  question.value = "";
  grow();
  ask(text);
});
question.addEventListener("input", grow);
question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !busy) {
    event.preventDefault();
    $("ask").requestSubmit();
  }
});
log.addEventListener("click", (event) => {
  const cite = event.target.closest("a.cite");
  if (!cite) return;
  event.preventDefault();
  const target = document.getElementById(cite.getAttribute("href").slice(1));
  target?.scrollIntoView({ block: "nearest" });
  target?.focus();
});
$("clear").addEventListener("click", async () => {
  if (busy) busy.abort();
  await call(`/api/history?session_id=${encodeURIComponent(session)}`, { method: "DELETE" }).catch(() => {});
  session = random();
  try { localStorage.setItem("session", session); } catch { /* private mode: it lasts as long as the page */ }
  for (const one of log.querySelectorAll("article")) one.remove();
  $("welcome").hidden = false;
  question.focus();
});

async function recall() {
  const { turns } = await (await call(`/api/history?session_id=${encodeURIComponent(session)}`)).json();
  for (const turn of turns) {
    if (turn.role === "user") bubble("you", words.you).body.append(make("p", {}, turn.content));
    else showAnswer(addAnswer(), turn.content, turn.sources, [], true);
  }
  log.scrollTop = log.scrollHeight;
}

// ---- freshness and sync

function facts(status) {
  const rows = [
    [words.lastSync, day(status.last_sync, true) || words.never],
    [words.pages, status.pages.toLocaleString()],
    [words.chunks, (status.chunks ?? 0).toLocaleString()],
    [words.oldest, day(status.oldest_page) || "–"],
    [words.held, String(status.held)],
  ];
  $("facts").replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  $("facts").lastChild.classList.toggle("warn", status.held > 0);
}

async function refresh() {
  const status = await (await call("/api/status")).json();
  document.title = status.title;
  document.querySelector("h1").textContent = status.title;
  $("model").textContent = status.model ?? words.noModel;
  facts(status);
  plot($("plot"), status.runs);
  const chosen = space.value;
  space.replaceChildren(make("option", { value: "" }, words.allSpaces), ...status.spaces.map((one) => make("option", { value: one.key }, one.key)));
  space.value = chosen;
  $("sync").hidden = !status.may.includes("sync");
}

$("sync").addEventListener("click", async () => {
  const state = $("sync-state");
  $("sync").disabled = true;
  state.textContent = words.syncing;
  try {
    let run = await (await call("/api/sync", { method: "POST", body: JSON.stringify({ wait: false }) })).json();
    while (run.status === "running") {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      run = await (await call(`/api/sync/${run.run_id}`)).json();
    }
    state.textContent = run.status === "complete" ? words.synced(run.synced, run.skipped, run.failed) : words.syncFailed + run.error;
    await refresh();
  } catch (error) {
    state.textContent = words.syncFailed + error.message;
  } finally {
    $("sync").disabled = false;
  }
});
$("open-panel").addEventListener("click", () => {
  const open = document.body.classList.toggle("panel-open");
  $("open-panel").setAttribute("aria-expanded", String(open));
});

speak(document);
send.textContent = words.send;
question.placeholder = words.placeholder;
refresh().then(recall).catch((error) => { $("announce").textContent = error.message; });
