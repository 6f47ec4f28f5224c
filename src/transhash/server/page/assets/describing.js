// Words that are searched with, where the library's model reads them: "red car - snow", "+ at night" besides a picture.

import * as api from "./api.js";
import { trouble, waiting } from "./notices.js";
import { $ } from "./words.js";

/** The parts of a text: each with what it says, and whether it is to be left out. */
function partsOf(text) {
  const found = [...text.matchAll(/(?:^|\s)([+-])\s+|$/g)].reduce(({ parts, from, unlike }, sign) => {
    const said = text.slice(from, sign.index).trim();
    return { parts: said ? [...parts, { said, unlike }] : parts, from: sign.index + sign[0].length, unlike: sign[1] === "-" };
  }, { parts: [], from: 0, unlike: false });
  return found.parts;
}

/** Connect the field of words; `search(queries, besides, joined)` searches with them, and gives false where it cannot. */
export function describing(search) {
  $("described").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = $("words").value.trim(), parts = partsOf(text), besides = /^[+-]\s/.test(text);
    if (!parts.length) return;
    const done = waiting(`Reading ${text}…`);
    try {
      const { results } = await api.byWords(parts.map(({ said }) => said), { k: 1 });
      const isDone = search(parts.map(({ said, unlike }, at) => ({ words: said, name: `“${said}”`, unlike, values: results[at].values, embedding: results[at].embedding, code: results[at].code })), besides, besides || parts.length > 1);
      if (isDone) $("words").value = "";
    } catch (error) {
      trouble(error);
    } finally {
      done();
    }
  });
}
