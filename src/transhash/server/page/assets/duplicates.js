// Groups of near-identical pictures, each with the one to keep.

import * as api from "./api.js";
import { trouble } from "./notices.js";
import { $, bits, bytes, count, make, number, wait } from "./words.js";

const AT_ONCE = 60; // groups

export class DuplicatesView {
  /** `view(picture)` is called for a picture that was chosen. */
  constructor(view) {
    this.view = view;
    this.turn = 0;
    $("duplicates-distance").addEventListener("change", () => this.open());
    $("duplicates-again").addEventListener("click", () => this.open(true));
    addEventListener("scroll", () => this.more(), { passive: true });
  }

  leave() { this.turn++; }

  async open(again = false) {
    const mine = ++this.turn;
    this.groups = 0;
    this.total = 0;
    $("groups").replaceChildren();
    $("duplicates-again").hidden = true;
    try {
      let answer = await this.ask({ again });
      while (answer.underWay) {
        if (mine !== this.turn) return;
        const bar = $("duplicates-progress");
        bar.hidden = false;
        if (answer.total) { bar.max = answer.total; bar.value = answer.done; } else bar.removeAttribute("value");
        $("duplicates-title").textContent = `Looking for duplicates: ${answer.stage}`;
        await wait(400);
        answer = await this.ask({});
      }
      if (mine === this.turn) this.show(answer);
    } catch (error) {
      $("duplicates-title").textContent = "Duplicates";
      trouble(error);
    } finally {
      if (mine === this.turn) $("duplicates-progress").hidden = true;
    }
  }

  ask(more) { return api.duplicates({ max_distance: $("duplicates-distance").value, limit: AT_ONCE, ...more }); }

  show({ groups, total, copies, skipped, stale }) {
    const unread = skipped ? `; ${count(skipped, "picture")} could not be read` : "";
    $("duplicates-title").textContent = total ? `${count(total, "group")} with ${number(copies)} ${copies === 1 ? "copy" : "copies"}${unread}` : `No duplicates${unread}`;
    $("duplicates-again").hidden = !stale;
    this.total = total;
    this.append(groups);
  }

  append(groups) {
    this.groups += groups.length;
    $("groups").append(...groups.map(({ keep, same }) => make("li", { className: "group", tabIndex: 0, "aria-label": `Keep ${keep.name}, ${count(same.length, "copy", "copies")}` }, ...[keep, ...same].map((copy, at) => this.copy(copy, at === 0)))));
  }

  async more() {
    if ($("duplicates").hidden || this.asking || !this.groups || this.groups >= this.total) return;
    if (document.documentElement.scrollHeight - scrollY - innerHeight > 1500) return;
    this.asking = true;
    const mine = this.turn;
    try {
      const { groups = [] } = await this.ask({ offset: this.groups });
      if (mine === this.turn) this.append(groups);
    } catch (error) {
      trouble(error);
    } finally {
      this.asking = false;
    }
  }

  copy(copy, isKept) {
    const mark = isKept ? make("b", {}, "keep") : copy.identical ? "the same picture" : `${bits(copy.distance)}`;
    return make("div", { className: "copy" },
      make("button", { type: "button", title: copy.path, "aria-label": `View ${copy.path}`, onclick: () => this.view(copy) }, api.image(copy)),
      make("p", {}, mark, ` · ${copy.width} × ${copy.height} · ${bytes(copy.bytes)}`, make("br"), copy.path));
  }
}
