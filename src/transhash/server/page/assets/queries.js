// The pictures that are searched with, as they stand in the head of the page: one by one, or all together.

import { image, lacks } from "./api.js";
import { note } from "./notices.js";
import { $, make } from "./words.js";

const known = new WeakMap();

/** Several queries as one: like these, but not like those. */
export function together(queries) {
  if (!known.has(queries)) {
    const names = (list) => list.map((query) => query.name).join(" and ");
    const like = queries.filter((query) => !query.unlike), unlike = queries.filter((query) => query.unlike);
    const name = names(like) + (unlike.length ? `, but not ${names(unlike)}` : "");
    known.set(queries, { name, parts: { like: like.map(part), unlike: unlike.map(part) } });
  }
  return known.get(queries);
}

function part({ id, code, values, embedding }) {
  if (values) return { values, embedding };
  return id === undefined ? { code } : { id };
}

/** Show them; `go(change)` changes what is searched with, `add(query)` takes one into the library where `isNew(query)`. */
export function showQueries({ queries, active, joined, view }, { go, add, isNew }) {
  const held = $("search").contains(document.activeElement);
  const isJoined = joined && queries.length > 1;
  $("queries").classList.toggle("joined", isJoined);
  $("queries").replaceChildren(...queries.map((query, at) => {
    const shown = query.words ? make("span", { className: "said" }, query.words) : query.url ? make("img", { src: query.url, alt: "" }) : query.id !== undefined && lacks("thumbnails") ? make("span", { className: "said" }, query.name) : query.id !== undefined && query.code !== undefined ? image(query) : make("img", { alt: "" });
    shown.addEventListener("error", () => { shown.hidden = true; });
    const button = make("button", { type: "button", className: "query", title: query.name, "aria-label": `Results for ${query.name}`, "aria-pressed": at === active && !isJoined && view === "pictures", onclick: () => go({ active: at, joined: false }) }, shown);
    const item = make("li", { className: isJoined && query.unlike ? "unlike" : "" }, button);
    if (isJoined) item.append(make("button", { type: "button", className: "icon role", title: query.unlike ? "But not like this" : "And like this", "aria-label": `${query.name}: ${query.unlike ? "but not like this" : "and like this"}`, onclick: () => turn(queries, query, go) }, query.unlike ? "−" : "+"));
    else if (isNew(query)) item.append(make("button", { type: "button", className: "icon add", title: "Add to the library", "aria-label": `Add ${query.name} to the library`, onclick: () => add(query) }, "+"));
    return item;
  }));
  $("clear").hidden = !queries.length;
  $("together").hidden = queries.length < 2;
  $("together").setAttribute("aria-pressed", isJoined);
  if (held && !$("search").contains(document.activeElement)) ($("queries").querySelector("[aria-pressed=true]") ?? $("results")).focus({ preventScroll: true });
}

function turn(queries, query, go) {
  const next = queries.map((each) => (each === query ? { ...each, unlike: !each.unlike } : each));
  if (isOfLike(next)) go({ queries: next });
}

/** Whether results are to be like one of the queries at least; says so where they are not. */
export function isOfLike(queries) {
  const isLike = queries.some((each) => !each.unlike);
  if (!isLike) note("One picture or word at least has to be like what is found");
  return isLike;
}
