// The page: what is searched with, what is shown of it, and the history of both.

import { addressOf, asQuery, enter, known, NOTHING, stateOf, without } from "./address.js";
import * as api from "./api.js";
import { CutOff } from "./cutoff.js";
import { describing } from "./describing.js";
import { dragging } from "./dragging.js";
import { DuplicatesView } from "./duplicates.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { showLibrary } from "./library.js";
import { ofLibrary, ofSearch } from "./listing.js";
import { note, trouble, waiting } from "./notices.js";
import { isOfLike, showQueries, together } from "./queries.js";
import { Region } from "./region.js";
import { Removals } from "./removals.js";
import { Saved } from "./saved.js";
import { choosing } from "./selection.js";
import * as sending from "./sending.js";
import { Viewer } from "./viewer.js";
import { entering, wire } from "./wiring.js";
import { $, bits, count, make } from "./words.js";
import { Zoom } from "./zooming.js";

let facts = { originals: true, writable: false, probabilities: null, fingerprint: "", limits: { pictures: 16, ranked: 100000, upload_bytes: 2 ** 25 } };

/** What is shown: kept in the browser's history and in the address, so that going back is going back. */
let state = { ...NOTHING };
const active = () => (state.joined && state.queries.length > 1 ? together(state.queries) : state.queries[state.active]);

const cutoff = new CutOff((cut) => { state = { ...state, cut }; }, () => { amend({}); refresh(grid.place); });
const filters = new Filters((values) => go({ ...state, filters: values, viewing: null, place: null }), () => tell().then(choices).catch(trouble));
const grid = new Grid($("grid"), {
  search: (picture, event) => searchWith([asQuery(picture)], event.ctrlKey || event.metaKey || event.shiftKey),
  view: (index) => viewer.open(index).catch(trouble),
  loaded: () => announce(),
  stalled,
});
const viewer = new Viewer(grid, () => facts, {
  search: (picture) => searchWith([asQuery(picture)]),
  opened: (picture, index, isStep) => {
    const viewing = { id: picture.id, index };
    if (isStep) amend({ viewing });
    else if (state.viewing?.id !== picture.id) push({ ...state, viewing, place: grid.place });
  },
  closed: () => (history.state?.isPushed ? history.back() : amend({ viewing: null })),
  remove: (picture) => removals.begin(picture),
});
viewer.query = () => (state.view === "pictures" && active() ? active().code : null);
const duplicates = new DuplicatesView((picture) => viewer.show(picture).catch(trouble), () => facts);
const removals = new Removals((id, isGone) => grid.mark(id, isGone), async () => {
  await tell();
  const { held } = grid;
  await refresh(grid.place);
  grid.hold(held);
  if (viewer.index !== null) viewer.index = grid.indexOf(viewer.picture) ?? viewer.index;
});

const saved = new Saved(() => addressOf({ ...state, viewing: null }), (address) => { remember(); location.hash = address; });

new Region(viewer, (file) => send([file]));
new Zoom(viewer);
dragging(grid, viewer, () => facts.originals);
describing(searchWith);
choosing(grid, { search: (pictures) => searchWith(pictures.map(asQuery), false, true) });

/** Search with pictures, in place of what was searched with or besides it; false where they say only what is not wanted. */
function searchWith(queries, besides = false, joined = besides && state.joined) {
  const kept = besides ? state.queries : [], most = facts.limits.pictures;
  const all = [...kept, ...queries.slice(0, most)].slice(-most);
  if (!isOfLike(all)) return false;
  if (queries.length > most) note(`Only the first ${most} are searched with`);
  for (const query of queries) if (query.id === undefined) query.of = ours();
  go({ ...state, view: "pictures", joined: joined && !api.lacks("searches with several at once"), queries: all, active: Math.min(kept.length, most - 1), viewing: null, place: null });
  return true;
}

const send = (list, besides) => sending.send(list, facts.limits, searchWith, besides);

