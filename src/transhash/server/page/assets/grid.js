// A justified grid of any number of pictures. Rows are computed as pages of pictures arrive; of the rows only those near
// the window are elements, and of the pages only those near it are kept: the others are asked for again.

import { GAP, Rows } from "./rows.js";
import { atOrBefore, ratioOf, tile } from "./tile.js";

const PAGE = 120; // pictures asked for at once
const AHEAD = 1200; // pixels above and below the window for which rows exist
const KEPT = 24; // pages
const HIGHEST = 12e6; // pixels: browsers cannot make much higher elements, so that the grid moves under its own window
const SHIFT = 6e6;

export class Grid {
  /**
   * `fetchPage(cursor, size, signal)` gives {pictures, next}: `next` is the cursor of what follows, or null at the end.
   * `events`: search(picture, event), view(index), loaded(), stalled(error or null).
   */
  constructor(element, events) {
    this.element = element;
    this.events = events;
    this.shown = new Map(); // index -> element
    this.rows = new Rows();
    this.current = 0; // the picture that the keyboard is at
    this.gone = new Set(); // ids of pictures that are being removed, shown or not
    this.clear();
    const onChange = () => this.schedule();
    addEventListener("scroll", onChange, { passive: true });
    addEventListener("online", () => this.retry());
    new ResizeObserver(() => this.width !== this.element.clientWidth && this.relayout()).observe(element);
    element.addEventListener("click", (event) => this.onClick(event));
    element.addEventListener("keydown", (event) => this.onKey(event));
    element.addEventListener("focusin", (event) => {
      const item = event.target.closest("li");
      if (item) this.setCurrent(item.index);
    });
  }

  clear() {
    this.abort?.abort();
    this.abort = new AbortController();
    this.fetchPage = null;
    this.pages = []; // {cursor, start, count, pictures or null}
    this.ratios = []; // of all pictures ever loaded; few bytes each
    this.rows.clear();
    this.stall(null);
    this.next = null;
    this.loading = null;
    this.base = 0;
    this.current = 0;
    this.target = null;
    for (const item of this.shown.values()) item.remove();
    this.shown.clear();
    this.element.style.height = "0px";
  }

  /** Show other pictures, from the first page. */
  async open(fetchPage, first) {
    this.clear();
    this.fetchPage = fetchPage;
    this.next = 0;
    this.atEnd = false;
    if (first) this.take(first, 0);
    else await this.load();
    this.schedule();
  }

  /** How many pictures are loaded. */
  get length() { return this.ratios.length; }

  /** The picture at an index, loaded if it must be. */
  async at(index) {
    while (index >= this.ratios.length && !this.atEnd) await this.load();
    if (index < 0 || index >= this.length) return null;
    const page = this.pageOf(index);
    if (!page.pictures) await this.reload(page);
    return page.pictures[index - page.start] ?? null;
  }

  /** The picture at an index if it is loaded. */
  here(index) {
    const page = this.pageOf(index);
    return page?.pictures?.[index - page.start];
  }

  pageOf(index) { return this.pages[atOrBefore(this.pages, (page) => page.start <= index)]; }

  load() {
    if (this.atEnd || !this.fetchPage) return Promise.resolve();
    const { signal } = this.abort;
    this.loading ??= this.fetchPage(this.next, PAGE, signal)
      .then((page) => {
        if (signal.aborted) return;
        this.loading = null;
        this.stall(null);
        this.take(page, this.next);
      }, (error) => {
        if (!signal.aborted) { this.loading = null; this.stall(error); }
        throw error;
      });
    return this.loading;
  }

  /** Take note that a page could not be had, and try again after a while, ever longer; or that it could. */
  stall(error) {
    clearTimeout(this.again);
    const told = this.told;
    this.stalled = this.told = error;
    this.pause = error ? Math.min(30, 2 * (this.pause || 1)) : 0;
    if (error) this.again = setTimeout(() => this.retry(), 1000 * this.pause);
    if (told || error) this.events.stalled(error);
  }

