// What the page asks the server.

import { reachable } from "./notices.js";
import { make, wait } from "./words.js";

const API = new URL("api/v1", document.baseURI).pathname; // below whatever path a proxy shows the server
const PATIENCE = 4; // times that a busy server is asked again

/** An answer that is no success: what is wrong, and the remedy. */
class Fault extends Error {
  constructor(status, body) {
    super(body.position ? `the filter cannot be understood at character ${body.position}; ${body.remedy}` : body.reason ? `${body.reason}; ${body.remedy}` : "the server gave no proper answer; try again");
    this.status = status;
    this.code = body.code;
  }
}

let served = {};
/** Name the library in requests that change it: a server that shows another one by now refuses them. */
export function changing(id) { served = { "X-Library": id }; }

let onUnknown = () => {};
/** Call `action` when the server asks for a token. */
export function whenUnknown(action) { onUnknown = action; }

let isThere = true; // whether the server answered last
/** Ask again for the images that could not be had. */
function lookAgain() { for (const image of document.querySelectorAll(".broken > img")) image.dispatchEvent(new Event("again")); }
addEventListener("online", lookAgain);

/** What comes back from an address; a `Fault` where nothing does. */
async function answered(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    isThere = false;
    reachable(false);
    throw new Fault(0, { reason: "the server cannot be reached", remedy: "check the network and that it runs" });
  }
  reachable(true);
  if (!isThere) lookAgain();
  isThere = true;
  return response;
}

async function ask(path, options = {}, patience = PATIENCE) {
  const response = await answered(API + path, options);
  if (response.status === 429 && patience > 0) {
    await wait(1000 * Number(response.headers.get("Retry-After") || 1));
    return ask(path, options, patience - 1);
  }
  if (response.status === 204) return null;
  if (response.ok && response.headers.get("Content-Disposition")) return response.blob();
  const body = await response.text().then(exact).catch((error) => {
    if (error.name === "AbortError") throw error; // given up while the answer was on its way
    return null;
  });
  if (response.status === 401) { isThere = false; onUnknown(); }
  if (!response.ok) throw new Fault(response.status, body ?? {});
  if (!body) throw new Fault(502, { reason: "something else answers in the place of the server", remedy: "load the page again" }); // a proxy that asks who one is
  return response.status === 202 ? { ...body, underWay: true } : body;
}

/** What JSON says; whole numbers that JavaScript would round are the texts that they were written as, where the browser tells. */
function exact(text) {
  return JSON.parse(text, (_, value, context) => (Number.isInteger(value) && !Number.isSafeInteger(value) ? (/^-?\d+$/.test(context?.source) ? context.source : value) : value));
}

const json = (body, headers = {}) => ({ method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
const query = (asked) => {
  const given = Object.entries(asked).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? "?" + new URLSearchParams(given) : "";
};

export const library = () => ask("/library");
export const facets = () => ask("/library/facets");
export const picture = (id) => ask(`/pictures/${id}`);
export const occlusion = (id, signal) => ask(`/pictures/${id}/occlusion`, { signal });
export const browse = (asked, signal) => ask("/pictures" + query(asked), { signal });
export const byId = (id, asked, signal) => ask("/search/by-id", { ...json({ ids: [id], ...tidy(asked) }), signal });
const byValues = ({ values, embedding, version, words }, asked, signal) => ask("/search/by-values", { ...json({ values: [values], embeddings: embedding ? [embedding] : undefined, of_words: Boolean(words), version, ...tidy(asked) }), signal });
export const byWords = (words, asked) => ask("/search/by-words", json({ words, ...asked }));
export const duplicates = (asked) => ask("/duplicates" + query(asked));
export const applied = (name) => ask(`/duplicates/applied/${name}`);
export const pair = (one, other) => ask("/duplicates/pair" + query({ one, other }));
export const verdict = (one, other, differ) => ask("/duplicates/verdicts", json({ ids: [one, other], differ }, served));
export const plan = (asked) => ask("/duplicates/plan", json(asked, served));
export const apply = (asked) => ask("/duplicates/apply", json(asked, served));
export const undo = (name) => ask("/duplicates/undo", json({ name }, served));
export const remove = (id) => ask(`/pictures/${id}`, { method: "DELETE", headers: served });
/** Remove a picture although the page is being left. */
export const removeNow = (id) => fetch(`${API}/pictures/${id}`, { method: "DELETE", headers: served, keepalive: true }).catch(() => {});
/** Search with several together: {like, unlike}, each a list of pictures by id, code or relaxed code. */
const joined = (parts, asked, signal) => ask("/search/joined", { ...json({ ...parts, ...tidy(asked) }), signal });
const byCode = (code, asked, signal) => ask("/search/by-code", { ...json({ codes: [code], ...tidy(asked) }), signal });
/** Search with what the page searches with: several together, what was sent or said, a code, or a picture of the library. */
export function search(query, asked, signal) {
  if (query.parts) return joined(query.parts, asked, signal);
  if (query.values) return byValues(query, asked, signal);
  return query.id === undefined ? byCode(query.code, asked, signal) : byId(query.id, asked, signal);
}
export const leave = () => ask("/session", { method: "DELETE" });
export const begin = (token) => ask("/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });

const tidy = (asked) => Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== "" && value != null));

function form(files) {
  const body = new FormData();
  for (const file of files) body.append("pictures", file);
  return { method: "POST", body };
}
export const upload = (files, asked) => ask("/search" + query(asked), form(files));
export const add = (files) => ask("/pictures", { ...form(files), headers: served });

export const thumbnail = (picture) => `${API}/pictures/${picture.id}/thumbnail?v=${picture.version}`;
export const original = (picture) => `${API}/pictures/${picture.id}/original?v=${picture.version}`;

/** The bytes of a picture: in full size, or where that is not to be had, its small copy. */
export async function content(picture) {
  let failed = null;
  for (const [isSmall, address] of [[false, original(picture)], [true, thumbnail(picture)]]) {
    for (let tries = 0; tries <= PATIENCE; tries++) {
      const response = await answered(address);
      if (response.ok && response.headers.get("Content-Type")?.startsWith("image/")) return { content: await response.blob(), isSmall };
      failed = new Fault(response.status, await response.json().catch(() => ({})));
      if (response.status !== 429) break;
      await wait(1000 * Number(response.headers.get("Retry-After") || 1));
    }
  }
  throw failed;
}

let lacking = new Set();
/** Take note of what the server cannot show, for it serves a collection on another machine. */
export function lack(list) { lacking = new Set(list); }
export const lacks = (what) => lacking.has(what);

/** An image of a thumbnail, which is asked for again when the server was too busy to make it; else the name. */
export function image(picture, alt = "") {
  if (lacks("thumbnails")) return make("span", { className: "unseen" }, picture.name);
  const element = new Image();
  let tries = 0;
  element.alt = alt;
  element.decoding = "async";
  element.draggable = false;
  element.addEventListener("load", () => element.classList.add("there"));
  element.addEventListener("again", () => {
    tries = 0;
    element.parentElement.classList.remove("broken");
    element.src = thumbnail(picture);
  });
  element.addEventListener("error", async () => {
    if (++tries > 2) return element.parentElement?.classList.add("broken");
    await wait(700 * tries);
    if (element.isConnected) element.src = thumbnail(picture) + `&try=${tries}`;
  });
  element.src = thumbnail(picture);
  return element;
}
