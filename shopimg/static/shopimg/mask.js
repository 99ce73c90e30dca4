// Masks as covers: what is not the product in one colour, the product clear.

const LONGEST_PIXELS = 4096; // beyond it a canvas may cost more memory than a phone has
const TINT = "#d0104c";

// Draws the cover of a mask; the canvas becomes as large as the mask, within limits.
export async function paintCover(canvas, url) {
  const mask = new Image();
  mask.src = url;
  await mask.decode();
  fit(canvas, mask.naturalWidth, mask.naturalHeight);
  const context = cover(canvas);
  context.globalCompositeOperation = "destination-out";
  context.drawImage(asTransparency(mask, canvas), 0, 0);
  context.globalCompositeOperation = "source-over";
}

// Covers everything: nothing is known to be the product.
export function cover(canvas) {
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = "source-over";
  context.fillStyle = TINT;
  context.fillRect(0, 0, canvas.width, canvas.height);
  return context;
}

// Draws a stroke of a round brush: the product shows through, or is covered.
export function paintStroke(canvas, { tool, width, points }) {
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = tool === "add" ? "destination-out" : "source-over";
  context.strokeStyle = context.fillStyle = TINT;
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = width;
  // A line without a length is not drawn at all.
  context.beginPath();
  context.arc(...points[0], width / 2, 0, 2 * Math.PI);
  context.fill();
  context.beginPath();
  context.moveTo(...points[0]);
  for (const point of points.slice(1)) context.lineTo(...point);
  context.stroke();
  context.globalCompositeOperation = "source-over";
}

// Returns the mask that a cover stands for: a PNG, white and opaque where the product is.
export function maskOf(canvas) {
  const mask = document.createElement("canvas");
  mask.width = canvas.width;
  mask.height = canvas.height;
  const context = mask.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, mask.width, mask.height);
  context.globalCompositeOperation = "destination-out";
  context.drawImage(canvas, 0, 0);
  // Not toBlob: Chromium encodes PNG when it has nothing else to do, which may take ten seconds.
  const base64 = mask.toDataURL("image/png").split(",")[1];
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: "image/png" });
}

export function fit(canvas, width, height) {
  const factor = Math.min(1, LONGEST_PIXELS / Math.max(width, height));
  canvas.width = Math.round(width * factor);
  canvas.height = Math.round(height * factor);
}

function asTransparency(mask, { width, height }) {
  const scratch = new OffscreenCanvas(width, height);
  const context = scratch.getContext("2d", { willReadFrequently: true });
  context.drawImage(mask, 0, 0, width, height);
  const picture = context.getImageData(0, 0, width, height);
  for (let at = 0; at < picture.data.length; at += 4) picture.data[at + 3] = picture.data[at];
  context.putImageData(picture, 0, 0);
  return scratch;
}
