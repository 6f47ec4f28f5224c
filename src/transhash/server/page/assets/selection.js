// Pictures that were chosen: what is done with all of them at once.

import * as api from "./api.js";
import { note, trouble, waiting } from "./notices.js";
import { $, bytes, count, make } from "./words.js";
import { MOST_BYTES, zip } from "./zip.js";

const MOST = 1000; // pictures
const MARK = "\ufeff"; // by which spreadsheets know that a table is UTF-8
const MOST_FILES = 200; // in one download, which is made in memory
const chosen = new Map(); // id -> picture

/** Whether a picture is chosen. */
export const isChosen = (id) => chosen.has(id);

/** Let pictures of the grid be chosen; `search(pictures)` searches with several together. */
export function choosing(grid, { search }) {
  let last = null; // the picture that was chosen or let go last, wherever it is in the list by now

  async function toggle(index, isRange) {
    const here = await grid.at(index), wants = !chosen.has(here?.id);
    const from = (isRange && last ? grid.indexOf(last) : null) ?? index;
    for (let at = Math.min(from, index); at <= Math.max(from, index); at++) {
      const picture = await grid.at(at);
      if (!picture) continue;
      if (!wants) chosen.delete(picture.id);
      else if (chosen.size < MOST) chosen.set(picture.id, picture);
      else { note(`At most ${count(MOST, "picture")} can be chosen`); break; }
    }
    last = here;
    tell();
  }

  function clear() {
    const held = $("picks").contains(document.activeElement);
    chosen.clear();
    last = null;
    tell();
    if (held) $("results").focus({ preventScroll: true });
  }

  function tell() {
    for (const item of $("grid").children) mark(item, chosen.has(Number(item.dataset.id)));
    $("picks").hidden = !chosen.size;
    $("picks-count").textContent = `${count(chosen.size, "picture")} chosen`;
    $("picks-files").hidden = api.lacks("originals");
    document.body.classList.toggle("choosing", chosen.size > 0);
  }

  $("grid").addEventListener("click", (event) => {
    const item = event.target.closest(".pick")?.closest("li");
    if (!item) return;
    event.stopPropagation();
    toggle(item.index, event.shiftKey).catch(trouble);
  }, true);
  $("grid").addEventListener("keydown", (event) => {
    const item = event.target.closest("li");
    if (!item || event.key.toLowerCase() !== "x" || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    toggle(item.index, event.shiftKey).catch(trouble);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !chosen.size || document.querySelector("dialog[open]") || event.target.matches("input, select")) return;
    event.stopPropagation(); // the search stays
    clear();
  });
  $("picks-none").addEventListener("click", clear);
  $("picks-search").addEventListener("click", () => { const pictures = [...chosen.values()]; clear(); search(pictures); });
  $("picks-paths").addEventListener("click", copyPaths);
  $("picks-table").addEventListener("click", () => save(new Blob([MARK, table([...chosen.values()])], { type: "text/csv" }), "pictures.csv"));
  $("picks-files").addEventListener("click", () => download().catch(trouble));
}

function mark(item, isChosen) {
  item.classList.toggle("chosen", isChosen);
  item.querySelector(".pick").setAttribute("aria-pressed", isChosen);
}

async function copyPaths() {
  const text = [...chosen.values()].map((picture) => picture.path).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    note(`${count(chosen.size, "path")} on the clipboard`, { seconds: 4 });
  } catch {
    save(new Blob([text + "\n"], { type: "text/plain" }), "paths.txt"); // pages without https may not write there
  }
}

/** What is known of pictures as a table, with a row for each (CSV, RFC 4180). */
function table(pictures) {
  const own = [...new Set(pictures.flatMap((picture) => Object.keys(picture.columns)))].sort();
  const fields = ["id", "path", "width", "height", "bytes", "taken", "modified", "code", ...(pictures.some((each) => "distance" in each) ? ["distance"] : [])];
  const rows = pictures.map((picture) => [...fields.map((field) => picture[field]), ...own.map((column) => picture.columns[column])]);
  return [[...fields, ...own], ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
}

/** A cell; a text that a spreadsheet would compute is kept a text. */
function cell(value) {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" && /^[=+@\t\r-]/.test(value) && !/^-\d+$/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function download() {
  const pictures = [...chosen.values()];
  if (pictures.length > MOST_FILES) return note(`At most ${MOST_FILES} pictures can be downloaded at once; choose fewer`);
  const done = waiting(`Getting ${count(pictures.length, "picture")}…`);
  try {
    const files = [], names = new Set(), gone = [], small = [];
    let size = 0;
    for (const picture of pictures) {
      const { content, isSmall } = await api.content(picture).catch((error) => { if (error.status === 404) return {}; throw error; });
      if (!content) { gone.push(picture.name); continue; }
      if (isSmall) small.push(picture.name);
      size += content.size;
      if (pictures.length > 1 && size > MOST_BYTES) return note(`At most ${bytes(MOST_BYTES)} can be downloaded at once; choose fewer`);
      files.push({ name: unused(named(picture.name, content.type), names), content });
    }
    if (gone.length) note(`Left out, for they are no longer in the library: ${few(gone)}`);
    if (small.length) note(`The server has only small copies of: ${few(small)}`);
    if (!files.length) return;
    if (files.length === 1) save(files[0].content, files[0].name);
    else save(await zip(files), "pictures.zip");
  } finally {
    done();
  }
}

/** Names, the first few of many. */
const few = (names) => names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");

/** The name of a file, one that any system has; the server gives some kinds of pictures as PNG. */
function named(name, type) {
  const plain = name.replace(/[\\/:*?"<>|\0-\x1f]/g, "_");
  return type === "image/png" && !/\.png$/i.test(plain) ? `${plain}.png` : plain;
}

function unused(name, names) {
  const [, stem, suffix] = /^(.*?)(\.[^.]*)?$/s.exec(name);
  let free = name;
  for (let number = 2; names.has(free.toLowerCase()); number++) free = `${stem} (${number})${suffix ?? ""}`;
  names.add(free.toLowerCase());
  return free;
}

function save(content, name) {
  const link = make("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
