// Numbers and names for people.

const whole = new Intl.NumberFormat("en");
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

export const count = (n, one, many = one + "s") => `${whole.format(n)} ${n === 1 ? one : many}`;
export const number = (n) => whole.format(n);
export const percent = (p) => (p >= 0.995 ? "100\u00a0%" : p < 0.095 ? `${(p * 100).toFixed(1)}\u00a0%` : `${Math.round(p * 100)}\u00a0%`);
export const bits = (n) => count(n, "bit");
export const day = (text) => days.format(new Date(text));

export function bytes(n) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) if (n >= size) return `${(n / size).toFixed(n >= 10 * size ? 0 : 1)} ${unit}`;
  return `${n} bytes`;
}

/** Make an element: properties, then children (texts are never markup). */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Make an element of SVG. */
export function draw(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export const wait = (ms) => new Promise((done) => setTimeout(done, ms));
export const $ = (id) => document.getElementById(id);

/** What is told of a hit: how near it is, how likely to be alike where that is known; the same file is called so. */
export function nearness({ identical, distance, probability, copies = [] }) {
  const more = copies.length ? `, and ${count(copies.length, "copy", "copies")}` : "";
  if (identical) return `the same picture${more}`;
  return bits(distance) + (probability == null ? "" : ` (${percent(probability)} likely alike)`) + more;
}

/** The same in a few characters. */
export function badge({ identical, distance, probability, copies = [] }) {
  const more = copies.length ? ` · +${copies.length}` : "";
  if (identical) return `same${more}`;
  return `${distance}${probability == null ? "" : ` · ${percent(probability)}`}${more}`;
}
