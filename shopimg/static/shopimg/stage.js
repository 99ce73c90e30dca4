// Both pictures over the same pixels: divider, one to one with panning, blink, difference.

import { paintDifference } from "./difference.js";
import { paintCover } from "./mask.js";
import { boxOf, lay } from "./registration.js";

const HANDLE_PIXELS = 24;
const MARGIN_PIXELS = 16;
const STEP_PIXELS = 80;
const SWIPE_PIXELS = 8; // a finger that has gone so far means it

export class Stage {
  // Takes the stage that was there before, too: who looks at 1:1 goes on to, and at candidates for
  // one place in the same spot.
  constructor(root, previous = null) {
    this.root = root;
    this.view = root.querySelector(".view");
    this.pair = root.querySelector(".pair");
    this.divider = root.querySelector(".divider");
    this.cut = root.querySelector("#cut");
    this.heat = root.querySelector(".heat");
    this.cover = root.querySelector(".cover"); // none where nothing was cut out
    this.upload = root.querySelector(".before img");
    this.box = boxOf(root);
    this.size = [Number(root.dataset.width), Number(root.dataset.height)];
    this.centre = [0.5, 0.5]; // point of the picture in the middle of the view
    this.zoom(previous?.zoomed ?? false);
    if (previous?.root.dataset.job === root.dataset.job) this.centre = [...previous.centre];
    this.connectPointer();
    this.connectTools();
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.view);
    this.watchPictures();
    this.draw();
  }

  disconnect() {
    this.observer.disconnect();
  }

  // Places the pair and the divider. The divider stays where it is in the view while the
  // pictures are moved below it.
  draw() {
    const view = [this.view.clientWidth, this.view.clientHeight];
    const scale = this.zoomed ? 1 / devicePixelRatio : this.fittingScale(view);
    const shown = this.size.map((side) => side * scale);
    this.origin = shown.map((side, axis) => this.place(side, view[axis], axis));
    this.shown = shown;
    Object.assign(this.pair.style, {
      width: `${shown[0]}px`,
      height: `${shown[1]}px`,
      transform: `translate(${this.origin[0]}px, ${this.origin[1]}px)`,
    });
    // The mask covers the upload as a whole; everything else compares it with the result.
    lay(this.upload, this.root.dataset.mask === undefined ? this.box : null);
    this.drawDivider(view);
  }

  drawDivider(view) {
    const [left, top] = this.origin.map((start) => Math.max(0, start));
    const right = Math.min(view[0], this.origin[0] + this.shown[0]);
    const bottom = Math.min(view[1], this.origin[1] + this.shown[1]);
    this.span = [left, right - left];
    const { peek, mask } = this.root.dataset;
    const share = peek === undefined && mask === undefined ? this.cut.value / 100 : 1;
    const at = left + share * (right - left);
    const inPair = (100 * (at - this.origin[0])) / this.shown[0];
    this.pair.style.setProperty("--cut", `${Number(inPair.toFixed(3))}%`);
    this.divider.style.setProperty("--at", `${this.cut.value}%`);
    Object.assign(this.divider.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${right - left}px`,
      height: `${bottom - top}px`,
    });
    this.root.dataset.only = { 0: "after", 100: "before" }[this.cut.value] ?? "";
  }

  fittingScale(view) {
    const room = view.map((side) => Math.max(1, side - 2 * MARGIN_PIXELS));
    return Math.min(room[0] / this.size[0], room[1] / this.size[1]);
  }

  // Returns where a side of the pair starts: centred where it fits, else within its limits.
  place(side, room, axis) {
    if (side <= room) return (room - side) / 2;
    const half = room / 2 / side;
    this.centre[axis] = Math.min(1 - half, Math.max(half, this.centre[axis]));
    return room / 2 - this.centre[axis] * side;
  }

  toggleZoom(point = [0.5, 0.5]) {
    this.zoom(!this.zoomed);
    this.centre = [...point];
    this.draw();
  }

  zoom(on) {
    this.zoomed = on;
    this.root.toggleAttribute("data-zoomed", on);
    this.setPressed("#tool-zoom", on);
  }

  move(x, y) {
    this.pan(x * STEP_PIXELS, y * STEP_PIXELS);
  }

  pan(x, y) {
    if (!this.zoomed) return;
    this.centre[0] -= x / this.shown[0];
    this.centre[1] -= y / this.shown[1];
    this.draw();
  }

  // While held the upload is seen whole; afterwards the result is, so that the two alternate.
  peek(on) {
    if (on === (this.root.dataset.peek !== undefined)) return;
    this.root.toggleAttribute("data-peek", on);
    this.heat.hidden = on || this.root.dataset.heat === undefined;
    if (this.cover) this.cover.hidden = on || this.root.dataset.mask === undefined;
    this.cut.value = 0;
    this.setPressed("#tool-blink", on);
    this.draw();
  }

  // Shows the upload with everything tinted that was not taken for the product.
  toggleMask() {
    if (!this.cover) return;
    if (this.root.dataset.heat !== undefined) this.toggleDifference();
    const on = this.root.toggleAttribute("data-mask");
    this.setPressed("#tool-mask", on);
    this.cover.hidden = !on;
    this.draw();
    if (!on || this.covered) return;
    this.covered = paintCover(this.cover, this.cover.dataset.mask).catch(() => {
      this.root.querySelector(".failure").hidden = false;
    });
  }

  toggleDifference() {
    if (this.root.querySelector("#tool-difference").disabled) return; // a picture is missing
    if (this.root.dataset.mask !== undefined) this.toggleMask();
    const on = this.root.toggleAttribute("data-heat");
    this.setPressed("#tool-difference", on);
    const legend = this.root.querySelector(".legend");
    this.heat.hidden = legend.hidden = !on;
    if (!on) return;
    this.measured ??= this.measure(legend.querySelector("output")).catch(() => {
      this.measured = null; // again with the next press
      this.root.querySelector(".failure").hidden = false;
    });
  }

  // Paints the map and says its figures, once all pictures are there.
  async measure(output) {
    const [before, after] = [this.upload, this.pair.querySelector(".after img")];
    const mask = this.cover && new Image();
    if (mask) mask.src = this.cover.dataset.mask;
    await Promise.all([before, after, mask].map((picture) => picture?.decode()));
    const figures = paintDifference({ before, after, box: this.box, mask }, this.heat);
    output.textContent = (mask ? output.dataset.product : output.dataset.text)
      .replace("{mean}", figures?.mean.toFixed(1) ?? "?")
      .replace("{p95}", figures?.p95 ?? "?");
  }

  watchPictures() {
    const failure = this.root.querySelector(".failure");
    for (const picture of this.pair.querySelectorAll("img")) {
      picture.decode().catch(() => {
        failure.hidden = false;
        this.root.querySelector("#tool-difference").disabled = true;
      });
    }
  }

  connectTools() {
    const blink = this.root.querySelector("#tool-blink");
    blink.addEventListener("pointerdown", (event) => {
      blink.setPointerCapture(event.pointerId);
      this.peek(true);
    });
    for (const end of ["pointerup", "pointercancel", "keyup", "blur"]) {
      blink.addEventListener(end, () => this.peek(false));
    }
    blink.addEventListener("keydown", (event) => {
      if (event.key === " " || event.key === "Enter") this.peek(true);
    });
    this.root.querySelector("#tool-zoom").addEventListener("click", () => this.toggleZoom());
    this.root
      .querySelector("#tool-difference")
      .addEventListener("click", () => this.toggleDifference());
    this.root.querySelector("#tool-mask")?.addEventListener("click", () => this.toggleMask());
    this.cut.addEventListener("input", () => this.draw());
  }

  connectPointer() {
    let last = null;
    this.view.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      const panning = this.zoomed && !this.isOnHandle(event);
      // A finger that comes down may be about to scroll the page.
      const waiting = !panning && event.pointerType === "touch" && !this.isOnHandle(event);
      last = { panning, waiting, x: event.clientX, y: event.clientY };
      this.view.setPointerCapture(event.pointerId);
      this.root.toggleAttribute("data-dragging", panning);
      if (!panning && !waiting) this.cutAt(event);
    });
    this.view.addEventListener("pointermove", (event) => {
      if (last === null || !event.isPrimary) return;
      const [x, y] = [event.clientX - last.x, event.clientY - last.y];
      if (last.waiting && Math.abs(x) < Math.max(SWIPE_PIXELS, Math.abs(y))) return;
      if (last.panning) this.pan(x, y);
      else this.cutAt(event);
      last = { ...last, waiting: false, x: event.clientX, y: event.clientY };
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.view.addEventListener(end, (event) => {
        if (end === "pointerup" && last?.waiting) this.cutAt(event); // a tap
        last = null;
        this.root.removeAttribute("data-dragging");
      });
    }
    this.view.addEventListener("dblclick", (event) => this.toggleZoom(this.pointAt(event)));
  }

  isOnHandle(event) {
    const at = this.span[0] + (this.cut.value / 100) * this.span[1];
    return Math.abs(this.offset(event)[0] - at) < HANDLE_PIXELS;
  }

  cutAt(event) {
    this.cut.value = (100 * (this.offset(event)[0] - this.span[0])) / this.span[1];
    this.draw();
  }

  pointAt(event) {
    return this.offset(event).map((at, axis) => (at - this.origin[axis]) / this.shown[axis]);
  }

  offset(event) {
    const box = this.view.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  setPressed(selector, on) {
    this.root.querySelector(selector).setAttribute("aria-pressed", String(on));
  }
}