/** What tells codes of this library's model from others in an address. */
const ours = () => facts.fingerprint.slice(0, 12);
/** Whether all that is known of a picture that was sent is its code, and that comes from another model than codes of now. */
const isOld = ({ id, values, of }) => id === undefined && !values && Boolean(of && ours()) && of !== ours();

/** Show something else, and remember what was shown. */
function go(next) {
  remember();
  push(next);
  return show();
}

function push(next) {
  state = next;
  enter("pushState", marked({ ...state, isPushed: true }), addressOf(state) || location.pathname);
}

/** Change what is remembered of the present view, without a step in the history. */
function amend(change) {
  state = { ...state, ...change };
  enter("replaceState", marked({ ...history.state, ...state }), addressOf(state) || location.pathname);
  saved.tell();
}

/** What the history keeps: with the library that it is of, for in another one the ids name other pictures. */
const marked = (one) => ({ ...one, library: facts.id ?? one.library });
const isOther = ({ library }) => Boolean(library && facts.id && library !== facts.id);

/** Whether a list is on its way: what is there is not yet it, or not yet where it was. */
const isTurning = () => document.body.classList.contains("turning");
/** Keep the place in the list, to come back to. */
function remember() {
  if (state.view === "pictures" && grid.length && !state.viewing && !isTurning()) amend({ place: grid.place });
}

const shownAs = (one) => addressOf({ ...one, viewing: null });

addEventListener("popstate", async (event) => {
  if (!event.state && entering(addressOf(state), marked(state))) return;
  if (!event.state || isOther(event.state)) return start(); // an address that was typed, or what was shown of another library
  const same = shownAs(event.state) === shownAs(state);
  state = { ...event.state, queries: event.state.queries.map(sending.present) };
  if (!same) await show();
  else if (!state.viewing) viewer.hide();
  else await view(state.viewing);
});

/** View the picture that the address names. */
async function view({ id, index }) {
  try {
    const picture = index === null ? null : await grid.at(index);
    if (picture?.id === id) return await viewer.show(picture, index);
    return await viewer.show(await api.picture(id));
  } catch (error) {
    if (error.status === 404 && state.viewing?.id === id) amend({ viewing: null }); // it has gone
    return trouble(error);
  }
}

async function show() {
  const isPictures = state.view === "pictures", { place, viewing } = state;
  const held = $("grid").contains(document.activeElement);
  if (!viewing) viewer.hide();
  $("pictures").hidden = !isPictures;
  $("duplicates").hidden = isPictures;
  $("tools").hidden = !isPictures;
  $("show-pictures").setAttribute("aria-pressed", isPictures);
  $("show-duplicates").setAttribute("aria-pressed", !isPictures);
  filters.set(state.filters);
  cutoff.chosen = state.cut;
  showHead();
  saved.tell();
  if (isPictures) {
    duplicates.leave();
    await refresh(place);
    if (held && grid.length && !place) grid.focus(0);
  } else {
    scrollTo(0, 0);
    duplicates.open();
  }
  if (viewing) await view(viewing);
}

function showHead() {
  showQueries(state, {
    go: (change) => go({ ...state, view: "pictures", viewing: null, place: null, ...change }),
    add: (query) => sending.add(query, () => { showHead(); return tell(); }),
    isNew: (query) => facts.writable && sending.isNew(query),
  });
  $("sort").value = state.sort;
  $("collapse").checked = !state.each;
  $("order").hidden = state.queries.length > 0 || api.lacks("other orders");
  if (api.lacks("searches with several at once")) $("together").hidden = true;
}

/** How many bits may differ, or null for any: where nobody has counted how many pictures that are, there is no cut-off. */
const mostBits = () => (state.cut === null || state.cut >= facts.bits || api.lacks("counts by distance") ? null : state.cut);

