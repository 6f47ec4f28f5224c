// One picture of the grid, and where it is in lists that are in order.

import { image } from "./api.js";
import { isChosen } from "./selection.js";
import { badge, make, nearness } from "./words.js";

/** The element of a picture; `isGone` while it is being removed. */
export function tile(picture, index, isGone) {
  const hit = "distance" in picture;
  const said = hit ? `, ${nearness(picture)}` : "";
  const button = make("button", { type: "button", className: "picture", tabIndex: -1, title: picture.path, "aria-label": `${picture.path}${said}: search with it` }, image(picture));
  const view = make("button", { type: "button", className: "view", tabIndex: -1, title: "View (space)", "aria-label": `View ${picture.name}` }, "i");
  const pick = make("button", { type: "button", className: "pick", tabIndex: -1, title: "Choose (x)", "aria-label": `Choose ${picture.name}`, "aria-pressed": isChosen(picture.id) }, "✓");
  const item = make("li", { index, className: [isGone ? "gone" : "", isChosen(picture.id) ? "chosen" : ""].join(" ").trim(), "aria-posinset": index + 1, "aria-setsize": -1 }, button);
  item.dataset.id = picture.id;
  item.draggable = true;
  if (hit) item.append(make("span", { className: "badge", "aria-hidden": "true" }, badge(picture)));
  item.append(pick, view);
  return item;
}

/** Width over height, within what a row can hold. */
export function ratioOf(picture) {
  return Math.max(0.4, Math.min(3.2, picture.width && picture.height ? picture.width / picture.height : 1));
}

/** The place in a list of the last one that `isBefore`: those that are come first. */
export function atOrBefore(list, isBefore) {
  let low = 0, high = list.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (isBefore(list[middle])) low = middle; else high = middle - 1;
  }
  return low;
}
