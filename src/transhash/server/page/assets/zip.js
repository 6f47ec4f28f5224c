// An archive of files that are stored as they are (ZIP, APPNOTE 6.3): pictures do not become smaller.

const TABLE = Uint32Array.from({ length: 256 }, (_, at) => {
  for (let bit = 0; bit < 8; bit++) at = at & 1 ? 0xedb88320 ^ (at >>> 1) : at >>> 1;
  return at;
});
const DAY = 0x21; // 1980-01-01, the first that there is: when a file was made is not known here
const UTF_8 = 0x800;
export const MOST_BYTES = 4e9; // of files in one archive: places in it are numbers of 32 bits, and names and heads need room

function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

/** Numbers of so many bytes each, the least first. */
function packed(...numbers) {
  const bytes = [];
  for (const [value, size] of numbers) for (let at = 0; at < size; at++) bytes.push(Math.floor(value / 256 ** at) & 255);
  return new Uint8Array(bytes);
}

/** The archive of some {name, content}, as a Blob; together they have at most `MOST_BYTES`. */
export async function zip(files) {
  const parts = [], entries = [];
  let offset = 0;
  for (const { name, content } of files) {
    const bytes = new Uint8Array(await content.arrayBuffer()), title = new TextEncoder().encode(name);
    const facts = [[20, 2], [UTF_8, 2], [0, 2], [0, 2], [DAY, 2], [crc(bytes), 4], [bytes.length, 4], [bytes.length, 4], [title.length, 2], [0, 2]];
    const head = packed([0x04034b50, 4], ...facts);
    parts.push(head, title, content);
    entries.push(packed([0x02014b50, 4], [20, 2], ...facts, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), title);
    offset += head.length + title.length + bytes.length;
  }
  const size = entries.reduce((sum, each) => sum + each.length, 0);
  const end = packed([0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [offset, 4], [0, 2]);
  return new Blob([...parts, ...entries, end], { type: "application/zip" });
}