/** Ask for what is to be shown, from its first page, and go to a place in it. */
let turn = 0, failed = null;
async function refresh(place = null) {
  const old = state.queries.filter(isOld);
  if (old.length) {
    note(`${old.map(({ name }) => name).join(" and ")}: the codes of this library were fitted again since; send the picture again`);
    amend(without(state, isOld));
    return show();
  }
  const mine = ++turn;
  const where = filters.where || null, of = revision();
  cutoff.rest(); // what is asked for now is within it
  const done = waiting(state.queries.length ? "Searching…" : "Looking through the library…");
  document.body.classList.add("turning");
  try {
    const queries = await known(state.queries, api.picture);
    if (mine !== turn) return;
    if (queries !== state.queries) { amend({ queries }); showHead(); }
    const query = active();
    if (!query) {
      cutoff.hide();
      $("collapsing").hidden = true;
      let total = 0;
      await grid.open(ofLibrary(state.sort, where, (all) => { total = all; }));
      if (mine === turn) shown = { total, of };
    } else {
      const collapse = $("collapse").checked && !api.lacks("duplicates");
      const limits = { where, collapse, max_distance: mostBits() };
      const began = performance.now();
      const { results: [found], milliseconds } = await api.search(query, { ...limits, k: 120, histogram: true });
      if (mine !== turn) return;
      if (query.code !== found.code) { // or its codes were fitted again
        Object.assign(query, { code: found.code, ...(query.of ? { of: ours() } : {}) });
        amend({});
      }
      shown = { total: found.searched, of };
      $("status-search").textContent = `Last search: ${milliseconds.toFixed(1)} ms on the server, ${Math.round(performance.now() - began)} ms in all`;
      grid.clear();
      $("collapsing").hidden = api.lacks("duplicates");
      if (found.histogram) cutoff.show(found.histogram, query.parts || query.words ? null : facts.probabilities);
      else cutoff.hide(); // nobody has counted
      await grid.open(ofSearch(query, limits, facts.limits.ranked), { pictures: found.hits, next: found.more ? 120 : null });
    }
    if (mine !== turn) return;
    failed = null;
    filters.wrong("");
    if (place) await grid.resume(place).catch(() => {}); // what is there is shown
    else scrollTo({ top: 0, behavior: "instant" });
    announce();
  } catch (error) {
    if (mine === turn && error.name !== "AbortError") await unshown(error);
  } finally {
    done();
    if (mine === turn) document.body.classList.remove("turning");
  }
}

/** Nothing can be shown: say why, rather than what was shown before. */
async function unshown(error) {
  const isFilter = error.code === "filter" || error.code === "slow-filter";
  shown = { total: 0, of: revision() };
  failed = error;
  grid.clear();
  cutoff.hide();
  $("summary").textContent = "";
  if (isFilter) filters.wrong(error.message);
  if (error.status === 404 && state.queries.length && (await leaveOut(error))) return;
  const again = make("button", { type: "button", onclick: () => refresh() }, "Try again");
  $("empty").hidden = false;
  $("empty").replaceChildren(isFilter ? "Nothing is shown, for the filter cannot be used." : `Nothing can be shown: ${error.message}.`, ...(isFilter ? [] : [again]));
}

/** Show what is left without the pictures that have gone, in place of this view: Back goes on. False where all are there. */
async function leaveOut(error) {
  const mine = turn, gone = new Set();
  await Promise.all(state.queries.map((query) => query.id !== undefined && api.picture(query.id).catch(({ status }) => status === 404 && gone.add(query))));
  if (mine !== turn) return true; // something else is shown by now
  if (!gone.size) return false;
  trouble(error);
  amend(without(state, (query) => gone.has(query)));
  await show();
  return true;
}

/** A page of the list could not be had; it is asked for again by itself. */
function stalled(error) {
  $("stalled").hidden = !error;
  if (error) $("stalled").replaceChildren(`The rest cannot be shown: ${error.message}. It is tried again. `, make("button", { type: "button", onclick: () => grid.retry() }, "Try now"));
}

