// One picture: in full size, with what is known of it, its code, what that depends on, and its neighbours.

import * as api from "./api.js";
import { file } from "./dragging.js";
import { note, raise, trouble } from "./notices.js";
import { $, bits, bytes, day, draw, make, nearness } from "./words.js";

const NEIGHBOURS = 12;
const RAMP = { of_global: [11, 150, 140], of_local: [232, 89, 12] }; // colours of the streams

export class Viewer {
  /** `events`: search(picture), opened(picture, index, isStep), closed(), remove(picture); `grid` gives the pictures to go through. */
  constructor(grid, facts, events) {
    this.grid = grid;
    this.facts = facts;
    this.events = events;
    $("close").addEventListener("click", () => this.close());
    $("viewer").addEventListener("close", () => this.closed());
    $("viewer").addEventListener("cancel", (event) => { event.preventDefault(); this.close(); });
    $("viewer").addEventListener("click", (event) => event.target === $("viewer") && this.close());
    $("viewer").addEventListener("keydown", (event) => this.onKey(event));
    $("previous").addEventListener("click", () => this.go(-1));
    $("next").addEventListener("click", () => this.go(1));
    $("more").addEventListener("click", () => { const picture = this.picture; this.hide(); events.search(picture); });
    $("remove").addEventListener("click", () => { const picture = this.picture; this.close(); events.remove(picture); });
    $("copy-path").addEventListener("click", () => this.copyPath());
    this.swipes(document.querySelector(".stage"));
    document.querySelectorAll("[data-map]").forEach((button) => button.addEventListener("click", () => this.explain(button.dataset.map)));
    new ResizeObserver(() => this.fit()).observe(document.querySelector(".stage"));
    $("viewer-picture").addEventListener("load", () => this.fit());
  }

  /** View a picture of the grid. */
  async open(index) {
    const picture = await this.grid.at(index);
    if (picture) await this.show(picture, index);
  }

  /** View a picture; `query` is the code that was searched with, if any. */
  async show(picture, index = null) {
    const isStep = $("viewer").open;
    this.abort?.abort();
    this.abort = new AbortController();
    this.picture = picture;
    this.index = index;
    this.maps = null;
    this.map = this.map ?? "";
    $("viewer-name").textContent = picture.name;
    this.picturing(picture);
    $("open").hidden = this.fallen;
    $("open").href = $("download").href = api.original(picture);
    $("download").hidden = this.fallen;
    $("download").download = file(picture.name, true)[1];
    $("remove").hidden = !this.facts().writable;
    $("previous").hidden = $("next").hidden = index === null;
    $("part").hidden = api.lacks("searches by picture");
    for (const part of document.querySelectorAll(".explanation")) part.hidden = api.lacks("explanations");
    this.tell(picture);
    this.pattern(picture);
    $("heat").hidden = true;
    this.fit();
    if (!$("viewer").open) $("viewer").showModal();
    raise();
    this.events.opened(picture, index, isStep);
    $("panel").scrollTop = $("viewer").scrollTop = 0; // on a phone the picture and what is known of it scroll together
    this.neighbours(picture);
    this.explain(this.map);
  }

  /** The small copy at once, which the grid has already, and the picture itself when it has arrived. */
  picturing(picture) {
    const image = $("viewer-picture");
    image.alt = picture.path;
    if (api.lacks("thumbnails")) image.removeAttribute("src");
    else image.src = api.thumbnail(picture);
    this.fallen = !this.facts().originals;
    if (this.fallen) return;
    const whole = new Image();
    whole.decoding = "async";
    whole.src = api.original(picture);
    whole.decode().then(() => {
      if (picture === this.picture && $("viewer").open) image.src = whole.src;
    }, () => { // the file may be gone, but its small copy is kept
      if (picture !== this.picture) return;
      this.fallen = true;
      $("open").hidden = $("download").hidden = true;
    });
  }

  async copyPath() {
    try {
      await navigator.clipboard.writeText(this.picture.path);
      note("The path is on the clipboard", { seconds: 4 });
    } catch {
      note(this.picture.path); // pages without https may not write there: it can be copied from here
    }
  }

  /** A finger that moves sideways turns to the next picture; where fingers have enlarged the page, it moves that. */
  swipes(stage) {
    let from = null;
    visualViewport.addEventListener("resize", () => stage.classList.toggle("pinched", visualViewport.scale > 1.01));
    stage.addEventListener("pointerdown", (event) => { from = event.isPrimary && event.pointerType !== "mouse" && !stage.classList.contains("pinched") ? event.clientX : null; });
    stage.addEventListener("pointerup", (event) => {
      if (from !== null && Math.abs(event.clientX - from) > 50) this.go(event.clientX < from ? 1 : -1);
      from = null;
    });
    stage.addEventListener("pointercancel", () => { from = null; });
  }

