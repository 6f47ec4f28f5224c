// What is shown, as an address: it can be kept, sent, reloaded, and gone back to.
//
//   #like=12&like=9f03…~mine.jpg&active=1&folder=cat&where=width>800&text.label=tabby&cut=20&show=45&sort=-taken
//   #like=9f03…~mine.jpg&of=03dc02ad1b73: the code is of the model whose fingerprint begins so.   &each=1: copies are not one
//   #like=12&like=34&joined=1&not=1: like 12, but not like 34.   &rule=["width","least","800"]: a rule that was built
//
// A picture of the library is its id; one that was sent is its code, and its name behind a ~.

const FIELDS = ["folder", "from", "to", "size", "where"];
const ORDERS = /^-?(taken|modified|name|path|bytes|pixels)$/;
export const NOTHING = { view: "pictures", queries: [], active: 0, filters: {}, sort: "", joined: false, each: false, cut: null, viewing: null, place: null };

/** The address of a state, beginning with #, or "" for the whole library. */
export function addressOf({ view, queries, active, filters, sort, joined, each, cut, viewing }) {
  const parts = new URLSearchParams();
  if (view === "duplicates") parts.append("view", view);
  for (const query of queries) parts.append("like", query.id ?? `${query.code}~${query.name}`);
  const { of } = queries.find((query) => query.of) ?? {};
  if (of) parts.append("of", of);
  if (active && !joined) parts.append("active", active);
  if (joined) {
    parts.append("joined", 1);
    queries.forEach((query, at) => { if (query.unlike) parts.append("not", at); });
  }
  if (sort) parts.append("sort", sort);
  for (const rule of filters.rules ?? []) parts.append("rule", JSON.stringify(rule));
  for (const field of FIELDS) if (filters[field]) parts.append(field, filters[field]);
  for (const [column, value] of Object.entries(filters.texts ?? {})) if (value) parts.append(`text.${column}`, value);
  if (each && queries.length) parts.append("each", 1);
  if (cut !== null && queries.length) parts.append("cut", cut);
  if (viewing) parts.append("show", viewing.id);
  return parts.size ? `#${parts}` : "";
}

/** Make an entry of the history (`pushState`), or change the present one (`replaceState`). */
export function enter(way, state, address) {
  try { history[way](state, "", address); } catch { /* browsers refuse some of many in a few seconds; the next one has all that this one had */ }
}

/** The state of an address. Of the library's pictures it has the ids alone: what they are is asked when they are searched with. */
export function stateOf(hash) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const of = parts.get("of") ?? undefined;
  const queries = []; // null for what is no picture: it keeps its place until `active` and `not` have been read
  for (const like of parts.getAll("like")) {
    const [code, ...name] = like.split("~");
    if (name.length) queries.push({ code, name: name.join("~") || "a picture", of });
    else queries.push(/^\d{1,18}$/.test(like) ? { id: Number(like), name: `picture ${like}` } : null);
  }
  const filters = Object.fromEntries(FIELDS.filter((field) => parts.get(field)).map((field) => [field, parts.get(field)]));
  const texts = [...parts].filter(([name]) => name.startsWith("text.")).map(([name, value]) => [name.slice(5), value]);
  if (texts.length) filters.texts = Object.fromEntries(texts);
  const rules = parts.getAll("rule").map(ruleOf).filter(Boolean);
  if (rules.length) filters.rules = rules;
  for (const at of parts.getAll("not")) if (/^\d+$/.test(at) && queries[at]) queries[at].unlike = true;
  const whole = (name) => (/^\d{1,18}$/.test(parts.get(name) ?? "") ? Number(parts.get(name)) : null);
  return {
    ...NOTHING,
    view: parts.get("view") === "duplicates" ? "duplicates" : "pictures",
    ...without({ queries, active: whole("active") ?? 0, joined: parts.has("joined") }, (query) => !query),
    filters,
    sort: ORDERS.test(parts.get("sort") ?? "") ? parts.get("sort") : "",
    each: parts.has("each"),
    cut: whole("cut"),
    viewing: whole("show") === null ? null : { id: whole("show"), index: null },
  };
}

/** The queries of an address with what is known of their pictures; the same list where nothing was to be asked. Raises the first fault. */
export async function known(queries, picture) {
  const named = queries.filter(({ id, code }) => id !== undefined && code === undefined);
  if (!named.length) return queries;
  const found = new Map(await Promise.all(named.map(async ({ id }) => [id, asQuery(await picture(id))])));
  return queries.map((query) => ({ ...query, ...found.get(query.id) }));
}

/** What is searched with without the pictures that have gone; places are those of the list as it was. */
export function without({ queries, active, joined }, hasGone) {
  const left = queries.filter((query) => !hasGone(query));
  if (joined && left.every((query) => query.unlike)) return { queries: [], active: 0, joined: false }; // like none of what is left
  return { queries: left, active: Math.max(0, left.indexOf(queries[active])), joined: joined && left.length > 1 };
}

function ruleOf(text) {
  try {
    const rule = JSON.parse(text);
    return Array.isArray(rule) && rule.length === 3 && rule.every((each) => typeof each === "string") ? rule : null;
  } catch { return null; }
}

/** A picture of the library as something to search with. */
export const asQuery = ({ id, version, path, code }) => ({ id, version, name: path, code });
