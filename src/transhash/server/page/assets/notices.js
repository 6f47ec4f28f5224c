// What the page tells: faults, what was done and can be undone, and what it waits for. Seen over an open picture, too.

import { $, make } from "./words.js";

const SECONDS = 12;

/** Tell the user what is wrong. */
export function trouble(error) {
  if (error.name === "AbortError" || error.status === 401) return;
  if (!("status" in error)) console.error(error);
  note(error.message, { className: "trouble" });
}

/** Tell something for some seconds, with an action to choose if there is one; returns what takes it away. */
export function note(text, { action, label, seconds = SECONDS, className = "trouble told" } = {}) {
  const away = () => {
    clearTimeout(timer);
    const held = box.contains(document.activeElement);
    box.remove();
    if (held) (document.querySelector("dialog[open] .panel") ?? $("results")).focus({ preventScroll: true });
  };
  const close = make("button", { type: "button", className: "icon quiet", "aria-label": "Dismiss", onclick: away }, "×");
  const box = make("div", { className: action ? `${className} lasting` : className }, make("p", {}, text));
  if (action) box.append(make("button", { type: "button", onclick: () => { away(); action(); } }, label));
  box.append(close);
  raise();
  $("troubles").append(box);
  for (const old of [...$("troubles").querySelectorAll(":scope > :not(.lasting)")].slice(0, -3)) old.remove(); // what can be undone stays its time
  const timer = setTimeout(away, 1000 * seconds);
  return away;
}

/** Notices belong to the dialog that is open: all else lies behind it and cannot be reached. */
export function raise() {
  const home = document.querySelector("dialog[open]") ?? document.body;
  if ($("troubles").parentElement !== home) home.append($("troubles"));
}

let waits = [];
/** Say what is waited for, if it takes longer than a moment; returns what ends that. */
export function waiting(text) {
  const one = { text };
  const timer = setTimeout(() => { waits.push(one); tell(); }, 350);
  return () => { clearTimeout(timer); waits = waits.filter((each) => each !== one); tell(); };
}

function tell() {
  $("activity").hidden = !waits.length;
  $("activity-text").textContent = waits.at(-1)?.text ?? "";
  document.body.setAttribute("aria-busy", waits.length > 0);
}

/** Whether the server answers: a banner while it does not. */
export function reachable(isThere) { $("offline").hidden = isThere; }
