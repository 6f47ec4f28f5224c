// Filters: fields for what people filter by most, which together make a filter of the library's own language.

import { Rules } from "./rules.js";
import { $, make } from "./words.js";

const FIELDS = ["folder", "from", "to", "size", "where"];
const MOST_CHOICES = 12; // columns of texts; the filter field reaches all others
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
const name = (column) => `"${column.replaceAll('"', '""')}"`;

const COLUMN = String.raw`(?<![\p{L}\p{N}_'"])([\p{L}_][\p{L}\p{N}_]*|"(?:[^"]|"")+")`;
const SIGN = String.raw`\s*(?:!=|[=<>])`;
const WORD = String.raw`\s+(?:(?:not\s+)?(?:like\b|in\s*\()|is\s+(?:not\s+)?null\b)`;
const LITERAL = String.raw`[=<>]*\s*(?:'(?:[^']|'')*'|[-+]?\d[\d.]*\p{L}*|true|false)\s*(?:$|\)|and\b|or\b)`;
const BEFORE = new RegExp(`${COLUMN}(?:${SIGN}|${WORD})`, "giu"); // an operator, and what may be a column before it
const AFTER = new RegExp(String.raw`[=<>]\s*${COLUMN}`, "giu");
const WHOLE = new RegExp(COLUMN + SIGN + LITERAL, "iu"); // a condition, although there may be no such column: the server names those there are

/** Whether what was typed is meant as a filter: an operator stands next to a column, or between a name and a value. */
function isFilter(text, columns) {
  const known = new Set(Object.keys(columns).map((column) => column.toLowerCase()));
  const isKnown = ([, column]) => known.has(column.replace(/^"(.*)"$/s, "$1").replaceAll('""', '"').toLowerCase());
  return WHOLE.test(text) || [...text.matchAll(BEFORE), ...text.matchAll(AFTER)].some(isKnown);
}

/** A filter for what was typed: one of the language as it is; plain words are looked for in names and folders. */
function filterOf(text, columns) {
  if (isFilter(text, columns)) return text;
  const words = [...text.matchAll(/"([^"]+)"|\S+/g)].map(([word, phrase]) => phrase ?? word); // in quotes they stay together
  return words.map((word) => `(name like ${quoted(`*${word}*`)} or folder like ${quoted(`*${word}*`)})`).join(" and ");
}

/** A filter for a folder with all that is below it; in a pattern, * and % stand for anything, but not in the name of a folder that there is. */
function within(folder, known) {
  if (!/[*%]/.test(folder)) return `(folder = ${quoted(folder)} or folder like ${quoted(folder + "/*")})`;
  if (!known.has(folder)) return `folder like ${quoted(folder)}`;
  return `(path >= ${quoted(folder + "/")} and path < ${quoted(folder + "0")})`; // 0 is the letter after /
}

export class Filters {
  /** `onChange(values)` is called with what was chosen; `where` is then the filter, or "" for none. `onOpen()`: it is to be seen what can be chosen. */
  constructor(onChange, onOpen) {
    this.onChange = onChange;
    this.onOpen = onOpen;
    this.where = "";
    this.given = {}; // what the filter was made of
    this.texts = [];
    this.folders = new Set(); // that were offered
    this.rules = new Rules(() => this.change());
    $("filters").addEventListener("submit", (event) => { event.preventDefault(); this.change(); });
    $("filters").addEventListener("change", () => this.change());
    $("toggle-filters").addEventListener("click", () => this.toggle());
    $("clear-filters").addEventListener("click", () => this.clear());
  }

  toggle(open = !$("filters").classList.contains("open")) {
    if (open && !$("filters").classList.contains("open")) this.onOpen();
    $("filters").classList.toggle("open", open);
    $("toggle-filters").setAttribute("aria-expanded", open);
  }

  /** Take note of the users' own columns, before any filter is made. */
  know(columns) { this.rules.know(columns); }

