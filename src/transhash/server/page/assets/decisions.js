// What somebody has decided on pairs of pictures: kept in this browser, for each library, until a plan is made of it.
//
// A verdict is "left" or "right" (that one is kept, the other one goes), "both" (they stay), or "differ" (they are no
// duplicates; the library keeps that too, where it may be written to).

export class Decisions {
  constructor() { this.all = new Map(); this.done = []; }

  /** Take up what was decided on the pictures of a library before. */
  open(library) {
    this.key = `decisions:${library}`;
    try { this.all = new Map(Object.entries(JSON.parse(localStorage.getItem(this.key) ?? "{}"))); } catch { this.all = new Map(); }
    this.done = [];
  }

  /** The verdict on a pair, or undefined. */
  of(left, right) { return this.all.get(`${left.id},${right.id}`)?.verdict; }

  set(left, right, verdict) {
    const gone = verdict === "left" ? right : verdict === "right" ? left : null;
    this.all.set(`${left.id},${right.id}`, { verdict, gone: gone?.id, bytes: gone?.bytes ?? 0 });
    this.done.push([left, right]);
    this.keep();
  }

  forget(left, right) {
    this.all.delete(`${left.id},${right.id}`);
    this.done = this.done.filter(([one, other]) => one.id !== left.id || other.id !== right.id);
    this.keep();
  }

  clear() { this.all.clear(); this.done = []; this.keep(); }

  keep() {
    try { localStorage.setItem(this.key, JSON.stringify(Object.fromEntries(this.all))); } catch { /* it is full: they last as long as the page */ }
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
    const every = [...this.all].map(([pair, { verdict }]) => [pair.split(",").map(Number), verdict]);
    return {
      decisions: every.filter(([, verdict]) => verdict === "left" || verdict === "right").map(([[left, right], verdict]) => (verdict === "left" ? { keep: left, remove: right } : { keep: right, remove: left })),
      apart: every.filter(([, verdict]) => verdict === "both" || verdict === "differ").map(([pair]) => pair),
    };
  }
}
