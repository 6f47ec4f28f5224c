// The open picture enlarged: by the wheel, a double click, or + and -. It is then moved by dragging, or Shift and arrows.

import { $ } from "./words.js";

const MOST = 12;
const STEP = 1.5;

export class Zoom {
  constructor(viewer) {
    this.viewer = viewer;
    this.stage = document.querySelector(".stage");
    this.to(1);
    this.stage.addEventListener("wheel", (event) => { event.preventDefault(); this.to(this.scale * Math.exp(-event.deltaY / 400), event); }, { passive: false });
    this.stage.addEventListener("dblclick", (event) => { if (!event.target.closest("button")) this.to(this.scale > 1 ? 1 : this.whole, event); });
    $("viewer-picture").addEventListener("load", () => { if (this.picture !== viewer.picture) this.to(1); });
    $("viewer").addEventListener("close", () => this.to(1));
    $("viewer").addEventListener("keydown", (event) => this.onKey(event), true);
    const frame = $("frame");
    frame.addEventListener("pointerdown", (event) => this.begin(event));
    frame.addEventListener("pointermove", (event) => { if (this.from) this.place(event.clientX - this.from[0], event.clientY - this.from[1]); });
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => { this.from = null; });
  }

  /** How much larger a pixel of the picture is one of the screen. */
  get whole() { return Math.max(2, $("viewer-picture").naturalWidth / ($("viewer-picture").offsetWidth || 1)); }

  /** Show it so many times as large; what is under a pointer stays there. */
  to(scale, pointer) {
    const box = this.stage.getBoundingClientRect(), before = this.scale ?? 1;
    this.scale = Math.max(1, Math.min(MOST, scale));
    const [x, y] = pointer ? [pointer.clientX - box.left - box.width / 2, pointer.clientY - box.top - box.height / 2] : [0, 0];
    const [atX, atY] = this.at ?? [0, 0], ratio = this.scale / before;
    this.picture = this.viewer.picture;
    this.place(x - (x - atX) * ratio, y - (y - atY) * ratio);
    $("frame").classList.toggle("zoomed", this.scale > 1);
  }

  /** Move its middle there, as far as there is something to see. */
  place(x, y) {
    const room = (size, all) => Math.max(0, (size * this.scale - all) / 2);
    const [wide, high] = [room($("frame").offsetWidth, this.stage.clientWidth), room($("frame").offsetHeight, this.stage.clientHeight)];
    this.at = [Math.max(-wide, Math.min(wide, x)), Math.max(-high, Math.min(high, y))];
    $("frame").style.transform = this.scale > 1 ? `translate(${this.at[0]}px, ${this.at[1]}px) scale(${this.scale})` : "";
  }

  begin(event) {
    if (this.scale === 1 || !event.isPrimary || $("frame").classList.contains("parting")) return;
    event.preventDefault();
    event.stopPropagation(); // it does not turn to the next picture
    $("frame").setPointerCapture(event.pointerId);
    this.from = [event.clientX - this.at[0], event.clientY - this.at[1]];
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, #region")) return;
    const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (event.key === "+") this.to(this.scale * STEP);
    else if (event.key === "-") this.to(this.scale / STEP);
    else if (event.key === "0") this.to(1);
    else if (step && event.shiftKey && this.scale > 1) this.place(this.at[0] + step[0], this.at[1] + step[1]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
