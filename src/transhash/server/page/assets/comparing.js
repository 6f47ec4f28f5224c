// A pair of pictures, large: side by side, one over the other under a slider, or their difference; and the decision on it.

import * as api from "./api.js";
import { drawDifference, drawFirst, drawSecond, frameOf } from "./laying.js";
import { note, raise, trouble } from "./notices.js";
import { $, bytes, count, make, number, percent } from "./words.js";

const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "both", ArrowDown: "differ" };
const MODES = { 1: "beside", 2: "slider", 3: "difference" };
const DONE = { left: "The left one is kept.", right: "The right one is kept.", both: "Both are kept.", differ: "They are not the same." };

export class Comparing {
  /** `source` has the groups: at(number), total; `changed()` is called after each decision. */
  constructor(source, decisions, facts, changed) {
    Object.assign(this, { source, decisions, facts, changed, mode: "beside", cut: 0.5 });
    for (const button of document.querySelectorAll("[data-verdict]")) button.addEventListener("click", () => this.decide(button.dataset.verdict));
    for (const button of document.querySelectorAll("[data-mode]")) button.addEventListener("click", () => this.look(button.dataset.mode));
    $("pair-close").addEventListener("click", () => $("pair").close());
    $("pair-undo").addEventListener("click", () => this.undo());
    $("pair-next").addEventListener("click", () => this.go(1));
    $("pair-previous").addEventListener("click", () => this.go(-1));
    $("pair-cut").addEventListener("input", () => this.slide(Number($("pair-cut").value) / 1000));
    $("pair").addEventListener("keydown", (event) => this.onKey(event));
    $("pair").addEventListener("close", () => { raise(); this.turn = {}; this.changed(this.number); });
    this.dragging($("pair-laid"));
    new ResizeObserver(() => this.fit()).observe($("pair-stage"));
  }

  /** Show a group, at its first pair that is not decided, or at the one of a picture. */
  async open(number, id = null) {
    const turn = (this.turn = {});
    try {
      const group = await this.source.at(number);
      if (turn !== this.turn || !group) return;
      const pairs = this.decisions.pairs(group);
      const place = id === null ? pairs.findIndex((pair) => !pair.verdict) : pairs.findIndex((pair) => pair.right.id === id);
      Object.assign(this, { number, group, place: Math.max(0, place) });
      if (!$("pair").open) { $("pair").showModal(); raise(); }
      await this.show(turn);
    } catch (error) {
      trouble(error);
    }
  }

  get pair() { return this.decisions.pairs(this.group)[this.place]; }

