// The heat map: how far each pixel of the result is from the enlarged upload.

import { drawLaid } from "./registration.js";

const LONGEST_PIXELS = 1400; // enough for any screen, quick enough for one key press
const HOTTEST = 64; // levels of 255 that are shown in the brightest colour
const PRODUCT = 250; // of 255: what of a mask is the product, and not its edge
const STOPS = ["000004", "420a68", "932667", "dd513a", "fca50a", "fcffa4"];
const COLOURS = ramp(STOPS.map((stop) => [0, 2, 4].map((at) => parseInt(stop.slice(at, at + 2), 16))));

// Paints the map and returns the mean and the 95th percentile, in levels of 255; null where nothing
// was compared. The box is where the upload lies in the result: what is around it is new, and not
// compared. With a mask, which lies as the upload does, the product alone is.
export function paintDifference({ before, after, box, mask = null }, canvas) {
  const factor = Math.min(1, LONGEST_PIXELS / Math.max(after.naturalWidth, after.naturalHeight));
  canvas.width = Math.round(after.naturalWidth * factor);
  canvas.height = Math.round(after.naturalHeight * factor);
  const old = pixelsOf(before, canvas, "#fff", box);
  const produced = pixelsOf(after, canvas, "#fff", null);
  const compared = compare(canvas, mask, box);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  const counts = new Uint32Array(256);
  for (let at = 0; at < old.length; at += 4) {
    if (compared && compared[at] < PRODUCT) continue;
    const level = Math.max(
      Math.abs(old[at] - produced[at]),
      Math.abs(old[at + 1] - produced[at + 1]),
      Math.abs(old[at + 2] - produced[at + 2]),
    );
    counts[level] += 1;
    const colour = COLOURS[Math.min(level, HOTTEST)];
    picture.data[at] = colour[0];
    picture.data[at + 1] = colour[1];
    picture.data[at + 2] = colour[2];
    picture.data[at + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
  return summarise(counts);
}

// Returns what is compared, white: the product, or where there is no mask what the upload covers.
function compare({ width, height }, mask, box) {
  if (mask) return pixelsOf(mask, { width, height }, "#000", box);
  if (!box) return null;
  const white = new OffscreenCanvas(1, 1);
  white.getContext("2d").fillStyle = "#fff";
  white.getContext("2d").fillRect(0, 0, 1, 1);
  return pixelsOf(white, { width, height }, "#000", box);
}

function pixelsOf(image, { width, height }, ground, box) {
  const scratch = new OffscreenCanvas(width, height);
  const context = scratch.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  // All on the same ground, so that transparent parts are compared as shoppers see them.
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
  drawLaid(context, image, box);
  return context.getImageData(0, 0, width, height).data;
}

function summarise(counts) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!total) return null;
  const sum = counts.reduce((all, count, level) => all + count * level, 0);
  let seen = 0;
  const p95 = counts.findIndex((count) => (seen += count) >= 0.95 * total);
  return { mean: sum / total, p95 };
}

function ramp(stops) {
  return Array.from({ length: HOTTEST + 1 }, (_, level) => {
    const at = (level / HOTTEST) * (stops.length - 1);
    const from = Math.min(Math.floor(at), stops.length - 2);
    return stops[from].map((start, c) => Math.round(start + (at - from) * (stops[from + 1][c] - start)));
  });
}
