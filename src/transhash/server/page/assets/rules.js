// Filters that are built by choosing: a column, what about it, and a value; each is shown in words.

import { $, make } from "./words.js";

const BUILT_IN = { name: "text", folder: "text", path: "text", width: "number", height: "number", size: "size in bytes", taken: "date", modified: "date" };
const EMPTY = { empty: ["is not known", "is null"], known: ["is known", "is not null"] };
// of each kind of column: what is said, and the filter's own operator
const OPERATORS = {
  text: { is: ["is", "="], isnt: ["is not", "!="], has: ["contains", "like"], begins: ["begins with", "like"], ...EMPTY },
  number: { is: ["is", "="], least: ["is at least", ">="], most: ["is at most", "<="], ...EMPTY },
  date: { is: ["is in", "="], least: ["is from", ">="], most: ["is until", "<="], ...EMPTY },
  boolean: { yes: ["is true", "= true"], no: ["is false", "= false"], ...EMPTY },
};
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
const named = (column) => (column in BUILT_IN ? column : `"${column.replaceAll('"', '""')}"`);
const isWhole = (operator) => operator in EMPTY || operator === "yes" || operator === "no"; // it needs no value

export class Rules {
  /** `onChange()` is called when a rule was added or taken away. */
  constructor(onChange) {
    this.onChange = onChange;
    this.list = []; // [column, operator, value]
    this.kinds = BUILT_IN;
    this.texts = {};
    $("rule-column").addEventListener("change", (event) => { event.stopPropagation(); this.offerOperators(); });
    $("rule-operator").addEventListener("change", (event) => { event.stopPropagation(); this.offerValues(); });
    $("rule-value").addEventListener("change", (event) => event.stopPropagation()); // it is not a filter until it is added
    $("rule-value").addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); this.add(); } });
    $("rule-add").addEventListener("click", () => this.add());
    this.offerColumns();
  }

  /** Take note of the library's columns and their kinds. */
  know(columns) { this.kinds = { ...BUILT_IN, ...columns }; }

  /** Offer the library's columns, and values of those that have texts. */
  offer(columns, texts, folders) {
    this.know(columns);
    this.texts = { ...texts, folder: folders };
    this.offerColumns();
  }

  operators(column) {
    const kind = this.kinds[column] ?? "text";
    return OPERATORS[kind === "size in bytes" ? "number" : kind === "path" ? "text" : kind] ?? OPERATORS.text;
  }

  offerColumns() {
    const before = $("rule-column").value;
    $("rule-column").replaceChildren(...Object.keys(this.kinds).map((column) => make("option", { value: column }, column)));
    if (before in this.kinds) $("rule-column").value = before;
    this.offerOperators();
  }

  offerOperators() {
    const operators = this.operators($("rule-column").value), before = $("rule-operator").value;
    $("rule-operator").replaceChildren(...Object.entries(operators).map(([name, [words]]) => make("option", { value: name }, words)));
    if (before in operators) $("rule-operator").value = before;
    this.offerValues();
  }

  offerValues() {
    const column = $("rule-column").value, kind = this.kinds[column];
    const value = $("rule-value");
    value.hidden = isWhole($("rule-operator").value);
    value.placeholder = { number: "800", "size in bytes": "2MB", date: "2024-05-01" }[kind] ?? "";
    value.inputMode = kind === "number" ? "decimal" : "text";
    $("rule-values").replaceChildren(...(Object.hasOwn(this.texts, column) ? this.texts[column] : []).map((text) => make("option", { value: text })));
  }

  add() {
    const column = $("rule-column").value, operator = $("rule-operator").value, value = isWhole(operator) ? "" : $("rule-value").value.trim();
    if (!isWhole(operator) && !value) return $("rule-value").focus();
    this.list = [...this.list.filter((each) => each.join("\0") !== [column, operator, value].join("\0")), [column, operator, value]];
    $("rule-value").value = "";
    this.show();
    this.onChange();
  }

  /** Choose what an address says. */
  set(list) {
    this.list = list;
    this.show();
  }

  show() {
    $("rule-list").hidden = !this.list.length;
    $("rule-list").replaceChildren(...this.list.map((rule) => make("li", {}, this.words(rule), make("button", { type: "button", className: "icon quiet", "aria-label": `Take away: ${this.words(rule)}`, onclick: () => this.take(rule) }, "×"))));
  }

  take(rule) {
    this.list = this.list.filter((each) => each !== rule);
    this.show();
    $("rule-column").focus();
    this.onChange();
  }

  words([column, operator, value]) {
    return [column, this.operators(column)[operator]?.[0] ?? operator, value].filter(Boolean).join(" ");
  }

  /** The rules in the filter language. */
  get filters() {
    return this.list.flatMap(([column, operator, value]) => {
      const own = this.operators(column)[operator]?.[1];
      if (!own) return []; // an address may say anything
      if (isWhole(operator)) return [`${named(column)} ${own}`];
      if (operator === "has") return [`${named(column)} ${own} ${quoted(`*${value}*`)}`];
      if (operator === "begins") return [`${named(column)} ${own} ${quoted(`${value}*`)}`];
      const isNumber = ["number", "size in bytes"].includes(this.kinds[column]);
      return [`${named(column)} ${own} ${isNumber && /^[-+\d.]+\s*\w*$/.test(value) ? value : quoted(value)}`];
    });
  }
}
