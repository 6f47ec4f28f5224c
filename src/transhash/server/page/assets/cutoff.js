// The cut-off: a slider below the histogram of distances, for how many bits may differ.

import { $, bits, count, draw, number, percent } from "./words.js";

const PAUSE = 150; // ms without a move, until what is within it is asked for

export class CutOff {
  /** `onChoice(distance)` tells that it was moved, `onRest()` that it rests there. */
  constructor(onChoice, onRest) {
    this.onRest = onRest;
    this.onChoice = onChoice;
    this.chosen = null; // by the user, kept from search to search
    $("distance").addEventListener("input", () => this.choose(this.distance));
  }

  hide() {
    $("cutoff").hidden = true;
    this.histogram = null;
  }

  /** Show how many pictures there are at each distance; `likely` are the probabilities, or null. */
  show(histogram, likely) {
    this.histogram = histogram;
    this.likely = likely;
    this.sums = [];
    histogram.reduce((sum, n, at) => (this.sums[at] = sum + n), 0);
    const most = histogram.length - 1;
    const chart = $("histogram");
    chart.setAttribute("viewBox", `0 0 ${histogram.length} 1`);
    const highest = Math.log1p(Math.max(...histogram, 1));
    this.bars = histogram.map((n, at) => {
      const height = n ? Math.max(0.06, Math.log1p(n) / highest) : 0; // by the logarithm: the near ones are few
      return draw("rect", { x: at + 0.06, y: 1 - height, width: 0.88, height });
    });
    chart.replaceChildren(...this.bars);
    $("axis-least").textContent = "0";
    $("axis-most").textContent = `${most} bits`;
    $("axis-count").textContent = `≤ ${number(Math.max(...histogram))}`;
    chart.setAttribute("aria-label", `Pictures at each distance, from 0 to ${bits(most)}; at most ${number(Math.max(...histogram))}, by the logarithm`);
    $("distance").max = most;
    $("distance").value = Math.min(this.chosen ?? most, most);
    $("cutoff").hidden = false;
    this.change();
  }

  get distance() { return Number($("distance").value); }
  /** How many pictures are within it. */
  get within() { return this.histogram ? this.sums[this.distance] : Infinity; }

  /** Let more in: up to the nearest picture that is not. */
  widen() {
    const at = this.sums.findIndex((sum) => sum > this.within);
    $("distance").value = at < 0 ? this.histogram.length - 1 : at;
    this.choose(this.distance);
  }

  choose(distance) {
    this.chosen = distance;
    this.change();
    this.onChoice(distance);
    this.rest();
    this.moved = setTimeout(this.onRest, PAUSE);
  }

  /** Nothing more comes of its last move. */
  rest() { clearTimeout(this.moved); }

  change() {
    const at = this.distance;
    this.bars.forEach((bar, distance) => bar.setAttribute("class", distance <= at ? "in" : ""));
    const likely = this.likely?.[at] != null ? ` · ${percent(this.likely[at])} likely or more` : "";
    const most = this.histogram.length - 1;
    const text = at === most ? `${count(this.within, "picture")}, any distance` : `${count(this.within, "picture")} within ${bits(at)}${likely}`;
    $("cutoff-text").value = text;
    $("distance").setAttribute("aria-valuetext", text);
  }
}
