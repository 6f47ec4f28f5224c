// What the user does, as actions of the page: buttons, keys, what is dropped and pasted, and how the page is opened.

import * as api from "./api.js";
import { isOwn } from "./dragging.js";
import { folding } from "./folding.js";
import { keep, kept } from "./kept.js";
import { raise, trouble } from "./notices.js";
import { $ } from "./words.js";

/** Connect the page's elements with its actions. */
export function wire(page) {
  buttons(page);
  pictures(page);
  keys(page);
  comings(page);
  folding();
  if (kept("theme")) document.documentElement.dataset.theme = kept("theme");
  api.whenUnknown(() => { if (!$("ask-token").open) $("ask-token").showModal(); });
}

/** Open the server with the token of the address, if there is one, and take it out: `address` and `state` take its place. */
export function entering(address = "", state = null) {
  const token = /^#token=(.+)$/.exec(location.hash);
  if (!token) return false;
  history.replaceState(state, "", address || location.pathname);
  enter(decoded(token[1]));
  return true;
}

function buttons({ state, go, filters, nothing, refresh, watch, grid }) {
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("results").focus(); }); // its address would be another search
  const pictures = (change) => go({ ...state(), view: "pictures", viewing: null, place: null, ...change });
  $("clear").addEventListener("click", () => { $("results").focus({ preventScroll: true }); pictures({ queries: [], active: 0, cut: null }); });
  $("together").addEventListener("click", () => pictures({ joined: !state().joined }));
  $("sort").addEventListener("change", () => pictures({ sort: $("sort").value }));
  $("home").addEventListener("click", (event) => { event.preventDefault(); filters.set({}); go({ ...nothing }); });
  $("show-pictures").addEventListener("click", () => state().view !== "pictures" && pictures({}));
  $("show-duplicates").addEventListener("click", () => state().view !== "duplicates" && go({ ...state(), view: "duplicates", viewing: null }));
  $("theme").addEventListener("click", theme);
  $("show-help").addEventListener("click", help);
  $("help").addEventListener("click", (event) => event.target === $("help") && $("help").close());
  $("help").addEventListener("close", raise);
  $("log-out").addEventListener("click", () => api.leave().then(() => location.reload(), trouble));
  $("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    enter($("token").value.trim(), async () => {
      if (!document.documentElement.dataset.ready) return location.reload();
      $("ask-token").close(); // what was chosen, sent and decided before the session ended is still here
      $("token").value = "";
      $("token-wrong").hidden = true;
      await watch();
      if (state().view === "pictures") await refresh(grid.length ? grid.place : state().place);
    });
  });
}

function pictures({ send, viewer }) {
  $("files").addEventListener("change", () => { send($("files").files).finally(() => { $("files").value = ""; }); });
  addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    if (pasted.length) { event.preventDefault(); send(pasted); }
  });
  let over = 0;
  const isFiles = (event) => !isOwn && event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (isFiles(event)) { event.preventDefault(); over++; $("drop").hidden = false; } });
  addEventListener("dragover", (event) => { if (isFiles(event)) event.preventDefault(); });
  addEventListener("dragleave", (event) => { if (isFiles(event) && --over <= 0) { over = 0; $("drop").hidden = true; } });
  addEventListener("drop", (event) => {
    over = 0;
    $("drop").hidden = true;
    if (!isFiles(event)) return;
    event.preventDefault();
    viewer.hide();
    send(event.dataTransfer.files, event.shiftKey);
  });
}

function keys({ state, filters, grid }) {
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.matches("input, select") && !document.querySelector("dialog[open]")) {
      $("results").focus({ preventScroll: true }); // out of the field
      return;
    }
    if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey) return;
    if (event.key === "?") return help();
    if (document.querySelector("dialog[open]")) return;
    if (state().view !== "pictures") return;
    if (event.key === "Escape" && state().queries.length) $("clear").click();
    if (event.key === "/") { event.preventDefault(); filters.toggle(true); $("filter-where").focus(); }
    const isFree = document.activeElement === document.body || document.activeElement === $("results");
    if (event.key.startsWith("Arrow") && grid.length && isFree) {
      event.preventDefault();
      grid.focus(grid.current);
    }
  });
}

/** The network comes back, the page is left or turned. */
function comings({ remember, watch }) {
  addEventListener("online", watch);
  addEventListener("pagehide", remember);
  let still;
  addEventListener("scroll", () => { clearTimeout(still); still = setTimeout(remember, 250); }, { passive: true });
}

function help() {
  if ($("help").open) return $("help").close();
  $("help").showModal();
  raise();
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  keep("theme", root.dataset.theme);
}

/** Begin a session, and go on `then`. */
async function enter(token, then = () => location.reload()) {
  try {
    await api.begin(token);
    await then();
  } catch (error) {
    $("token-wrong").hidden = error.status !== 401;
    if (error.status !== 401) trouble(error);
    else if (!$("ask-token").open) $("ask-token").showModal();
  }
}

/** A token from an address; one that was not encoded for it is taken as it is. */
function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}
