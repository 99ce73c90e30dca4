// Painting over the upload what is the product. A stroke is remembered, not a picture of it: to
// undo one, the others are painted again.

import { announce } from "./decisions.js";
import { cover, fit, maskOf, paintCover, paintStroke } from "./mask.js";

const LONGEST_SAVING = 60_000; // milliseconds
const SIZE_STEP = 3;
const BRACKETS = { "[": -SIZE_STEP, "]": SIZE_STEP };
const TOOL_KEYS = { "+": "add", "=": "add", "-": "remove", h: "move" };

let editor = null; // of the page that is shown

export function connectMaskEditor(page) {
  editor?.stop();
  editor = null;
  const dialog = page.querySelector("#mask-editor");
  if (!dialog) return;
  page.querySelector("#open-mask-editor").addEventListener("click", () => {
    dialog.showModal();
    editor ??= new MaskEditor(dialog);
    editor.listen();
  });
}

addEventListener("beforeunload", (event) => {
  if (editor?.isUnsaved) event.preventDefault();
});

// Asks somebody who has painted and not saved, and is about to leave the page.
export function mayLosePainting() {
  if (!editor?.isUnsaved) return true;
  const gives = confirm(editor.dialog.dataset.unsaved);
  if (gives) editor.giveUp();
  return gives;
}

class MaskEditor {
  constructor(dialog) {
    this.dialog = dialog;
    this.board = dialog.querySelector(".board");
    this.sheet = dialog.querySelector(".sheet");
    this.canvas = dialog.querySelector("canvas");
    this.brush = dialog.querySelector(".brush");
    this.size = dialog.querySelector("#brush-size");
    this.problem = dialog.querySelector(".problem");
    this.tool = "add";
    this.strokes = [];
    this.undone = [];
    this.zoomed = false;
    this.changes = 0;
    this.saved = 0;
    this.heard = (event) => this.press(event);
    this.connectTools();
    this.connectPointer();
    this.connectSaving();
    new ResizeObserver(() => this.place()).observe(this.board);
    this.load().catch(() => this.complain(this.problem.dataset.missing));
  }

  async load() {
    const picture = this.sheet.querySelector("img");
    picture.src = this.dialog.dataset.picture;
    await picture.decode();
    this.natural = [picture.naturalWidth, picture.naturalHeight];
    this.base = document.createElement("canvas");
    if (this.dialog.dataset.mask) {
      await paintCover(this.base, this.dialog.dataset.mask);
    } else {
      fit(this.base, ...this.natural);
      cover(this.base);
    }
    this.canvas.width = this.base.width;
    this.canvas.height = this.base.height;
    this.repaint();
    this.place();
  }

  // Shows the sheet as large as the board allows, or one pixel of the upload on one of the screen.
  place() {
    if (!this.natural) return;
    const room = [this.board.clientWidth, this.board.clientHeight];
    const fitting = Math.min(room[0] / this.natural[0], room[1] / this.natural[1]);
    const scale = this.zoomed ? 1 / devicePixelRatio : fitting;
    const [width, height] = this.natural.map((side) => Math.max(1, Math.floor(side * scale)));
    Object.assign(this.sheet.style, { width: `${width}px`, height: `${height}px` });
    this.scale = width / this.canvas.width;
    this.showBrush();
  }

