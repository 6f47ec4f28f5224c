// The pages of a list, as the grid asks for them: of the library in an order, or of what a search finds.

import * as api from "./api.js";

/** Pages of the library, the newest first or by `sort`; `onTotal(pictures)` tells how many pass the filter. */
export const ofLibrary = (sort, where, onTotal) => async (at, limit, signal) => {
  const { pictures, total, more } = await api.browse({ ...(sort ? { sort, offset: at } : { before: at || null }), limit, where }, signal);
  onTotal(total);
  return { pictures, next: more ? (sort ? at + limit : pictures.at(-1)?.id ?? null) : null };
};

/** Pages of what a query finds within `limits`; the server ranks so many at `most`. */
export const ofSearch = (query, limits, most) => async (offset, k, signal) => {
  const { results: [{ hits, more }] } = await api.search(query, { ...limits, k, offset }, signal);
  return { pictures: hits, next: more && offset + 2 * k <= most ? offset + k : null };
};
