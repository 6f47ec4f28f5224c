// What this browser keeps for the page. Where it keeps nothing, or is full, that lasts as long as the page.

const held = new Map(); // what the browser did not take

/** The text that was kept under a name, or null. */
export function kept(name) {
  if (held.has(name)) return held.get(name);
  try { return localStorage.getItem(name); } catch { return null; } // a browser may refuse even to be asked
}

/** Keep a text under a name. */
export function keep(name, text) {
  try {
    localStorage.setItem(name, text);
    held.delete(name);
  } catch {
    held.set(name, text);
  }
}