  /** Offer the folders, and a choice for each of the users' own columns of texts. */
  offer({ folders, texts, columns }) {
    const said = JSON.stringify([folders, texts, columns]);
    if (said === this.offered) return; // whoever is choosing is not disturbed
    this.offered = said;
    const all = new Set(folders);
    for (const folder of folders) { // those that contain others have perhaps no pictures of their own
      for (let at = folder.indexOf("/", 1); at > 0; at = folder.indexOf("/", at + 1)) all.add(folder.slice(0, at));
    }
    all.delete("");
    this.folders = all;
    this.rules.offer(columns, texts, [...all].sort());
    $("folders").replaceChildren(...[...all].sort().map((folder) => make("option", { value: folder })));
    const chosen = new Map([...Object.entries(this.wanted ?? {}), ...this.texts.map(({ column, select }) => [column, select.value])]);
    this.texts = Object.entries(texts).slice(0, MOST_CHOICES).map(([column, values]) => {
      const select = make("select", {}, make("option", { value: "" }, "any"), ...values.map((value) => make("option", { value }, value)));
      if (chosen.get(column) && !values.includes(chosen.get(column))) select.append(make("option", { value: chosen.get(column) }, chosen.get(column)));
      select.value = chosen.get(column) ?? "";
      return { column, select };
    });
    $("filter-texts").replaceChildren(...this.texts.map(({ column, select }) => make("label", {}, column[0].toUpperCase() + column.slice(1), select)));
    this.compose(this.given); // what kind of value a rule has is known now; what is being typed is no filter yet
  }

  clear() {
    for (const field of FIELDS) $(`filter-${field}`).value = "";
    for (const { select } of this.texts) select.value = "";
    this.rules.set([]);
    this.change();
  }

  /** What is wrong with the filter, at its field; "" for nothing. */
  wrong(text) {
    $("filters").classList.toggle("wrong", Boolean(text));
    $("filter-where").setAttribute("aria-invalid", Boolean(text));
    $("filter-wrong").textContent = text;
    $("filter-wrong").hidden = !text;
    if (text) this.toggle(true);
  }

  /** What is chosen. */
  get values() {
    const values = Object.fromEntries(FIELDS.map((field) => [field, $(`filter-${field}`).value.trim()]).filter(([, value]) => value));
    const texts = this.texts.filter(({ select }) => select.value).map(({ column, select }) => [column, select.value]);
    return { ...values, ...(texts.length ? { texts: Object.fromEntries(texts) } : {}), ...(this.rules.list.length ? { rules: this.rules.list } : {}) };
  }

  /** Choose what an address says. */
  set(values) {
    this.given = values;
    this.wanted = values.texts ?? {};
    this.rules.set(values.rules ?? []);
    for (const field of FIELDS) $(`filter-${field}`).value = values[field] ?? "";
    for (const { column, select } of this.texts) select.value = this.wanted[column] ?? "";
    this.compose(values);
  }

  change() {
    const before = this.where;
    this.compose(this.given = this.values);
    if (this.where !== before) this.onChange(this.values);
  }

  compose({ folder: given = "", from, to, size, where: typed = "", texts = {} }) {
    const folder = given.replace(/(.)\/+$/, "$1");
    const parts = [];
    if (folder) parts.push(within(folder, this.folders));
    for (const [column, value] of Object.entries(texts)) if (value) parts.push(`${name(column)} = ${quoted(value)}`);
    if (from) parts.push(`taken >= ${quoted(from)}`);
    if (to) parts.push(`taken <= ${quoted(to)}`);
    if (/^\d+$/.test(size ?? "")) parts.push(`(width >= ${size} or height >= ${size})`);
    parts.push(...this.rules.filters);
    const own = filterOf(typed, this.rules.kinds);
    if (own) parts.push(parts.length ? `(${own})` : own);
    $("filter-count").textContent = parts.length ? `\u00a0· ${parts.length}` : "";
    $("clear-filters").hidden = !parts.length;
    const where = parts.join(" and ");
    if (where !== this.where) this.wrong("");
    this.where = where;
  }
}