  /** Ask again for what could not be had. */
  retry() {
    if (!this.stalled) return;
    clearTimeout(this.again);
    this.stalled = null;
    this.render();
  }

  take({ pictures, next }, cursor) {
    this.pages.push({ cursor, start: this.ratios.length, count: pictures.length, pictures });
    for (const picture of pictures) this.ratios.push(ratioOf(picture));
    this.next = next;
    this.atEnd = next === null;
    if (this.target === null && pictures.length) {
      const sides = pictures.map((picture) => Math.min(picture.width, picture.height)).sort((a, b) => a - b);
      this.smallest = sides[sides.length >> 1];
    }
    this.layout();
    this.forget();
    this.events.loaded?.();
    this.schedule();
  }

  async reload(page) {
    const { signal } = this.abort;
    page.asked ??= this.fetchPage(page.cursor, PAGE, signal).then(({ pictures }) => {
      page.pictures = pictures.slice(0, page.count);
      page.asked = null;
      this.stall(null);
      this.schedule();
    }, (error) => { page.asked = null; if (!signal.aborted) this.stall(error); throw error; });
    return page.asked;
  }

  /** Let go of pages far from the window. */
  forget() {
    if (this.pages.length <= KEPT) return;
    const rows = this.visible(0);
    const near = this.pages.indexOf(this.pageOf(rows.length ? rows[0].first : this.length - 1));
    this.pages.forEach((page, number) => {
      if (Math.abs(number - near) > KEPT / 2 && number < this.pages.length - KEPT / 2) page.pictures = null;
    });
  }

  relayout() {
    const anchor = this.visible(0)[0]?.first ?? 0;
    const within = this.rows.list.length && scrollY > this.top ? anchor : 0;
    this.rows.clear();
    this.base = 0;
    this.layout();
    if (within) this.reveal(within);
    this.schedule();
  }

  /** Rows for the pictures that have none yet; the last row waits for more unless there are none. */
  layout() {
    this.width = this.element.clientWidth;
    if (!this.width || !this.ratios.length) return; // how high rows are is for the first pictures to say
    const narrow = this.width < 560;
    this.target = Math.max(narrow ? 84 : 104, Math.min(narrow ? 128 : 190, 1.8 * (this.smallest ?? 400)));
    this.rows.extend(this.ratios, this.length, this.atEnd, this.width, this.target);
    this.element.style.height = `${Math.min(this.rows.total - this.base, HIGHEST)}px`;
  }

  get top() { return this.element.getBoundingClientRect().top + scrollY; }

