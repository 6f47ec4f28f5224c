// A client in TypeScript: its types come from the API's description alone. Prints what it found as JSON.

import createClient from "openapi-fetch";
import type { components, paths } from "./transhash";

declare const process: { argv: string[]; exitCode?: number };

type Hit = components["schemas"]["Hit"];
const [, , baseUrl, token, picture] = process.argv as [string, string, string, string, string];
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

async function main(): Promise<void> {
  const file = await (await fetch(picture)).blob();
  const sent = await client.POST("/api/v1/search", {
    params: { query: { k: 3, where: "width >= 1" } },
    body: { pictures: [file as unknown as string] }, // a description says of bytes that they are a string
    bodySerializer(body) {
      const form = new FormData();
      for (const each of (body as { pictures: unknown[] }).pictures) form.append("pictures", each as Blob, "query.png");
      return form;
    },
  });
  if (sent.error) throw new Error(sent.error.reason);
  const [first] = sent.data.results;
  if (!first || "fault" in first) throw new Error(first?.fault.reason ?? "no result");
  const nearest: Hit = first.hits[0]!;

  const similar = await client.GET("/api/v1/pictures/{id}/similar", { params: { path: { id: nearest.id }, query: { k: 2 } } });
  const byId = await client.POST("/api/v1/search/by-id", { body: { ids: [nearest.id] } }); // all else has a default
  const page = await client.GET("/api/v1/pictures", { params: { query: { limit: 5 } } });
  const library = await client.GET("/api/v1/library");
  const wrong = await client.GET("/api/v1/pictures", { params: { query: { where: "width >=" } } });
  // @ts-expect-error a picture has no such field
  nearest.nothing;
  console.log(JSON.stringify({
    path: nearest.path,
    distance: nearest.distance,
    identical: nearest.identical,
    similar: similar.data?.results.length,
    hits: byId.data?.results.map((each) => ("hits" in each ? each.hits.length : 0)),
    pictures: page.data?.pictures.map((each) => each.width > 0),
    name: library.data?.name,
    most: library.data?.limits.hits,
    wrong: wrong.error && { code: wrong.error.code, position: wrong.error.position },
  }));
}

main().catch((error: unknown) => { console.error(error); process.exitCode = 1; });
