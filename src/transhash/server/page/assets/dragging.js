// Pictures that are dragged out of the page, to the desktop or another program: as files, where the browser can do that.

import * as api from "./api.js";
import { $ } from "./words.js";

/** Whether something of this page is being dragged: it is no picture from elsewhere. */
export let isOwn = false;

/** Let pictures of the grid and the open picture be dragged; `hasOriginals()` tells whether they are shown in full size. */
export function dragging(grid, viewer, hasOriginals) {
  document.addEventListener("dragstart", (event) => {
    isOwn = true;
    const item = event.target.closest?.("#grid li"), isOpen = event.target.id === "viewer-picture";
    const picture = item ? grid.here(item.index) : isOpen ? viewer.picture : null;
    if (isOpen && $("frame").matches(".parting, .zoomed")) event.preventDefault(); // it is moved, or a part of it drawn
    else if (picture && !api.lacks("thumbnails")) offer(event.dataTransfer, picture, hasOriginals());
  });
  document.addEventListener("dragend", () => { isOwn = false; });
}

function offer(transfer, picture, isWhole) {
  const address = new URL(isWhole ? api.original(picture) : api.thumbnail(picture), document.baseURI).href;
  const [type, name] = file(picture.name, isWhole);
  transfer.effectAllowed = "copy";
  transfer.setData("text/uri-list", address);
  transfer.setData("text/plain", picture.path);
  transfer.setData("DownloadURL", `${type}:${name}:${address}`); // what Chromium makes a file of
}

/** The type and the name of the file that the server gives: JPEG if it is one, or is small, else PNG. */
export function file(name, isWhole) {
  const isJpeg = /\.(jpe?g|jpe|jfif)$/i.test(name), plain = name.replaceAll(":", "_");
  if (isJpeg || !isWhole) return ["image/jpeg", isJpeg ? plain : `${plain}.jpg`];
  return ["image/png", /\.png$/i.test(name) ? plain : `${plain}.png`];
}
