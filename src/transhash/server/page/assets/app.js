// The page: what is searched with, what is shown of it, and the history of both.

import * as api from "./api.js";
import { CutOff } from "./cutoff.js";
import { DuplicatesView } from "./duplicates.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { Viewer } from "./viewer.js";
import { $, bits, count, make, number, trouble } from "./words.js";

let facts = { originals: true, writable: false, probabilities: null, limits: { pictures: 16 } };
const files = new Map(); // pictures that were sent, by the number of their query: they can be added to the library
let sent = 0;

/** What is shown: kept in the browser's history, so that going back is going back. */
let state = { view: "pictures", queries: [], active: 0 };
const active = () => state.queries[state.active];

const cutoff = new CutOff((within) => {
  grid.setLimit(within);
  announce();
});
const filters = new Filters(() => refresh());
const grid = new Grid($("grid"), {
  search: (picture, event) => searchWith([asQuery(picture)], event.ctrlKey || event.metaKey || event.shiftKey),
  view: (index) => viewer.open(index).catch(trouble),
  loaded: () => announce(),
  failed: trouble,
});
const viewer = new Viewer(grid, () => facts, {
  search: (picture) => searchWith([asQuery(picture)]),
  removed: () => refresh(),
});
viewer.query = () => (state.view === "pictures" && active() ? active().code : null);
const duplicates = new DuplicatesView((picture) => viewer.show(picture));

const asQuery = ({ id, version, path, code }) => ({ id, version, name: path, code });

/** Search with pictures, in place of what was searched with or besides it. */
function searchWith(queries, besides = false) {
  const kept = besides ? state.queries : [];
  go({ view: "pictures", queries: [...kept, ...queries].slice(-facts.limits.pictures), active: Math.min(kept.length, facts.limits.pictures - 1) });
}

