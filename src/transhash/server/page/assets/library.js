// What the page says of the library as a whole, and which parts of the page there are for it.

import { lacks } from "./api.js";
import { $, bytes, count } from "./words.js";

/** Show the facts of a library. */
export function showLibrary(facts) {
  const reads = (what) => facts.reads.includes(what);
  $("show-duplicates").hidden = lacks("duplicates");
  $("described").hidden = !reads("words");
  $("wordless").hidden = reads("words");
  document.querySelector(".choose").hidden = !reads("pictures");
  $("lacks").hidden = !lacks("duplicates");
  $("lacks").textContent = `${reads("vectors") ? "These are vectors: there are" : "This is a collection in Milvus: it has"} no ${facts.lacks.join(", ")}.`;
  document.title = `${facts.name} · transhash`;
  $("name").textContent = facts.name;
  $("log-out").hidden = !facts.guarded;
  $("status-library").textContent = count(facts.pictures, "picture");
  $("status-model").textContent = [facts.model, `${facts.bits} bits`, ...(facts.bytes ? [bytes(facts.bytes)] : [])].join(", ");
}
