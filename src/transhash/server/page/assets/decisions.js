// What somebody has decided on pairs of pictures: kept in this browser, for each library, until a plan is made of it.
//
// A verdict is "left" or "right" (that one is kept, the other one goes), "both" (they stay), or "differ" (they are no
// duplicates; the library keeps that too, where it may be written to). It holds for the contents that were compared: a
// picture is named by its id and the version of its content.

import { keep, kept } from "./kept.js";

const PAIR = /^\d+@[^,@]+,\d+@[^,@]+$/; // what was kept without versions cannot be trusted
const keyOf = (left, right) => `${left.id}@${left.version},${right.id}@${right.version}`;
/** The id and the version of either picture. */
const picturesOf = (key) => key.split(",").map((each) => each.split("@")).map(([id, version]) => ({ id: Number(id), version }));

export class Decisions {
  constructor() { this.all = new Map(); this.done = []; }

  /** Take up what was decided on the pictures of a library before. */
  open(library) {
    this.key = `decisions:${library}`;
    this.read();
    this.done = [];
  }

  /** What is kept by now: another window of this browser may have decided too. */
  read() {
    try { this.all = new Map(Object.entries(JSON.parse(kept(this.key) ?? "{}")).filter(([key]) => PAIR.test(key))); } catch { this.all = new Map(); }
  }

  /** The verdict on a pair, or undefined. */
  of(left, right) { return this.all.get(keyOf(left, right))?.verdict; }

  set(left, right, verdict) {
    this.read();
    const gone = verdict === "left" ? right : verdict === "right" ? left : null;
    this.all.delete(keyOf(right, left)); // of another search, which had them the other way round: they would contradict
    this.all.set(keyOf(left, right), { verdict, gone: gone?.id, bytes: gone?.bytes ?? 0 });
    this.done.push([left, right]);
    this.keep();
  }

  forget(left, right) {
    const key = keyOf(left, right);
    this.read();
    this.all.delete(key);
    this.done = this.done.filter((pair) => keyOf(...pair) !== key);
    this.keep();
  }

  /** Forget pairs that were decided for a plan, but for those whose picture, by its id, can still go. */
  applied(pairs, still) {
    this.read();
    for (const key of pairs) if (!still.has(this.all.get(key)?.gone)) this.all.delete(key);
    this.done = this.done.filter((pair) => this.all.has(keyOf(...pair)));
    this.keep();
  }

  /** Forget all; returns what brings them back, besides those that come after. */
  clear() {
    const { key } = this;
    this.read();
    const before = this.all;
    this.all = new Map();
    this.done = [];
    this.keep();
    return () => {
      if (key !== this.key) return;
      this.read();
      this.all = new Map([...before, ...this.all]);
      this.keep();
    };
  }

  keep() { keep(this.key, JSON.stringify(Object.fromEntries(this.all))); }

  /** The ids of the pictures that were decided on. */
  get ids() { return [...new Set([...this.all.keys()].flatMap(picturesOf).map(({ id }) => id))]; }

  /** Forget what was decided on other contents than pictures have now; returns of how many pairs. `versions`: by id, null for what has gone. */
  settle(versions) {
    const isOld = (key) => picturesOf(key).some(({ id, version }) => versions.has(id) && versions.get(id) !== version);
    this.read();
    const old = [...this.all.keys()].filter(isOld);
    for (const key of old) this.all.delete(key);
    this.done = this.done.filter((pair) => this.all.has(keyOf(...pair)));
    if (old.length) this.keep();
    return old.length;
  }

  /** The pairs of a group to decide on, one after the other: whichever of a pair is kept is compared with the next. */
  pairs({ keep, same }) {
    const found = [];
    let left = keep;
    for (const right of same) {
      const verdict = this.of(left, right);
      found.push({ left, right, verdict });
      if (verdict === "right") left = right;
    }
    return found;
  }

  /** Whether all pairs of a group are decided. */
  isDone(group) { return this.pairs(group).every((pair) => pair.verdict); }

  /** How many pairs were decided, files go, and bytes these have. */
  get tally() {
    const gone = new Map([...this.all.values()].filter((one) => one.gone !== undefined).map((one) => [one.gone, one.bytes]));
    return { pairs: this.all.size, files: gone.size, bytes: [...gone.values()].reduce((sum, size) => sum + size, 0) };
  }

  /** What the server makes a plan of. */
  get asked() {
    const every = [...this.all].map(([key, { verdict }]) => [picturesOf(key).map(({ id }) => id), verdict]);
    return {
      decisions: every.filter(([, verdict]) => verdict === "left" || verdict === "right").map(([[left, right], verdict]) => (verdict === "left" ? { keep: left, remove: right } : { keep: right, remove: left })),
      apart: every.filter(([, verdict]) => verdict === "both" || verdict === "differ").map(([pair]) => pair),
    };
  }
}
