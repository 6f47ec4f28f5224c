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
      if ($("ask-name").returnValue === "save" && name) this.keep({ ...this.all, [name]: here() });
      $("search-name").value = "";
      $("ask-name").returnValue = "";
    });
  }

  /** Take up what was saved of a library. */
  open(library) {
    if (this.key === `searches:${library}`) return;
    this.key = `searches:${library}`;
    try { this.all = Object.fromEntries(Object.entries(JSON.parse(kept(this.key)) ?? {}).filter(([, address]) => /^#/.test(address))); } catch { this.all = {}; }
    this.tell();
  }

  /** The name of what is shown, if it was given one. */
  get name() { return Object.keys(this.all).find((name) => this.all[name] === this.here()); }

  forget() {
    const { [this.name]: _, ...others } = this.all;
    this.keep(others);
  }

  keep(all) {
    this.all = all;
    keep(this.key, JSON.stringify(all));
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
