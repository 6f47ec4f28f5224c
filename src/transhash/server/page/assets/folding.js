// On a phone the head of the page makes room while one scrolls down, and comes back when one scrolls up.

import { $ } from "./words.js";

const NARROW = matchMedia("(max-width: 760px)");
const ENOUGH = 24; // pixels in one direction

export function folding() {
  const head = document.querySelector(".top");
  let turned = scrollY, before = scrollY;
  const unfold = () => head.classList.remove("folded");
  addEventListener("scroll", () => {
    const isDown = scrollY > before;
    if (isDown === turned > before) turned = before; // another direction than so far
    before = scrollY;
    const isUsed = head.contains(document.activeElement) || $("filters").classList.contains("open");
    if (!NARROW.matches || isUsed || scrollY < head.offsetHeight) return unfold();
    if (Math.abs(scrollY - turned) >= ENOUGH) head.classList.toggle("folded", isDown);
  }, { passive: true });
  head.addEventListener("focusin", unfold);
  NARROW.addEventListener("change", unfold);
}