  tell(picture) {
    const facts = [
      ["Folder", picture.folder || "."],
      ["Pixels", picture.width && `${picture.width} × ${picture.height}`], // a vector has none
      ["File", picture.width && bytes(picture.bytes)],
      ["Taken", picture.taken && day(picture.taken)],
      ["Changed", picture.width && day(picture.modified)],
      ...Object.entries(picture.columns).map(([column, value]) => [column, String(value)]),
    ];
    if ("distance" in picture && this.query?.()) {
      facts.unshift([picture.identical ? "Likeness" : "Distance", nearness(picture)]);
    }
    $("facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([what, value]) => [make("dt", {}, what), make("dd", {}, value)]));
  }

  /** The code as squares, dark where a bit is set; outlined where it differs from the query's. */
  pattern(picture) {
    const own = unpack(picture.code), code = this.query?.();
    const other = code && code.length === picture.code.length ? unpack(code) : null;
    const side = own.length > 128 ? 16 : 8;
    const svg = $("bits");
    svg.setAttribute("viewBox", `-.1 -.1 ${side + 0.2} ${own.length / side + 0.2}`);
    let differing = 0;
    svg.replaceChildren(...own.map((bit, at) => {
      const differs = other && bit !== other[at];
      differing += differs ? 1 : 0;
      return draw("rect", { x: (at % side) + 0.1, y: Math.floor(at / side) + 0.1, width: 0.8, height: 0.8, rx: 0.12, class: `cell${bit ? " on" : ""}${differs ? " differs" : ""}` });
    }));
    const text = other ? `${differing} of ${own.length} bits differ from the picture searched with.` : `${own.length} bits, ${own.filter(Boolean).length} of them set.`;
    svg.setAttribute("aria-label", text);
    $("bits-text").replaceChildren(text, make("br"), make("code", {}, picture.code));
  }

  async neighbours(picture) {
    $("neighbours").replaceChildren();
    try {
      const { results } = await api.byId(picture.id, { k: NEIGHBOURS + 1 }, this.abort.signal);
      const near = results[0].hits.filter((hit) => hit.id !== picture.id).slice(0, NEIGHBOURS);
      $("neighbours").replaceChildren(...near.map((hit) => make("li", {},
        make("button", { type: "button", title: hit.path, "aria-label": `${hit.path}, ${bits(hit.distance)}: view`, onclick: () => this.show(withoutDistance(hit)) },
          api.image(hit), make("span", { className: "badge", "aria-hidden": "true" }, String(hit.distance))))));
    } catch (error) {
      trouble(error);
    }
  }

  /** Lay one stream's map over the picture, or none. */
  async explain(map) {
    this.map = map;
    document.querySelectorAll("[data-map]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.map === map));
    $("map-text").hidden = !map;
    $("heat").hidden = true;
    if (!map) return;
    const picture = this.picture;
    try {
      this.maps ??= await api.occlusion(picture.id, this.abort.signal);
    } catch (error) {
      return trouble(error);
    }
    if (picture !== this.picture || map !== this.map) return;
    const cells = this.maps[map];
    if (!cells) return;
    const side = cells.length, least = Math.min(...cells.flat()), span = Math.max(...cells.flat()) - least || 1;
    const small = make("canvas", { width: side, height: side });
    const pixels = new ImageData(side, side);
    cells.flat().forEach((move, at) => pixels.data.set([...RAMP[map], 25 + 175 * ((move - least) / span)], 4 * at));
    small.getContext("2d").putImageData(pixels, 0, 0);
    const canvas = $("heat");
    canvas.width = canvas.height = side * 32;
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    canvas.hidden = false;
    this.fit();
  }

  /** The picture as large as there is room, small ones enlarged, and the map over the square that the network sees. */
  fit() {
    const { picture } = this;
    if (!picture) return;
    const style = getComputedStyle(document.querySelector(".stage")), stage = document.querySelector(".stage");
    const room = [stage.clientWidth - 2 * parseFloat(style.paddingLeft), stage.clientHeight - 2 * parseFloat(style.paddingTop)];
    const wide = picture.width || $("viewer-picture").naturalWidth, high = picture.height || $("viewer-picture").naturalHeight; // of a vector's picture the library knows no size
    const scale = wide && high ? Math.max(0, Math.min(room[0] / wide, room[1] / high, Math.max(1, 520 / Math.max(wide, high)))) : 0;
    const width = wide * scale, height = high * scale;
    Object.assign($("viewer-picture").style, { width: `${width}px`, height: `${height}px` });
    const side = Math.min(width, height) * (this.maps?.crop ?? 1);
    Object.assign($("heat").style, { width: `${side}px`, height: `${side}px`, left: `${(width - side) / 2}px`, top: `${(height - side) / 2}px` });
  }

  async go(step) {
    if (this.index === null) return;
    const from = this.picture, picture = await this.grid.at(this.index + step);
    if (picture && from === this.picture && $("viewer").open) this.show(picture, this.index + step); // unless one has moved on or left meanwhile
  }

  onKey(event) {
    if (event.target.matches("input, select")) return;
    if (event.key === "ArrowLeft") this.go(-1);
    else if (event.key === "ArrowRight") this.go(1);
    else if (event.key === "p" && !$("part").hidden && !event.ctrlKey && !event.metaKey) $("part").click();
    else if (event.key === "Enter" && !event.target.closest("button, a")) $("more").click();
  }

  /** The user is done: back to where it was opened. */
  close() {
    this.hide();
    this.events.closed();
  }

  hide() {
    if (!$("viewer").open) return;
    this.isHiding = true;
    $("viewer").close();
    this.refocus(); // at once, not with the event: the next key is for the picture that was viewed
  }

  closed() {
    raise();
    if (!this.isHiding) { // the browser itself has closed it
      this.events.closed();
      this.refocus();
    }
    this.isHiding = false;
    this.abort?.abort();
    $("viewer-picture").removeAttribute("src");
  }

  refocus() {
    if (this.index !== null && this.grid.length) this.grid.focus(this.index);
    else $("results").focus({ preventScroll: true });
  }
}

function unpack(hex) {
  return [...hex].flatMap((digit) => [8, 4, 2, 1].map((bit) => (parseInt(digit, 16) & bit ? 1 : 0)));
}

/** A neighbour's distance is to another picture than the one that was searched with. */
function withoutDistance({ distance, probability, identical, ...picture }) { return picture; }
