// Groups of pictures that repeat one another, a page at a time, and the plan of what to remove.

import * as api from "./api.js";
import { Comparing } from "./comparing.js";
import { Decisions } from "./decisions.js";
import { keep, kept } from "./kept.js";
import { note, trouble, waiting } from "./notices.js";
import { $, bytes, count, make, number, wait } from "./words.js";

const AT_ONCE = 60; // groups of a page
const PAGES = 8; // that are kept
const AT_A_TIME = 6; // pictures that are asked for
const ASKED = ["distance", "kinds", "keep"]; // what a search depends on

export class DuplicatesView {
  /** `view(picture)` is called for a picture that was chosen; `facts()` tells what is known of the library. */
  constructor(view, facts) {
    Object.assign(this, { view, turn: 0, total: 0, first: 0, pages: new Map(), facts });
    this.decisions = new Decisions();
    this.comparing = new Comparing(this, this.decisions, facts, (at) => this.returned(at));
    for (const name of ASKED) $(`duplicates-${name}`).addEventListener("change", () => this.open());
    $("duplicates-again").addEventListener("click", () => this.open(true));
    $("groups-next").addEventListener("click", () => this.page(this.first + AT_ONCE));
    $("groups-previous").addEventListener("click", () => this.page(this.first - AT_ONCE));
    addEventListener("storage", (event) => { if (event.key === this.decisions.key) { this.decisions.read(); this.draw(); } });
    $("decide").addEventListener("click", () => this.decide());
    $("plan").addEventListener("click", () => this.plan());
    $("apply").addEventListener("click", () => this.apply());
    $("start-over").addEventListener("click", () => this.startOver());
  }

  leave() { this.turn++; }

  /** Forget all decisions, which may be the work of hours: they can be had back. */
  startOver() {
    const again = this.decisions.clear();
    this.draw();
    note("The decisions are forgotten", { label: "Undo", seconds: 60, action: () => { again(); this.draw(); } });
  }

  async open(again = false) {
    const mine = ++this.turn;
    Object.assign(this, { total: 0, first: 0, pages: new Map() });
    this.decisions.open(this.facts().id);
    this.resume();
    $("groups").replaceChildren();
    $("duplicates-again").hidden = $("deciding").hidden = $("pager").hidden = true;
    try {
      let answer = await this.begun(again);
      while (answer.underWay) {
        if (mine !== this.turn) return;
        const bar = $("duplicates-progress");
        bar.hidden = false;
        if (answer.total) { bar.max = answer.total; bar.value = answer.done; } else bar.removeAttribute("value");
        $("duplicates-title").textContent = `Looking for duplicates: ${answer.stage}`;
        await wait(400);
        if (mine !== this.turn) return;
        answer = answer.waits ? await this.begun(again) : await this.ask({});
      }
      if (mine === this.turn) this.show(answer);
    } catch (error) {
      $("duplicates-title").textContent = "Duplicates";
      if (mine === this.turn) $("duplicates-again").hidden = false;
      trouble(error);
    } finally {
      if (mine === this.turn) $("duplicates-progress").hidden = true;
    }
  }

  get search() { return { max_distance: Number($("duplicates-distance").value), kinds: $("duplicates-kinds").value, keep: $("duplicates-keep").value }; }
  ask(more) { return api.duplicates({ ...this.search, limit: AT_ONCE, ...more }); }

  /** The answer to the first question; while the server looks for other duplicates, this search waits. */
  async begun(again) {
    $("duplicates-title").textContent = "Looking for duplicates";
    try {
      return await this.ask({ again });
    } catch (error) {
      if (error.status !== 429) throw error;
      return { underWay: true, waits: true, stage: "another search comes first" };
    }
  }

  show({ groups, total, copies, bytes: size, others, skipped, stale }) {
    const unread = skipped ? `; ${count(skipped, "picture")} could not be read` : "";
    $("duplicates-title").textContent = total ? `${count(total, "group")} with ${number(copies)} ${copies === 1 ? "copy" : "copies"}${unread}` : `No duplicates${unread}`;
    const more = Object.entries(others).map(([kind, pairs]) => `${number(pairs)} of kind ${kind}`);
    $("duplicates-others").textContent = more.length ? `Not shown: pairs of other kinds, ${more.join(", ")}.` : "";
    $("duplicates-again").hidden = !stale;
    $("deciding").hidden = !total;
    $("apply").hidden = !this.facts().applies;
    Object.assign(this, { total, size });
    this.seen(groups);
    this.pages.set(0, groups);
    this.draw();
  }