  /** The rows that are within `margin` pixels of the window. */
  visible(margin = AHEAD) {
    const from = scrollY - this.top + this.base - margin;
    return this.rows.between(from, from + innerHeight + 2 * margin);
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.render(); });
  }

  render() {
    const at = scrollY - this.top;
    if (at > HIGHEST - SHIFT / 3 || (at < SHIFT / 3 && this.base > 0)) {
      const shift = at < SHIFT / 3 ? -Math.min(SHIFT, this.base) : SHIFT;
      this.base += shift;
      this.element.style.height = `${Math.min(this.rows.total - this.base, HIGHEST)}px`;
      scrollBy({ top: -shift, behavior: "instant" });
    }
    const wanted = new Set();
    for (const row of this.visible()) {
      const page = this.pageOf(row.first), after = this.pageOf(row.first + row.count - 1);
      for (const each of new Set([page, after])) if (!each.pictures && !this.stalled) this.reload(each).catch(() => {}); // `stall` tells
      let left = 0;
      for (let index = row.first; index < row.first + row.count; index++) {
        const width = row.count > 0 ? row.height * this.ratios[index] : 0;
        const picture = this.here(index);
        if (picture) {
          wanted.add(index);
          const item = this.shown.get(index) ?? this.item(picture, index);
          Object.assign(item.style, { left: `${left}px`, top: `${row.top - this.base}px`, width: `${width}px`, height: `${row.height}px` });
        }
        left += width + GAP;
      }
    }
    for (const [index, item] of this.shown) {
      if (wanted.has(index)) continue;
      item.remove();
      this.shown.delete(index);
    }
    this.setCurrent(Math.min(this.current, Math.max(0, this.length - 1)));
    const bottom = this.rows.total - this.base - at - innerHeight;
    if (bottom < 2 * AHEAD && !this.atEnd && !this.stalled) this.load().catch(() => {});
  }

  item(picture, index) {
    const item = tile(picture, index, this.gone.has(picture.id));
    this.shown.set(index, item);
    // in the order of the pictures, for those who read the page in order
    let after = index + 1;
    while (after < index + 400 && !this.shown.has(after)) after++;
    this.element.insertBefore(item, this.shown.get(after) ?? null);
    return item;
  }

  /** Show that a picture is being removed, or that it is not after all. */
  mark(id, isGone) {
    if (isGone) this.gone.add(id); else this.gone.delete(id);
    this.element.querySelector(`li[data-id="${id}"]`)?.classList.toggle("gone", isGone);
  }

  /** Where the reader is: the first picture in the window, and how far it is scrolled. */
  get place() {
    const row = this.visible(0).find((each) => each.top - this.base + this.top >= scrollY);
    return row && scrollY > 0 ? { index: row.first, offset: row.top - this.base + this.top - scrollY } : null;
  }

  /** Go back to such a place, whatever has to be loaded for it. */
  async resume({ index, offset }) {
    await this.at(index);
    const row = this.rows.of(Math.min(index, this.length - 1));
    if (row) scrollTo({ top: row.top - this.base + this.top - offset, behavior: "instant" });
    this.render();
  }

  /** The picture that the keyboard is at, if it is at one. */
  get held() { return this.element.contains(document.activeElement) ? this.here(this.current) : null; }

  /** Give the keyboard back to a picture, or to what is in its place, when the list was shown again. */
  hold(picture) {
    if (picture && this.length && document.activeElement === document.body) this.focus(this.indexOf(picture) ?? this.current);
  }

  /** Where a picture is, of those that are loaded, or null. */
  indexOf({ id }) {
    for (const { start, pictures } of this.pages) {
      const at = pictures?.findIndex((picture) => picture.id === id) ?? -1;
      if (at >= 0) return start + at;
    }
    return null;
  }

  setCurrent(index) {
    const tab = (at, value) => this.shown.get(at)?.querySelectorAll("button").forEach((button) => { button.tabIndex = value; });
    if (index !== this.current) tab(this.current, -1);
    this.current = index;
    tab(index, 0);
    // when the current picture is far away, the keyboard enters at the first one shown
    if (!this.shown.has(index)) tab(this.shown.keys().next().value, 0);
  }

  onClick(event) {
    const item = event.target.closest("li");
    if (!item) return;
    if (event.target.closest(".view")) this.events.view(item.index);
    else this.at(item.index).then((picture) => picture && this.events.search(picture, event));
  }

  onKey(event) {
    const item = event.target.closest("li");
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowLeft: () => item.index - 1, ArrowRight: () => item.index + 1, ArrowUp: () => this.rows.beside(this.ratios, item.index, -1), ArrowDown: () => this.rows.beside(this.ratios, item.index, 1), Home: () => 0, End: () => this.length - 1 }[event.key];
    if (to) {
      event.preventDefault();
      this.focus(to());
    } else if (event.key === " " && event.target.classList.contains("picture")) {
      event.preventDefault();
      this.events.view(item.index);
    }
  }

  /** Scroll to a picture. */
  reveal(index) {
    const row = this.rows.of(index);
    if (!row) return;
    const head = document.querySelector(".top").offsetHeight + GAP, foot = 40;
    const top = row.top - this.base + this.top;
    if (top < scrollY + head) scrollTo({ top: top - head, behavior: "instant" });
    else if (top + row.height > scrollY + innerHeight - foot) scrollTo({ top: top + row.height - innerHeight + foot, behavior: "instant" });
  }

  focus(index) {
    index = Math.max(0, Math.min(index, this.length - 1));
    this.reveal(index);
    this.render();
    this.setCurrent(index);
    this.shown.get(index)?.querySelector(".picture").focus({ preventScroll: true });
  }
}
