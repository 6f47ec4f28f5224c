// Removing pictures: each can be taken back for ten seconds, and where a file would be deleted, that is asked before.

import * as api from "./api.js";
import { note, raise, trouble } from "./notices.js";
import { $ } from "./words.js";

const SECONDS = 10;
const ADDED = /^added\//; // pictures that were added to the library: their files go with them

export class Removals {
  /** `mark(id, isGone)` shows it; `done()` is called when pictures have been removed. */
  constructor(mark, done) {
    this.mark = mark;
    this.done = done;
    this.waiting = new Map(); // id -> what ends the wait
    addEventListener("pagehide", () => { for (const id of this.waiting.keys()) api.removeNow(id); this.forget(); });
  }

  /** Remove a picture, unless that is taken back. */
  async begin(picture) {
    if (this.waiting.has(picture.id) || (ADDED.test(picture.path) && !(await asked(picture)))) return;
    this.mark(picture.id, true);
    const away = note(`${picture.name} is removed from the library`, { label: "Undo", seconds: SECONDS, action: () => this.undo(picture.id) });
    const timer = setTimeout(() => { away(); this.finish(picture.id); }, 1000 * SECONDS);
    this.waiting.set(picture.id, () => { clearTimeout(timer); away(); });
  }

  undo(id) {
    this.waiting.get(id)?.();
    this.waiting.delete(id);
    this.mark(id, false);
  }

  /** Remove nothing that waits: the library is another one, whose ids name other pictures. */
  forget() {
    for (const end of this.waiting.values()) end();
    this.waiting.clear();
  }

  async finish(id) {
    this.waiting.delete(id);
    try {
      await api.remove(id);
      await this.done();
    } catch (error) {
      trouble(error);
    } finally {
      this.mark(id, false);
    }
  }
}

function asked(picture) {
  const dialog = $("ask-remove");
  $("ask-remove-text").textContent = `${picture.name} was added to the library here. Its file is deleted with it.`;
  dialog.returnValue = "";
  dialog.showModal();
  raise();
  return new Promise((answer) => dialog.addEventListener("close", () => { raise(); answer(dialog.returnValue === "delete"); }, { once: true }));
}