let shown = { total: 0 }; // how many, `of` which revision
/** What tells the library from what it was before; of a collection that is how many pictures it has. */
const revision = () => facts.revision || facts.pictures;
let spoken;
/** Tell what is shown: those who do not see it, and those who see nothing. */
function announce() {
  const within = Math.min(cutoff.within, shown.total), none = !grid.length && grid.atEnd;
  const text = active() ? `${count(within, "picture")} like ${active().name}` : count(shown.total, "picture");
  $("summary").textContent = active() ? "" : `${text}, ${state.sort ? $("sort").selectedOptions[0].textContent.toLowerCase() : "the newest first"}`;
  clearTimeout(spoken);
  spoken = setTimeout(() => { if ($("announce").textContent !== text) $("announce").textContent = text; }, 300);
  const empty = $("empty");
  empty.hidden = !none; if (!none) return;
  if (active() && shown.total) {
    empty.replaceChildren(`Nothing within ${bits(cutoff.distance)}.`, make("button", { type: "button", onclick: () => cutoff.widen() }, "Allow more"));
  } else if (filters.where) empty.replaceChildren("No picture passes the filter.", make("button", { type: "button", onclick: () => filters.clear() }, "No filter"));
  else empty.replaceChildren("The library has no pictures yet. Index a folder, and they appear here.");
}

/** Ask for the facts of the library, again and again: others may be indexing. */
async function tell() {
  const before = facts.id;
  facts = await api.library();
  if (before && facts.id !== before) { // another library in its place: all that is shown, or waits, is of other pictures
    removals.forget();
    state = { ...NOTHING };
    history.replaceState(null, "", location.pathname);
    location.reload();
    return new Promise(() => {}); // nothing goes on here
  }
  api.changing(facts.id);
  api.lack(facts.lacks);
  filters.know(facts.columns);
  saved.open(facts.id);
  showLibrary(facts);
}

async function watch() {
  try { await tell(); } catch { return; }
  if (!hasBegun) { // the first look had failed, and all that was shown without the facts may be shown wrongly
    begin();
    return show();
  }
  grid.retry();
  if (failed && (failed.status === 0 || failed.status >= 429)) return refresh(state.place);
  const browsing = state.view === "pictures" && !active() && !isTurning() && scrollY < 200 && !$("viewer").open;
  if (revision() !== shown.of && browsing && !$("grid").contains(document.activeElement)) await refresh();
}

/** Offer what filters can choose from: when the page opens, and whenever they do, for others may be indexing. */
async function choices() {
  const found = await api.facets(), before = filters.where;
  filters.offer({ ...found, columns: facts.columns });
  if (filters.where !== before) await refresh(state.place); // a rule of the address means something else now
}

/** Begin with what the address says; after a reload the history knows more. */
async function start() {
  const kept = history.state?.queries && !isOther(history.state) ? history.state : null;
  if (history.state && !kept) history.replaceState(null, "", location.pathname); // ids of another library
  state = kept ? { ...NOTHING, ...kept, isPushed: false } : stateOf(location.hash);
  state.queries = state.queries.map(sending.present);
  history.replaceState(marked(state), "", addressOf(state) || location.pathname);
  await show();
}

let hasBegun = false;
/** What needs the facts of the library, at the first of them that come. */
function begin() {
  if (hasBegun) return;
  hasBegun = true;
  document.documentElement.dataset.ready = "true";
  showHead();
  choices().catch(trouble);
}

$("collapse").addEventListener("change", () => { amend({ each: !$("collapse").checked }); refresh(); });
wire({ state: () => state, active, go, send, refresh, remember, watch, filters, grid, viewer, removals, nothing: NOTHING });
if (!entering()) {
  history.scrollRestoration = "manual";
  const told = tell(); // what can be shown is known before it is
  told.catch(() => {}).then(start).then(() => told).then(begin).catch(trouble).finally(() => setInterval(watch, 5000));
}
