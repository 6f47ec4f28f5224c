// A part of the open picture to search with: a rectangle, drawn with the mouse or a finger, or moved with the keyboard.

import { note } from "./notices.js";
import { $ } from "./words.js";

const STEP = 0.02; // of the picture, for a press of a key
const LEAST = 0.05; // of either side
const MOST = 1600; // pixels of either side that are sent: networks see fewer, and requests have a largest size

/** Let a part of the open picture be searched with; `search(file)` is given it as the file of a picture. */
export class Region {
  constructor(viewer, search) {
    this.viewer = viewer;
    this.search = search;
    $("part").addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    $("part-search").addEventListener("click", () => this.take());
    $("viewer").addEventListener("close", () => this.close());
    $("viewer-picture").addEventListener("load", () => { if (this.picture !== viewer.picture) this.close(); });
    $("region").addEventListener("keydown", (event) => this.onKey(event));
    const frame = $("frame");
    frame.addEventListener("pointerdown", (event) => this.begin(event));
    frame.addEventListener("pointermove", (event) => this.drag(event));
    frame.addEventListener("pointerup", (event) => this.end(event));
    frame.addEventListener("pointercancel", () => { this.from = null; });
  }

  get isOpen() { return !$("region").hidden; }

  open() {
    this.picture = this.viewer.picture;
    this.place({ left: 0.25, top: 0.25, right: 0.75, bottom: 0.75 });
    this.show(true);
    $("region").focus();
  }

  close() {
    if (!this.isOpen) return;
    const held = document.activeElement === $("region");
    this.show(false);
    if (held) $("part").focus();
  }

  show(isOpen) {
    this.from = null;
    $("region").hidden = $("part-search").hidden = !isOpen;
    $("part").setAttribute("aria-pressed", isOpen);
    $("frame").classList.toggle("parting", isOpen);
  }

  place(box) {
    this.box = box;
    const percent = (share) => `${(100 * share).toFixed(2)}%`;
    Object.assign($("region").style, { left: percent(box.left), top: percent(box.top), width: percent(box.right - box.left), height: percent(box.bottom - box.top) });
  }

  /** Where a pointer is, as shares of the picture. */
  at(event) {
    const { left, top, width, height } = $("viewer-picture").getBoundingClientRect();
    const within = (share) => Math.max(0, Math.min(1, share));
    return [within((event.clientX - left) / width), within((event.clientY - top) / height)];
  }

  begin(event) {
    if (!this.isOpen || !event.isPrimary) return;
    event.preventDefault();
    event.stopPropagation(); // it does not turn to the next picture
    $("frame").setPointerCapture(event.pointerId);
    this.from = this.at(event);
  }

  drag(event) {
    if (!this.from) return;
    const [x, y] = this.at(event), [fromX, fromY] = this.from;
    this.place({ left: Math.min(x, fromX), top: Math.min(y, fromY), right: Math.max(x, fromX), bottom: Math.max(y, fromY) });
  }

  end(event) {
    if (!this.from) return;
    event.stopPropagation();
    this.drag(event);
    this.from = null;
    const { left, top, right, bottom } = this.box;
    if (right - left >= LEAST && bottom - top >= LEAST) this.take();
    else this.place({ left: 0.25, top: 0.25, right: 0.75, bottom: 0.75 }); // a click is no part
  }

  onKey(event) {
    const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (step) this.move(...step, event.shiftKey);
    else if (event.key === "Enter") this.take();
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Move it, or with `isSize` its right lower corner. */
  move(x, y, isSize) {
    const { left, top, right, bottom } = this.box;
    const least = isSize ? [left + LEAST - right, top + LEAST - bottom] : [-left, -top];
    const dx = Math.max(least[0], Math.min(1 - right, x)), dy = Math.max(least[1], Math.min(1 - bottom, y));
    this.place({ left: isSize ? left : left + dx, top: isSize ? top : top + dy, right: right + dx, bottom: bottom + dy });
  }

  /** Search with what is in it. */
  async take() {
    const image = $("viewer-picture"), { left, top, right, bottom } = this.box;
    const { naturalWidth: wide, naturalHeight: high } = image;
    const canvas = document.createElement("canvas");
    const part = [(right - left) * wide, (bottom - top) * high], scale = Math.min(1, MOST / Math.max(...part));
    [canvas.width, canvas.height] = part.map((side) => Math.max(1, Math.round(side * scale)));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, left * wide, top * high, ...part, 0, 0, canvas.width, canvas.height);
    const content = await new Promise((done) => { canvas.toBlob(done, "image/png"); });
    if (!content) return note("This part cannot be read; try a larger one");
    const name = `part of ${this.picture.name}`;
    this.close();
    this.viewer.hide();
    this.search(new File([content], name, { type: "image/png" }));
  }
}
