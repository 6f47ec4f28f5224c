// Pictures that are sent: searched with, and added to the library where that is allowed.

import * as api from "./api.js";
import { note, trouble, waiting } from "./notices.js";
import { count } from "./words.js";

const files = new Map(); // pictures that were sent, by the keys of their queries: they can be added to the library
// keys are of this opening of the page: the history keeps those of openings before, whose files are gone
const opening = crypto.getRandomValues(new Uint32Array(4)).join("-");
let sent = 0;

/** Whether the picture of a query can be added. */
export const isNew = (query) => files.has(query.key);

/** A query as it can be used now: what was sent before the page was opened is gone, its code is not. */
export function present({ url, key, ...query }) {
  return key?.startsWith?.(`${opening}/`) ? { ...query, url, key } : query;
}

/** Send pictures, at most so many, and call `search(queries, besides)`; of several, those that cannot be used are named. */
export async function send(list, most, search, besides) {
  const chosen = [...list].slice(0, most);
  if (list.length > chosen.length) trouble(said(`only the first ${chosen.length} pictures are searched with; choose fewer`));
  if (!chosen.length) return;
  const done = waiting(`Sending ${chosen.length === 1 ? chosen[0].name || "the picture" : count(chosen.length, "picture")}…`);
  try {
    const answer = await api.upload(chosen, { k: 1 });
    const queries = [];
    answer.results.forEach((result, at) => {
      if (result.fault) return trouble(said(`${chosen[at].name || "the picture"}: ${result.fault.reason}; ${result.fault.remedy}`));
      const key = `${opening}/${++sent}`;
      files.set(key, chosen[at]);
      queries.push({ key, values: result.values, embedding: result.embedding, version: result.version, code: result.code, name: chosen[at].name || "pasted picture", url: URL.createObjectURL(chosen[at]) });
    });
    if (queries.length) search(queries, besides);
  } catch (error) {
    if (chosen.length === 1 && error.status === 422) error.message = `${chosen[0].name || "the picture"}: ${error.message}`;
    trouble(error);
  } finally {
    done();
  }
}

const said = (text) => Object.assign(new Error(text), { status: 0 });

/** Add the picture of a query to the library; `added()` is called when it is there. */
export async function add(query, added) {
  const done = waiting(`Adding ${query.name}…`);
  try {
    await api.add([files.get(query.key)]);
    files.delete(query.key);
    note(`${query.name} is in the library now`);
    await added();
  } catch (error) {
    trouble(error);
  } finally {
    done();
  }
}