/** Send pictures; of several, those that cannot be used are named. */
async function send(list, besides) {
  const chosen = [...list].slice(0, facts.limits.pictures);
  if (list.length > chosen.length) trouble(Object.assign(new Error(`only the first ${chosen.length} pictures are searched with; choose fewer`), { status: 0 }));
  if (!chosen.length) return;
  document.body.setAttribute("aria-busy", "true");
  try {
    const answer = await api.upload(chosen, { k: 1 });
    const queries = [];
    answer.results.forEach((result, at) => {
      if (result.fault) return trouble(Object.assign(new Error(`${chosen[at].name || "the picture"}: ${result.fault.reason}; ${result.fault.remedy}`), { status: 422 }));
      const key = ++sent;
      files.set(key, chosen[at]);
      queries.push({ key, values: result.values, code: result.code, name: chosen[at].name || "pasted picture", url: URL.createObjectURL(chosen[at]) });
    });
    if (queries.length) searchWith(queries, besides);
  } catch (error) {
    if (chosen.length === 1 && error.status === 422) error.message = `${chosen[0].name || "the picture"}: ${error.message}`;
    trouble(error);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

/** Show something else, and remember what was shown. */
function go(next) {
  history.replaceState({ ...state, scroll: scrollY }, "");
  state = next;
  history.pushState(state, "", address());
  show();
}

function address() {
  if (state.view === "duplicates") return "#duplicates";
  return active()?.id !== undefined ? `#like=${active().id}` : location.pathname;
}

addEventListener("popstate", (event) => {
  if (event.state) {
    state = event.state;
    show(event.state.scroll);
  } else start();
});

function show(scroll = 0) {
  const isPictures = state.view === "pictures";
  $("pictures").hidden = !isPictures;
  $("duplicates").hidden = isPictures;
  $("tools").hidden = !isPictures;
  $("show-pictures").setAttribute("aria-pressed", isPictures);
  $("show-duplicates").setAttribute("aria-pressed", !isPictures);
  showQueries();
  if (!isPictures) { scrollTo(0, 0); return duplicates.open(); }
  duplicates.leave();
  return refresh().then(() => scrollTo({ top: scroll, behavior: "instant" }));
}

function showQueries() {
  $("queries").replaceChildren(...state.queries.map((query, at) => {
    const image = query.url ? make("img", { src: query.url, alt: "" }) : query.id !== undefined ? api.image(query) : make("img", { alt: "" });
    image.addEventListener("error", () => { image.hidden = true; });
    const button = make("button", { type: "button", className: "query", title: query.name, "aria-label": `Results for ${query.name}`, "aria-pressed": at === state.active && state.view === "pictures", onclick: () => go({ ...state, view: "pictures", active: at }) }, image);
    const item = make("li", {}, button);
    if (facts.writable && files.has(query.key)) {
      item.append(make("button", { type: "button", className: "icon add", title: "Add to the library", "aria-label": `Add ${query.name} to the library`, onclick: () => add(query) }, "+"));
    }
    return item;
  }));
  $("clear").hidden = !state.queries.length;
}

/** Ask for what is to be shown, from its first page. */
let turn = 0;
async function refresh() {
  const mine = ++turn;
  const query = active(), where = filters.where || null;
  try {
    if (!query) {
      cutoff.hide();
      let total = 0;
      await grid.open(async (before, limit, signal) => {
        const page = await api.browse({ before: before || null, limit, where }, signal);
        total = page.total;
        return { pictures: page.pictures, next: page.more ? page.pictures.at(-1)?.id ?? null : null };
      });
      if (mine === turn) shown = { total };
    } else {
      const ask = (asked, signal) => (query.values ? api.byValues(query.values, asked, signal) : api.byId(query.id, asked, signal));
      const began = performance.now();
      const { results: [found], milliseconds } = await ask({ k: 120, where, histogram: true });
      if (mine !== turn) return;
      query.code ??= found.code;
      shown = { total: found.searched };
      $("status-search").textContent = `Last search: ${milliseconds.toFixed(1)} ms on the server, ${Math.round(performance.now() - began)} ms in all`;
      grid.clear();
      cutoff.show(found.histogram, facts.probabilities);
      const limit = cutoff.within;
      await grid.open(async (offset, k, signal) => {
        const { results: [page] } = await ask({ k, offset, where }, signal);
        return { pictures: page.hits, next: page.more ? offset + k : null };
      }, { pictures: found.hits, next: found.more ? 120 : null });
      grid.setLimit(limit);
    }
    if (mine === turn) { filters.wrong(false); announce(); }
  } catch (error) {
    if (mine !== turn) return;
    if (error.status === 422 && where) filters.wrong(true);
    else if (error.status === 404 && query) { history.replaceState(null, "", location.pathname); start(); }
    trouble(error);
  }
}

let shown = { total: 0 };
let spoken;
/** Tell what is shown: those who do not see it, and those who see nothing. */
function announce() {
  const within = Math.min(cutoff.within, shown.total), none = !grid.length && grid.atEnd;
  const text = active() ? `${count(within, "picture")} like ${active().name}` : count(shown.total, "picture");
  $("summary").textContent = active() ? "" : `${text}, the newest first`;
  clearTimeout(spoken);
  spoken = setTimeout(() => { if ($("announce").textContent !== text) $("announce").textContent = text; }, 300);
  const empty = $("empty");
  empty.hidden = !(none || (active() && cutoff.within === 0));
  if (empty.hidden) return;
  if (active() && cutoff.within === 0 && shown.total) {
    empty.replaceChildren(`Nothing within ${bits(cutoff.distance)}.`, make("button", { type: "button", onclick: () => cutoff.widen() }, "Allow more"));
  } else if (filters.where) empty.replaceChildren("No picture passes the filter.", make("button", { type: "button", onclick: () => filters.clear() }, "No filter"));
  else empty.replaceChildren("The library has no pictures yet. Index a folder, and they appear here.");
}

async function add(query) {
  try {
    await api.add([files.get(query.key)]);
    files.delete(query.key);
    showQueries();
    await tell();
  } catch (error) {
    trouble(error);
  }
}

/** Ask for the facts of the library, again and again: others may be indexing. */
async function tell() {
  facts = await api.library();
  document.title = `${facts.name} · transhash`;
  $("name").textContent = facts.name;
  $("status-library").textContent = count(facts.pictures, "picture");
  $("status-model").textContent = `${facts.model}, ${facts.bits} bits, ${number(Math.round(facts.bytes / 1e6))} MB`;
}

async function watch() {
  const before = facts.pictures;
  await tell().catch(() => {});
  const browsing = state.view === "pictures" && !active() && scrollY < 200 && !$("viewer").open;
  if (facts.pictures !== before && browsing && !$("grid").contains(document.activeElement)) await refresh();
}

/** Begin with what the address says. */
async function start() {
  const like = /^#like=(\d+)$/.exec(location.hash);
  state = { view: location.hash === "#duplicates" ? "duplicates" : "pictures", queries: [], active: 0 };
  if (like) {
    try {
      state.queries = [asQuery(await api.picture(like[1]))];
    } catch (error) {
      trouble(error);
    }
  }
  history.replaceState(state, "", address());
  await show();
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}

/** A token from an address; one that was not encoded for it is taken as it is. */
function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

async function enter(token) {
  try {
    await api.begin(token);
    location.reload();
  } catch (error) {
    $("token-wrong").hidden = error.status !== 401;
    if (error.status !== 401) trouble(error);
    else if (!$("ask-token").open) $("ask-token").showModal();
  }
}

function wire() {
  $("files").addEventListener("change", () => { send($("files").files).finally(() => { $("files").value = ""; }); });
  $("clear").addEventListener("click", () => go({ view: "pictures", queries: [], active: 0 }));
  $("home").addEventListener("click", (event) => { event.preventDefault(); filters.clear(); go({ view: "pictures", queries: [], active: 0 }); });
  $("show-pictures").addEventListener("click", () => state.view !== "pictures" && go({ ...state, view: "pictures" }));
  $("show-duplicates").addEventListener("click", () => state.view !== "duplicates" && go({ ...state, view: "duplicates" }));
  $("theme").addEventListener("click", theme);
  $("token-form").addEventListener("submit", (event) => { event.preventDefault(); enter($("token").value.trim()); });
  addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    if (pasted.length) { event.preventDefault(); send(pasted); }
  });
  let over = 0;
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (isFiles(event)) { event.preventDefault(); over++; $("drop").hidden = false; } });
  addEventListener("dragover", (event) => { if (isFiles(event)) event.preventDefault(); });
  addEventListener("dragleave", (event) => { if (isFiles(event) && --over <= 0) { over = 0; $("drop").hidden = true; } });
  addEventListener("drop", (event) => {
    over = 0;
    $("drop").hidden = true;
    if (!isFiles(event)) return;
    event.preventDefault();
    if ($("viewer").open) $("viewer").close();
    send(event.dataTransfer.files, event.shiftKey);
  });
  addEventListener("keydown", (event) => {
    if (event.target.matches("input, select, textarea") || $("viewer").open || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape" && state.queries.length) $("clear").click();
    if (event.key === "/") { event.preventDefault(); filters.toggle(true); $("filter-where").focus(); }
    if (event.key.startsWith("Arrow") && !document.activeElement?.closest("#grid, .viewer, .tools") && state.view === "pictures" && grid.length && document.activeElement === document.body) {
      event.preventDefault();
      grid.focus(grid.current);
    }
  });
}

wire();
if (localStorage.getItem("theme")) document.documentElement.dataset.theme = localStorage.getItem("theme");
api.whenUnknown(() => { if (!$("ask-token").open) $("ask-token").showModal(); });
const token = /^#token=(.+)$/.exec(location.hash);
if (token) {
  history.replaceState(null, "", location.pathname);
  enter(decoded(token[1]));
} else {
  history.scrollRestoration = "manual";
  Promise.all([tell(), start()]).then(() => {
    document.documentElement.dataset.ready = "true";
    showQueries();
    api.facets().then((found) => filters.offer(found)).catch(trouble);
    setInterval(watch, 5000);
  }).catch(trouble);
}
