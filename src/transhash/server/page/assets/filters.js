// Filters: fields for what people filter by most, which together make a filter of the library's own language.

import { $, make } from "./words.js";

const FIELDS = ["filter-folder", "filter-from", "filter-to", "filter-size", "filter-where"];
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
const name = (column) => `"${column.replaceAll('"', '""')}"`;

export class Filters {
  /** `onChange(where)` is called with the filter, or "" for none. */
  constructor(onChange) {
    this.onChange = onChange;
    this.where = "";
    this.texts = [];
    $("filters").addEventListener("submit", (event) => { event.preventDefault(); this.change(); });
    $("filters").addEventListener("change", () => this.change());
    $("toggle-filters").addEventListener("click", () => this.toggle());
    $("clear-filters").addEventListener("click", () => this.clear());
  }

  toggle(open = !$("filters").classList.contains("open")) {
    $("filters").classList.toggle("open", open);
    $("toggle-filters").setAttribute("aria-expanded", open);
  }

  /** Offer the folders, and a choice for each of the users' own columns of texts. */
  offer({ folders, texts }) {
    const all = new Set(folders);
    for (const folder of folders) { // those that contain others have perhaps no pictures of their own
      for (let at = folder.indexOf("/", 1); at > 0; at = folder.indexOf("/", at + 1)) all.add(folder.slice(0, at));
    }
    all.delete("");
    $("folders").replaceChildren(...[...all].sort().map((folder) => make("option", { value: folder })));
    const chosen = new Map(this.texts.map(({ column, select }) => [column, select.value]));
    this.texts = Object.entries(texts).map(([column, values]) => {
      const select = make("select", {}, make("option", { value: "" }, "any"), ...values.map((value) => make("option", { value }, value)));
      select.value = chosen.get(column) ?? "";
      return { column, select };
    });
    $("filter-texts").replaceChildren(...this.texts.map(({ column, select }) => make("label", {}, column[0].toUpperCase() + column.slice(1), select)));
  }

  clear() {
    for (const id of FIELDS) $(id).value = "";
    for (const { select } of this.texts) select.value = "";
    this.change();
  }

  wrong(isWrong) {
    $("filters").classList.toggle("wrong", isWrong);
    $("filter-where").setAttribute("aria-invalid", isWrong);
    if (isWrong) this.toggle(true);
  }

  change() {
    const folder = $("filter-folder").value.trim().replace(/(.)\/+$/, "$1");
    const parts = [];
    // a folder with all that is below it; in a pattern, * and % stand for anything
    if (folder) parts.push(/[*%]/.test(folder) ? `folder like ${quoted(folder)}` : `(folder = ${quoted(folder)} or folder like ${quoted(folder + "/*")})`);
    for (const { column, select } of this.texts) if (select.value) parts.push(`${name(column)} = ${quoted(select.value)}`);
    if ($("filter-from").value) parts.push(`taken >= ${quoted($("filter-from").value)}`);
    if ($("filter-to").value) parts.push(`taken <= ${quoted($("filter-to").value)}`);
    if ($("filter-size").value) parts.push(`(width >= ${$("filter-size").value} or height >= ${$("filter-size").value})`);
    const own = $("filter-where").value.trim();
    if (own) parts.push(parts.length ? `(${own})` : own);
    const where = parts.join(" and ");
    $("filter-count").textContent = parts.length ? ` · ${parts.length}` : "";
    $("clear-filters").hidden = !parts.length;
    if (where === this.where) return;
    this.where = where;
    this.wrong(false);
    this.onChange(where);
  }
}
