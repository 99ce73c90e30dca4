// Where the upload lies in its result: a frame moves the product, and both are compared in place.

// Returns left, top, width and height of the upload in shares of the result; null: they coincide.
export function boxOf(root) {
  return root.dataset.upload ? root.dataset.upload.split(" ").map(Number) : null;
}

// Lays the upload under its result, or shows it whole where there is no box.
export function lay(picture, box) {
  const [left, top, width, height] = box?.map((share) => `${100 * share}%`) ?? [];
  Object.assign(picture.style, {
    position: box ? "absolute" : "",
    left: left ?? "",
    top: top ?? "",
    width: width ?? "",
    height: height ?? "",
    objectFit: box ? "fill" : "",
  });
}

// Draws a picture into a canvas as it lies in the result.
export function drawLaid(context, image, box) {
  const { width, height } = context.canvas;
  if (box) {
    const [left, top, wide, high] = box;
    context.drawImage(image, left * width, top * height, wide * width, high * height);
    return;
  }
  const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
  const [w, h] = [image.naturalWidth * scale, image.naturalHeight * scale];
  context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
}