  async show(turn = (this.turn = {})) {
    const { left, right, verdict } = this.pair, pairs = this.group.same.length;
    $("pair-title").textContent = `Group ${number(this.number + 1)} of ${number(this.source.total)}${pairs > 1 ? `, pair ${this.place + 1} of ${pairs}` : ""}`;
    for (const button of document.querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", button.dataset.verdict === verdict);
    $("pair-said").textContent = verdict ? DONE[verdict] : "";
    $("pair-kind").textContent = right.kind ?? "";
    $("pair-why").textContent = "";
    $("pair-facts").replaceChildren();
    $("pair-difference").textContent = "";
    this.tell();
    this.onto = null;
    this.images = null;
    for (const [side, picture] of [["left", left], ["right", right]]) {
      $(`pair-${side}`).replaceChildren(api.image(picture, picture.path));
      $(`pair-${side}-name`).textContent = picture.path;
    }
    const answer = api.pair(left.id, right.id);
    const small = Promise.all([left, right].map((picture) => loaded(api.thumbnail(picture))));
    try {
      const found = await answer;
      if (turn !== this.turn) return;
      this.describe(found, left);
      this.onto = found.onto;
      this.images = await small;
      if (turn !== this.turn) return;
      this.draw();
      this.ahead();
      if (!this.facts().originals) return;
      const whole = await Promise.all([left, right].map((picture) => loaded(api.original(picture)))).catch(() => null);
      if (turn !== this.turn || !whole) return; // small copies are kept when files are gone
      this.images = whole;
      ["left", "right"].forEach((side, at) => { const shown = $(`pair-${side}`).firstElementChild; if (shown) shown.src = whole[at].src; });
      this.draw();
    } catch (error) {
      if (turn === this.turn) trouble(error);
    }
  }

  describe({ kind, why, differences }, left) {
    $("pair-kind").textContent = kind ?? "not alike";
    $("pair-why").textContent = why ? `${why}.` : "";
    const isProposed = left.id === this.group.keep.id && this.group.why;
    $("pair-proposed").textContent = isProposed ? `To keep the left one is proposed: ${this.group.why}.` : "";
    $("pair-facts").replaceChildren(...differences.map(({ what, one, other, words }) => make("tr", { className: words ? "differs" : "" },
      make("th", { scope: "row" }, what), make("td", {}, one || "–"), make("td", {}, other || "–"), make("td", {}, words))));
  }

  /** The running total. */
  tell() {
    const { files, bytes: freed } = this.decisions.tally;
    $("pair-tally").textContent = `${count(files, "file")} to remove, ${bytes(freed)}`;
  }

  look(mode) {
    this.mode = mode;
    for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", button.dataset.mode === mode);
    this.draw();
  }

  draw() {
    const isBeside = this.mode === "beside", isSlider = this.mode === "slider";
    $("pair-beside").hidden = !isBeside;
    $("pair-laid").hidden = isBeside;
    $("pair-cut").hidden = !isSlider;
    $("pair-difference").textContent = "";
    if (isBeside || !this.images) return;
    const [first, second] = this.images, frame = frameOf(first);
    this.frame = frame;
    this.fit();
    drawFirst($("pair-under"), first, frame);
    if (isSlider) drawSecond($("pair-over"), second, this.onto, frame);
    else {
      const share = drawDifference($("pair-over"), first, second, this.onto, frame);
      $("pair-difference").textContent = share === null ? "They do not lie on each other." : share === 0 ? "No pixel differs visibly." : `${percent(share)} of the pixels differ visibly.`;
    }
    this.slide(this.cut);
  }

  /** The laid pictures as large as there is room. */
  fit() {
    if (!this.frame || this.mode === "beside") return;
    const stage = $("pair-stage"), [width, height] = this.frame;
    const scale = Math.min((stage.clientWidth - 24) / width, (stage.clientHeight - 48) / height, Math.max(1, 520 / Math.max(width, height)));
    Object.assign($("pair-laid").style, { width: `${Math.max(1, width * scale)}px`, height: `${Math.max(1, height * scale)}px` });
  }

  slide(cut) {
    this.cut = Math.min(1, Math.max(0, cut));
    const isSlider = this.mode === "slider";
    $("pair-over").style.clipPath = isSlider ? `inset(0 0 0 ${100 * this.cut}%)` : "none";
    $("pair-line").hidden = !isSlider;
    $("pair-line").style.left = `${100 * this.cut}%`;
    $("pair-cut").value = Math.round(1000 * this.cut);
  }

  dragging(laid) {
    const to = (event) => { const box = laid.getBoundingClientRect(); this.slide((event.clientX - box.left) / box.width); };
    laid.addEventListener("pointerdown", (event) => { if (this.mode === "slider") { laid.setPointerCapture(event.pointerId); to(event); } });
    laid.addEventListener("pointermove", (event) => { if (this.mode === "slider" && (event.buttons || event.pointerType === "mouse")) to(event); });
  }

  async decide(verdict) {
    if (this.isTelling) return; // a key that was meant for the next pair
    const { left, right, verdict: before } = this.pair, { turn } = this;
    if (verdict === "differ" && left.version === right.version) return note("Both files have the same bytes: keep both instead.");
    try {
      this.isTelling = true;
      if (this.facts().writable && (verdict === "differ" || before === "differ")) await api.verdict(left.id, right.id, verdict === "differ");
    } catch (error) {
      return trouble(error);
    } finally {
      this.isTelling = false;
    }
    const hasGoneOn = turn !== this.turn; // to another pair, or away
    if (before && before !== verdict && !hasGoneOn) this.later();
    this.decisions.set(left, right, verdict);
    if (hasGoneOn) return $("pair").open ? this.tell() : this.changed(this.number);
    $("pair-announce").textContent = DONE[verdict];
    if (this.place + 1 < this.group.same.length) { this.place++; await this.show(); } else await this.go(1);
  }

  /** Another one may be kept now: what was decided on the pairs that follow was about other pairs. */
  later() {
    for (const { left, right, verdict } of this.decisions.pairs(this.group).slice(this.place + 1)) {
      if (verdict && verdict !== "differ") this.decisions.forget(left, right);
    }
  }

  /** Take the last decision back, and show its pair. */
  async undo() {
    const last = this.decisions.done.at(-1);
    if (!last) return note("Nothing was decided since the page was opened.");
    const [left, right] = last;
    try {
      if (this.facts().writable && this.decisions.of(left, right) === "differ") await api.verdict(left.id, right.id, false);
    } catch (error) {
      return trouble(error);
    }
    this.decisions.forget(left, right);
    const number = this.source.numberOf(right.id) ?? this.number;
    await this.open(number, right.id);
  }

  /** The next group, or the one before. */
  async go(step) {
    for (let next = this.number + step; next >= 0 && next < this.source.total; next += step) {
      if (await this.source.at(next).catch(() => true)) return this.open(next); // which says what is wrong
    }
    if (step > 0) { note("That was the last group.", { seconds: 4 }); await this.show(); }
  }

  /** Ask for the next group's pictures while this one is looked at. */
  async ahead() {
    const group = await this.source.at(this.number + 1).catch(() => null);
    for (const picture of group ? [group.keep, group.same[0]] : []) new Image().src = api.thumbnail(picture);
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    const verdict = KEYS[event.key];
    if (verdict) { if (!event.repeat) this.decide(verdict); } // a key that is held down decides on what was seen alone
    else if (MODES[event.key]) this.look(MODES[event.key]);
    else if (event.key === "Backspace") this.undo();
    else if (event.key === "PageDown" || event.key === "n") this.go(1);
    else if (event.key === "PageUp" || event.key === "p") this.go(-1);
    else return;
    event.preventDefault();
  }
}

/** An image when it has arrived. */
async function loaded(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}