  /** The groups from one on, of those that are kept or asked for. */
  async some(first) {
    if (!this.pages.has(first)) {
      const mine = this.turn;
      const { groups = [] } = await this.ask({ offset: first });
      if (mine !== this.turn) return [];
      while (this.pages.size >= PAGES) this.pages.delete(this.pages.keys().next().value);
      this.seen(groups);
      this.pages.set(first, groups);
    }
    return this.pages.get(first);
  }

  /** Forget what was decided on other contents than these pictures have. */
  seen(groups) { this.decisions.settle(new Map(groups.flatMap(({ keep, same }) => [keep, ...same]).map(({ id, version }) => [id, version]))); }

  /** Whether all that was decided was decided on what the library has now; if not, that is said, and decided again. */
  async holds() {
    const versions = new Map(), ids = this.decisions.ids;
    while (ids.length) await Promise.all(ids.splice(-AT_A_TIME).map(async (id) => versions.set(id, await versionOf(id))));
    const pairs = this.decisions.settle(versions);
    if (!pairs) return true;
    this.open(true);
    note(`The pictures of ${count(pairs, "pair")} have changed or gone since you decided. Decide again, then go on.`);
    return false;
  }

  /** A group by its number; a group that has gone meanwhile leaves its page one shorter. */
  async at(at) { return (await this.some(at - (at % AT_ONCE)))[at % AT_ONCE]; }

  /** The number of the group that a picture is in, of those that are kept. */
  numberOf(id) {
    for (const [first, groups] of this.pages) {
      const at = groups.findIndex((group) => group.same.some((copy) => copy.id === id));
      if (at >= 0) return first + at;
    }
    return null;
  }

  async page(first) {
    const mine = this.turn;
    this.first = Math.max(0, Math.min(first, this.total - 1));
    this.first -= this.first % AT_ONCE;
    try {
      await this.some(this.first);
      if (mine !== this.turn) return;
      this.draw();
      scrollTo({ top: 0, behavior: "instant" });
    } catch (error) {
      trouble(error);
    }
  }

  draw() {
    const groups = this.pages.get(this.first) ?? [];
    $("groups").replaceChildren(...groups.map((group, at) => this.card(group, this.first + at)));
    $("pager").hidden = this.total <= AT_ONCE;
    $("groups-shown").textContent = `Groups ${number(this.first + 1)} to ${number(Math.min(this.first + AT_ONCE, this.total))} of ${number(this.total)}`;
    $("groups-previous").disabled = this.first === 0;
    $("groups-next").disabled = this.first + AT_ONCE >= this.total;
    const { pairs, files, bytes: freed } = this.decisions.tally;
    $("tally").textContent = `${count(pairs, "pair")} decided: ${count(files, "file")} to remove, ${bytes(freed)}. As proposed it would be ${bytes(this.size ?? 0)}.`;
    $("start-over").hidden = !pairs;
  }

  card(group, at) {
    const { keep, same } = group, pairs = this.decisions.pairs(group);
    const isDone = pairs.every((pair) => pair.verdict);
    const gone = new Set(pairs.flatMap(({ left, right, verdict }) => (verdict === "left" ? [right.id] : verdict === "right" ? [left.id] : [])));
    return make("li", { className: isDone ? "group done" : "group", tabIndex: 0, "aria-label": `Group ${at + 1}: ${keep.name}, ${count(same.length, "copy", "copies")}${isDone ? ", decided" : ""}` },
      ...[keep, ...same].map((copy, place) => this.copy(copy, place === 0, gone.has(copy.id))),
      make("div", { className: "foot" }, make("p", {}, group.why ? `Kept: ${group.why}` : ""),
        make("button", { type: "button", className: "compare", "aria-label": `Compare the pictures of group ${at + 1}`, onclick: () => this.comparing.open(at) }, isDone ? "Decided" : "Compare")));
  }

  copy(copy, isKept, isGone) {
    const mark = isGone ? make("s", {}, "removed") : isKept ? make("b", {}, "keep") : copy.kind;
    return make("div", { className: isGone ? "copy gone" : "copy" },
      make("button", { type: "button", title: copy.path, "aria-label": `View ${copy.path}`, onclick: () => this.view(copy) }, api.image(copy)),
      make("p", { title: copy.why }, mark, ` · ${copy.width} × ${copy.height} · ${bytes(copy.bytes)}`, make("br"), copy.path));
  }

  /** Compare the first group from here on that is not decided. */
  async decide() {
    try {
      for (let at = this.first; at < this.total; at++) {
        const group = await this.at(at);
        if (group && !this.decisions.isDone(group)) return await this.comparing.open(at);
      }
      note("All groups from here on are decided.");
    } catch (error) {
      trouble(error);
    }
  }

  /** The comparison was closed at a group: go to its page. */
  async returned(at) {
    if (at !== undefined && at !== null) await this.page(at);
    $("groups").children[(at ?? 0) % AT_ONCE]?.focus({ preventScroll: false });
  }