  repaint() {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.base, 0, 0);
    for (const stroke of this.strokes) paintStroke(this.canvas, stroke);
    this.enable();
  }

  // Not "disabled": that would take the focus, and with it the keys, from whoever has pressed it.
  enable() {
    this.changes += 1;
    const empty = { undo: this.strokes, reset: this.strokes, redo: this.undone };
    for (const [name, strokes] of Object.entries(empty)) {
      this.button(name).setAttribute("aria-disabled", String(strokes.length === 0));
    }
  }

  choose(tool) {
    this.tool = tool;
    this.sheet.dataset.tool = tool;
    for (const button of this.dialog.querySelectorAll("[data-tool]:is(button)")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    this.brush.hidden = true;
  }

  undo() {
    if (this.strokes.length === 0) return;
    this.undone.push(this.strokes.pop());
    this.repaint();
  }

  redo() {
    if (this.undone.length === 0) return;
    this.strokes.push(this.undone.pop());
    this.repaint();
  }

  reset() {
    if (this.strokes.length === 0) return;
    this.undone = [...this.strokes].reverse();
    this.strokes = [];
    this.repaint();
  }

  zoom() {
    this.zoomed = !this.zoomed;
    this.button("zoom").setAttribute("aria-pressed", String(this.zoomed));
    this.place();
    this.board.scrollTo(
      (this.board.scrollWidth - this.board.clientWidth) / 2,
      (this.board.scrollHeight - this.board.clientHeight) / 2,
    );
  }

  // Diameter of the brush in pixels of the canvas: as large on the screen at every zoom.
  get width() {
    return Math.max(1, (this.size.value * 2) / this.scale);
  }

  showBrush(at = null) {
    const side = `${this.size.value * 2}px`;
    Object.assign(this.brush.style, { width: side, height: side });
    if (at) Object.assign(this.brush.style, { left: `${at[0]}px`, top: `${at[1]}px` });
  }

  connectTools() {
    this.choose("add");
    for (const button of this.dialog.querySelectorAll("button[data-tool]")) {
      button.addEventListener("click", () => this.choose(button.dataset.tool));
    }
    for (const button of this.dialog.querySelectorAll("button[data-do]")) {
      button.addEventListener("click", () => this[button.dataset.do]());
    }
    this.size.addEventListener("input", () => this.showBrush());
    this.dialog.querySelector("[data-close]").addEventListener("click", () => this.dialog.close());
  }

  // Keys are heard wherever the focus is: a click beside the buttons takes it from all of them.
  listen() {
    document.addEventListener("keydown", this.heard);
    this.dialog.addEventListener("close", () => this.stop(), { once: true });
  }

  // Also for a page that is taken away with its dialog open, which nothing tells.
  stop() {
    document.removeEventListener("keydown", this.heard);
  }

  get isUnsaved() {
    return this.strokes.length > 0 && this.changes !== this.saved;
  }

  // Whoever is asked and leaves all the same is not asked once more.
  giveUp() {
    this.saved = this.changes;
  }

  press(event) {
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && key === "z") {
      event.preventDefault();
      if (event.shiftKey) this.redo();
      else this.undo();
    } else if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    } else if (TOOL_KEYS[key]) {
      this.choose(TOOL_KEYS[key]);
    } else if (BRACKETS[key]) {
      this.size.value = Number(this.size.value) + BRACKETS[key];
      this.showBrush();
    } else if (key === "z" && !event.repeat) {
      this.zoom();
    }
  }

  connectPointer() {
    let stroke = null;
    let last = null;
    const { board, sheet } = this;
    board.addEventListener("pointerdown", (event) => {
      const onSheet = sheet.contains(event.target); // else on a scroll bar, or beside it
      if (event.button !== 0 || !onSheet || !this.base) return;
      last = [event.clientX, event.clientY];
      board.setPointerCapture(event.pointerId);
      if (this.tool === "move") return;
      event.preventDefault();
      board.focus({ preventScroll: true });
      stroke = { tool: this.tool, width: this.width, points: [this.point(event)] };
      paintStroke(this.canvas, stroke);
    });
    board.addEventListener("pointermove", (event) => {
      this.follow(event);
      if (stroke) this.extend(stroke, event);
      else if (last) board.scrollBy(last[0] - event.clientX, last[1] - event.clientY);
      if (last) last = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) {
      board.addEventListener(end, () => {
        if (stroke) this.remember(stroke);
        stroke = last = null;
      });
    }
    sheet.addEventListener("pointerleave", () => (this.brush.hidden = true));
  }

  extend(stroke, event) {
    const moves = event.getCoalescedEvents?.() ?? [];
    const points = (moves.length ? moves : [event]).map((move) => this.point(move));
    // Only what is new: strokes cover fully, so that painting twice changes nothing.
    const piece = { ...stroke, points: [stroke.points.at(-1), ...points] };
    stroke.points.push(...points);
    paintStroke(this.canvas, piece);
  }

  remember(stroke) {
    this.strokes.push(stroke);
    this.undone = [];
    this.enable();
  }

  follow(event) {
    const box = this.sheet.getBoundingClientRect();
    this.brush.hidden = this.tool === "move" || event.pointerType === "touch";
    this.showBrush([event.clientX - box.left, event.clientY - box.top]);
  }

  point(event) {
    const box = this.sheet.getBoundingClientRect();
    return [(event.clientX - box.left) / this.scale, (event.clientY - box.top) / this.scale];
  }

  connectSaving() {
    const form = this.dialog.querySelector("form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.ariaBusy === "true") return; // pressed twice
      form.ariaBusy = "true";
      this.save(form).finally(() => (form.ariaBusy = "false"));
    });
  }

  async save(form) {
    this.problem.hidden = true;
    const body = new FormData(form);
    try {
      body.append("mask", maskOf(this.canvas), "mask.png");
      const headers = { Accept: "application/json" };
      const signal = AbortSignal.timeout(LONGEST_SAVING);
      const response = await fetch(form.action, { method: "POST", body, headers, signal });
      const answer = await response.json();
      if (response.ok) this.tell(answer);
      else this.complain(answer.message);
    } catch {
      this.complain(this.problem.dataset.failed);
    }
  }

  tell({ message, url, link }) {
    this.saved = this.changes;
    this.dialog.close();
    // Not everybody may look at jobs.
    const job = link && Object.assign(document.createElement("a"), { href: url, textContent: link });
    announce(message, job, "ok");
  }

  complain(words) {
    this.problem.textContent = words;
    this.problem.hidden = false;
  }

  button(name) {
    return this.dialog.querySelector(`button[data-do="${name}"]`);
  }
}
