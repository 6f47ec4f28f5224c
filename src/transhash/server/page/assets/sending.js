// Pictures that are sent: searched with, and added to the library where that is allowed.

import * as api from "./api.js";
import { note, trouble, waiting } from "./notices.js";
import { bytes, count } from "./words.js";

const HEADS = 2 ** 16; // bytes of a request that are no pictures, at most

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

/** Send pictures, within the server's limits, and call `search(queries, besides)`; those that cannot be used are named. */
export async function send(list, limits, search, besides) {
  const first = [...list].slice(0, limits.pictures), most = limits.upload_bytes - HEADS;
  if (list.length > first.length) trouble(said(`only the first ${first.length} pictures are searched with; choose fewer`));
  const chosen = [], queries = [];
  for (const [file, isThere] of await Promise.all(first.map(async (each) => [each, await isReadable(each)]))) {
    if (!isThere) trouble(said(unreadable(file)));
    else if (file.size > most) trouble(said(`${file.name || "the picture"}: it has ${bytes(file.size)}; send a smaller copy, of at most ${bytes(most)}`));
    else chosen.push(file);
  }
  if (!chosen.length) return;
  const done = waiting(`Sending ${chosen.length === 1 ? chosen[0].name || "the picture" : count(chosen.length, "picture")}…`);
  try {
    for (const some of requests(chosen, most)) queries.push(...(await sentTogether(some)));
  } catch (error) {
    trouble(error);
  } finally {
    done();
  }
  if (queries.length) search(queries, besides);
}

/** Whether a file can be read: of a folder that is dropped, browsers make one that cannot, with which no request goes out. */
const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);
const unreadable = (file) => `${file.name || "the picture"}: a folder, or a file that is gone; choose pictures that are there`;

/** Files in as few requests as they go into, each of at most so many bytes. */
function requests(chosen, most) {
  const all = [];
  let room = 0;
  for (const file of chosen) {
    if (!all.length || file.size > room) { all.push([]); room = most; }
    all.at(-1).push(file);
    room -= file.size;
  }
  return all;
}

/** Send some files; gives the queries of those that can be used, and tells of the others. */
async function sentTogether(some) {
  const queries = [];
  const tell = (file, text) => trouble(said(`${file.name || "the picture"}: ${text}`));
  try {
    const { results } = await api.upload(some, { k: 1 });
    results.forEach((result, at) => {
      if (result.fault) return tell(some[at], `${result.fault.reason}; ${result.fault.remedy}`);
      const key = `${opening}/${++sent}`;
      files.set(key, some[at]);
      queries.push({ key, values: result.values, embedding: result.embedding, version: result.version, code: result.code, name: some[at].name || "pasted picture", url: URL.createObjectURL(some[at]) });
    });
  } catch (error) {
    if (error.status !== 422) throw error;
    if (some.length === 1) tell(some[0], error.message);
    else trouble(error);
  }
  return queries;
}

const said = (text) => Object.assign(new Error(text), { status: 0 });

/** Add the picture of a query to the library; `added()` is called when it is there. */
export async function add(query, added) {
  const done = waiting(`Adding ${query.name}…`);
  try {
    const file = files.get(query.key);
    if (!(await isReadable(file))) throw said(unreadable(file));
    await api.add([file]);
    files.delete(query.key);
    note(`${query.name} is in the library now`);
    await added();
  } catch (error) {
    trouble(error);
  } finally {
    done();
  }
}
