// Two pictures in one frame, that of the first: the second laid on it, and the difference of both drawn.

const MOST = 1400; // pixels of the longer side of the frame
const SEEN = 24; // levels by which a pixel differs visibly
const COLOUR = [232, 89, 12];

/** The size of the frame of a picture. */
export function frameOf(image) {
  const scale = Math.min(1, MOST / Math.max(image.naturalWidth, image.naturalHeight));
  return [Math.max(1, Math.round(image.naturalWidth * scale)), Math.max(1, Math.round(image.naturalHeight * scale))];
}

const drawnOn = (canvas) => canvas.getContext("2d", { willReadFrequently: true });

/** Draw the first picture. */
export function drawFirst(canvas, first, [width, height]) {
  Object.assign(canvas, { width, height });
  drawnOn(canvas).drawImage(first, 0, 0, width, height);
}

/** Draw the second picture as it lies on the first: `onto` takes shares of the first to shares of the second. */
export function drawSecond(canvas, second, onto, [width, height]) {
  Object.assign(canvas, { width, height });
  const [a, b, c, d, e, f] = onto ?? [1, 0, 0, 1, 0, 0];
  const area = a * d - b * c || 1; // the way back, from the second to the first
  const [A, B, C, D] = [d / area, -b / area, -c / area, a / area];
  const [E, F] = [-(A * e + B * f), -(C * e + D * f)];
  const context = drawnOn(canvas);
  context.imageSmoothingQuality = "high";
  context.setTransform(A * width, C * height, B * width, D * height, E * width, F * height);
  context.drawImage(second, 0, 0, 1, 1);
  context.setTransform(1, 0, 0, 1, 0, 0);
}

/** Paint what differs over a faint copy of the first; returns the share of the pixels that both have which differ, or null. */
export function drawDifference(canvas, first, second, onto, frame) {
  const [width, height] = frame;
  drawFirst(canvas, first, frame);
  const one = drawnOn(canvas).getImageData(0, 0, width, height).data;
  drawSecond(canvas, second, onto, frame);
  const context = drawnOn(canvas);
  const image = context.getImageData(0, 0, width, height), other = image.data;
  let both = 0, differing = 0;
  for (let at = 0; at < other.length; at += 4) {
    const grey = 0.299 * one[at] + 0.587 * one[at + 1] + 0.114 * one[at + 2];
    const isBoth = other[at + 3] > 250;
    const apart = isBoth ? Math.max(Math.abs(one[at] - other[at]), Math.abs(one[at + 1] - other[at + 1]), Math.abs(one[at + 2] - other[at + 2])) : 0;
    both += isBoth;
    differing += apart > SEEN;
    const share = Math.min(1, Math.max(0, apart - SEEN / 3) / (2 * SEEN)), faint = isBoth ? 0.35 * grey + 150 : 0.2 * grey + 40;
    for (let part = 0; part < 3; part++) other[at + part] = faint + share * (COLOUR[part] - faint);
    other[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return both ? differing / both : null;
}
