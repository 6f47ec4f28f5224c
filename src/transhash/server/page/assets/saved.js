// Searches that were given a name: their addresses, kept in this browser for each library.

import { keep, kept } from "./kept.js";
import { $, make } from "./words.js";

export class Saved {
  /** `here()` is the address of what is shown; `go(address)` shows another. */
  constructor(here, go) {
    this.here = here;
    this.all = {};
    $("saved").addEventListener("change", () => { if ($("saved").value) go($("saved").value); });
    $("save").addEventListener("click", () => (this.name ? this.forget() : $("ask-name").showModal()));
    $("ask-name").addEventListener("close", () => {
      const name = $("search-name").value.trim();
      if ($("ask-name").returnValue === "save" && name) this.keep((all) => ({ ...all, [name]: here() }));
      $("search-name").value = "";
      $("ask-name").returnValue = "";
    });
    addEventListener("storage", (event) => { if (event.key === this.key) { this.read(); this.tell(); } });
  }

  /** Take up what was saved of a library. */
  open(library) {
    if (this.key === `searches:${library}`) return;
    this.key = `searches:${library}`;
    this.read();
    this.tell();
  }

  read() {
    try { this.all = Object.fromEntries(Object.entries(JSON.parse(kept(this.key)) ?? {}).filter(([, address]) => /^#/.test(address))); } catch { this.all = {}; }
  }

  /** The name of what is shown, if it was given one. */
  get name() { return Object.keys(this.all).find((name) => this.all[name] === this.here()); }

  forget() {
    const { name } = this;
    this.keep(({ [name]: _, ...others }) => others);
  }

  /** Keep what `change(all)` makes of what is saved by now, in other windows too. */
  keep(change) {
    this.read();
    this.all = change(this.all);
    keep(this.key, JSON.stringify(this.all));
    this.tell();
  }

  /** Something else is shown. */
  tell() {
    const names = Object.keys(this.all).sort((a, b) => a.localeCompare(b)), { name } = this;
    $("saved").hidden = !names.length;
    $("saved").replaceChildren(make("option", { value: "" }, "Saved searches"), ...names.map((each) => make("option", { value: this.all[each], selected: each === name }, each)));
    $("save").hidden = !this.here();
    $("save").textContent = name ? "Forget" : "Save";
    $("save").title = name ? `Forget the saved search ${name}` : "Save this search under a name";
  }
}