  get decided() { return { ...this.search, ...this.decisions.asked, rest: $("plan-rest").checked }; }

  /** Remove the files now; they come back with a click, or with `transhash undo`. */
  async apply() {
    const done = waiting("Removing files…");
    $("apply").disabled = true;
    try {
      if (!(await this.holds())) return;
      const pairs = [...this.decisions.all.keys()];
      await this.follow(await api.apply(this.decided), pairs);
    } catch (error) {
      this.failed(error);
    } finally {
      $("apply").disabled = false;
      done();
    }
  }

  async undo(name) {
    const done = waiting("Bringing files back…");
    try {
      await this.follow(await api.undo(name), []);
    } catch (error) {
      trouble(error);
    } finally {
      done();
    }
  }

  /** What this browser keeps while files are removed or brought back: whoever loads the page again is told, too. */
  get place() { return `applying:${this.facts().id}`; }

  async resume() {
    const { name, pairs } = JSON.parse(kept(this.place) || "{}");
    if (!name || this.followed) return;
    $("apply").disabled = true;
    await this.follow({ name, underWay: true }, pairs).catch(trouble);
    $("apply").disabled = false;
  }

  /** Wait until a plan is done or undone, and tell it. `pairs`: what was decided for it. */
  async follow(answer, pairs) {
    const { name } = answer, back = { label: "Undo", seconds: 60, action: () => this.undo(name) };
    const { place } = this, { key } = this.decisions;
    let done = () => {};
    this.followed = true;
    try {
      if (answer.underWay) keep(place, JSON.stringify({ name, pairs }));
      while (answer?.underWay) {
        const { stage = "removing", done: files = 0, total } = answer;
        const before = done;
        done = waiting(`${stage === "removing" ? "Removing files" : "Bringing files back"}…${total ? ` ${number(files)} of ${number(total)}` : ""}`);
        await wait(1000);
        before();
        answer = await cameOf(answer);
      }
    } catch (error) {
      keep(place, "");
      return note(error.message, { ...back, className: "trouble" });
    } finally {
      this.followed = false;
      done();
    }
    keep(place, "");
    if (key === this.decisions.key) this.told(answer, pairs, back);
  }

  /** Tell what came of a plan: null when the server knows nothing of it, for it was started again. */
  told(answer, pairs, back) {
    if (!answer) return note("The server was started again while files were removed or brought back. Undo brings back what is gone.", back);
    const { name, undone, done: files, freed, left } = answer;
    const alone = left.length ? `; ${count(left.length, "file")} left alone, the first: ${left[0].path}: ${left[0].reason}; ${left[0].remedy}` : "";
    if (undone) note(`${count(files, "file")} brought back${alone}`);
    else if (!name) return note(alone ? `Nothing was removed${alone}` : "There is nothing to remove yet: decide, or take what is proposed.");
    else {
      this.decisions.applied(pairs, new Set(left.map(({ id }) => id)));
      note(`${count(files, "file")} removed, ${bytes(freed)}${alone}`, back);
    }
    return this.open(true);
  }

  /** Tell what is wrong; where the server has forgotten the groups, look for them again. */
  failed(error) {
    trouble(error);
    if (error.status === 409) this.open();
  }

  async plan() {
    const done = waiting("Writing the plan…");
    try {
      if (!(await this.holds())) return;
      const content = await api.plan(this.decided);
      const rest = $("plan-rest").checked, { files } = this.decisions.tally;
      const removals = (await content.text()).split("\n").filter((line) => line.includes('"action": "remove"')).length;
      const missing = !rest && removals < files ? ` ${count(files - removals, "file")} that you decided on ${files - removals === 1 ? "is" : "are"} not in it: look with the kinds and the distance with which you decided.` : "";
      if (!removals) return note(missing ? `The plan would remove nothing.${missing}` : "There is nothing to remove yet: decide, or take what is proposed.");
      const link = make("a", { href: URL.createObjectURL(content), download: "plan.jsonl" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      note(`The plan removes ${count(removals, "file")}. Do it with: transhash apply plan.jsonl --to trash.${missing}`);
    } catch (error) {
      this.failed(error);
    } finally {
      done();
    }
  }
}

/** The version of a picture's content; null where the picture has gone. */
async function versionOf(id) {
  try {
    return (await api.picture(id)).version;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** What has come of a plan by now: what is known already where the server cannot be reached, null where it has forgotten it. */
async function cameOf(known) {
  try {
    return await api.applied(known.name);
  } catch (error) {
    if (error.status === 404) return null;
    if ([0, 429, 502, 503, 504].includes(error.status)) return known; // it, or a proxy: later
    throw error;
  }
}
