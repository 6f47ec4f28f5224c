// Where pictures are in a justified grid: rows as wide as the grid, of about the same height.

import { atOrBefore } from "./tile.js";

export const GAP = 6; // pixels between pictures

export class Rows {
  constructor() { this.clear(); }

  clear() {
    this.list = []; // {top, height, first, count, loose}
    this.total = 0; // pixels of all of them
  }

  /** Rows for the pictures before `end` that have none yet; the last row waits for more unless these are all there are. */
  extend(ratios, end, isComplete, width, target) {
    if (this.list.at(-1)?.loose) this.list.pop();
    const last = this.list.at(-1);
    let first = last ? last.first + last.count : 0;
    let top = last ? last.top + last.height + GAP : 0;
    while (first < end) {
      let sum = 0, n = 0, height = Infinity;
      while (first + n < end && height > target) {
        sum += ratios[first + n++];
        height = (width - GAP * (n - 1)) / sum;
      }
      const loose = height > target;
      if (loose && !isComplete) break;
      // one picture fewer may come nearer to the height that is wanted
      if (!loose && n > 1) {
        const without = (width - GAP * (n - 2)) / (sum - ratios[first + n - 1]);
        if (without - target < target - height) { n--; height = without; }
      }
      if (loose) height = Math.min(height, target);
      this.list.push({ top, height, first, count: n, loose });
      first += n;
      top += height + GAP;
    }
    this.total = top;
  }

  /** The rows of which something is between two heights. */
  between(from, to) {
    let low = 0, high = this.list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.list[middle].top + this.list[middle].height < from) low = middle + 1; else high = middle;
    }
    let end = low;
    while (end < this.list.length && this.list[end].top < to) end++;
    return this.list.slice(low, end);
  }

  /** The number of the row that a picture is in. */
  numberOf(index) { return atOrBefore(this.list, (row) => row.first <= index); }

  /** The row that a picture is in. */
  of(index) { return this.list[this.numberOf(index)]; }

  /** The picture above or below another one; itself where there is none. */
  beside(ratios, index, step) {
    const here = this.numberOf(index), row = this.list[here], other = this.list[here + step];
    if (!other) return index;
    const middle = (r, i) => {
      let left = 0;
      for (let at = r.first; at < i; at++) left += r.height * ratios[at] + GAP;
      return left + (r.height * ratios[i]) / 2;
    };
    const wanted = middle(row, index);
    let best = other.first;
    for (let i = other.first; i < other.first + other.count; i++) if (Math.abs(middle(other, i) - wanted) < Math.abs(middle(other, best) - wanted)) best = i;
    return best;
  }
}
