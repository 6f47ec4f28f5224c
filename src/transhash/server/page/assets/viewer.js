// One picture: in full size, with what is known of it, its code, what that depends on, and its neighbours.

import * as api from "./api.js";
import { $, bits, bytes, day, draw, make, percent, trouble } from "./words.js";

const NEIGHBOURS = 12;
const RAMP = { of_global: [11, 150, 140], of_local: [232, 89, 12] }; // colours of the streams

export class Viewer {
  /** `events`: search(picture), removed(picture); `grid` gives the pictures to go through. */
  constructor(grid, facts, events) {
    this.grid = grid;
    this.facts = facts;
    this.events = events;
    $("close").addEventListener("click", () => this.close());
    $("viewer").addEventListener("close", () => this.closed());
    $("viewer").addEventListener("click", (event) => event.target === $("viewer") && this.close());
    $("viewer").addEventListener("keydown", (event) => this.onKey(event));
    $("previous").addEventListener("click", () => this.go(-1));
    $("next").addEventListener("click", () => this.go(1));
    $("more").addEventListener("click", () => { const picture = this.picture; this.close(); events.search(picture); });
    $("remove").addEventListener("click", () => this.remove());
    document.querySelectorAll("[data-map]").forEach((button) => button.addEventListener("click", () => this.explain(button.dataset.map)));
    new ResizeObserver(() => this.fit()).observe(document.querySelector(".stage"));
    $("viewer-picture").addEventListener("load", () => this.fit());
    $("viewer-picture").addEventListener("error", () => this.unshown());
  }

  /** View a picture of the grid. */
  async open(index) {
    const picture = await this.grid.at(index);
    if (picture) this.show(picture, index);
  }

  /** View a picture; `query` is the code that was searched with, if any. */
  async show(picture, index = null) {
    this.abort?.abort();
    this.abort = new AbortController();
    this.picture = picture;
    this.index = index;
    this.maps = null;
    this.map = this.map ?? "";
    $("viewer-name").textContent = picture.name;
    const image = $("viewer-picture");
    image.alt = picture.path;
    this.fallen = !this.facts().originals;
    image.src = this.fallen ? api.thumbnail(picture) : api.original(picture);
    $("open").hidden = this.fallen;
    $("open").href = api.original(picture);
    $("remove").hidden = !this.facts().writable;
    $("previous").hidden = $("next").hidden = index === null;
    this.tell(picture);
    this.pattern(picture);
    $("heat").hidden = true;
    this.fit();
    if (!$("viewer").open) $("viewer").showModal();
    $("panel").scrollTop = 0;
    this.neighbours(picture);
    this.explain(this.map);
  }

  tell(picture) {
    const facts = [
      ["Folder", picture.folder || "."],
      ["Pixels", `${picture.width} × ${picture.height}`],
      ["File", bytes(picture.bytes)],
      ["Taken", picture.taken && day(picture.taken)],
      ["Changed", day(picture.modified)],
      ...Object.entries(picture.columns).map(([column, value]) => [column, String(value)]),
    ];
    if ("distance" in picture && this.query?.()) {
      facts.unshift(["Distance", bits(picture.distance) + (picture.probability === null ? "" : ` (${percent(picture.probability)} likely alike)`)]);
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
    const scale = Math.max(0, Math.min(room[0] / picture.width, room[1] / picture.height, Math.max(1, 520 / Math.max(picture.width, picture.height))));
    const width = picture.width * scale, height = picture.height * scale;
    Object.assign($("viewer-picture").style, { width: `${width}px`, height: `${height}px` });
    const side = Math.min(width, height) * (this.maps?.crop ?? 1);
    Object.assign($("heat").style, { width: `${side}px`, height: `${side}px`, left: `${(width - side) / 2}px`, top: `${(height - side) / 2}px` });
  }

  unshown() {
    if (this.fallen) return;
    this.fallen = true; // the file may be gone, but its small copy is kept
    $("open").hidden = true;
    $("viewer-picture").src = api.thumbnail(this.picture);
  }

  async go(step) {
    if (this.index === null) return;
    const picture = await this.grid.at(this.index + step);
    if (picture) this.show(picture, this.index + step);
  }

  async remove() {
    const picture = this.picture;
    try {
      await api.remove(picture.id);
      this.close();
      this.events.removed(picture);
    } catch (error) {
      trouble(error);
    }
  }

  onKey(event) {
    if (event.target.matches("input, select")) return;
    if (event.key === "ArrowLeft") this.go(-1);
    else if (event.key === "ArrowRight") this.go(1);
    else if (event.key === "Enter" && !event.target.closest("button, a")) $("more").click();
  }

  close() { $("viewer").close(); }

  closed() {
    this.abort?.abort();
    $("viewer-picture").removeAttribute("src");
    if (this.index !== null) this.grid.focus(this.index);
  }
}

function unpack(hex) {
  return [...hex].flatMap((digit) => [8, 4, 2, 1].map((bit) => (parseInt(digit, 16) & bit ? 1 : 0)));
}

/** A neighbour's distance is to another picture than the one that was searched with. */
function withoutDistance({ distance, probability, ...picture }) { return picture; }
