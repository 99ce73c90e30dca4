// The review page: connects keys, buttons, pictures and decisions. Everything on the page also
// works as plain links and forms; this only makes it fast.

import {
  decide,
  forgetUnreachable,
  installDecisions,
  refill,
  settled,
  tellUnreachable,
} from "./decisions.js";
import { connectSwitch, installKeys } from "./keys.js";
import { connectMaskEditor, mayLosePainting } from "./mask-editor.js";
import { currentPage, forget, open, prepare, startHistory } from "./pages.js";
import { closePanel, connectPanels } from "./panels.js";
import { Stage } from "./stage.js";

let stage = null;

function arrange(page) {
  const before = stage;
  before?.disconnect();
  forgetUnreachable();
  stage = new Stage(page.querySelector("#stage"), before);
  connectDialogs(page);
  refill(page);
  connectPanels(page);
  connectCandidates(page);
  connectMaskEditor(page);
  showInStrip(page.querySelector("#strip [aria-current]"));
  prepareNeighbours(page);
}

// Moves the strip only: on a phone "scrollIntoView" would move the whole page to its end.
function showInStrip(link) {
  const strip = link?.closest("ol");
  if (!strip) return;
  const offset = link.getBoundingClientRect().left - strip.getBoundingClientRect().left;
  strip.scrollLeft += offset - (strip.clientWidth - link.offsetWidth) / 2;
}

function prepareNeighbours(page) {
  const { next, previous } = page.dataset;
  // One after the other: what is there to choose from is wanted first, then the next page.
  const others = page.querySelectorAll("#candidates a:not([aria-current])");
  [...others]
    .reduce((before, link) => before.then(() => prepare(link.getAttribute("href"))), Promise.resolve())
    .then(() => prepare(next))
    .then((following) => prepare(following?.dataset.next))
    .then(() => prepare(previous));
}

function connectCandidates(page) {
  for (const link of page.querySelectorAll("#candidates a")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if (!link.hasAttribute("aria-current")) leave(link.getAttribute("href"), { replace: true });
    });
  }
}

function pick(number) {
  currentPage().querySelector(`#candidates a[data-number="${number}"]`)?.click();
}

function connectDialogs(page) {
  const reject = page.querySelector("#reject-dialog");
  page.querySelector("#open-reject")?.addEventListener("click", () => reject?.showModal());
  reject?.querySelector("[data-close]")?.addEventListener("click", () => reject.close());
  page.querySelector("#open-help")?.addEventListener("click", showHelp);
  for (const form of page.querySelectorAll("form[data-decision]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!mayLosePainting()) return;
      reject?.close();
      decide(form);
    });
  }
  for (const link of page.querySelectorAll("#strip a")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if (!link.hasAttribute("aria-current")) leave(link.getAttribute("href"));
    });
  }
}

function showHelp() {
  document.querySelector("#help").showModal();
}

function go(direction) {
  const url = currentPage().dataset[direction];
  if (url) leave(url);
}

function leave(url, options) {
  if (mayLosePainting()) open(url, options);
}

installKeys({
  approve: () => currentPage().querySelector("#approve:enabled")?.click(),
  reject: () => currentPage().querySelector("#open-reject:enabled")?.click(),
  next: () => go("next"),
  previous: () => go("previous"),
  zoom: () => stage.toggleZoom(),
  difference: () => stage.toggleDifference(),
  mask: () => stage.toggleMask(),
  edit: () => currentPage().querySelector("#open-mask-editor")?.click(),
  pick,
  peek: (on) => stage.peek(on),
  move: (x, y) => stage.move(x, y),
  help: showHelp,
  close: () => closePanel(currentPage()),
});
connectSwitch(document.querySelector("#letter-keys"));
installDecisions({ open, forget });
startHistory({ arranged: arrange, unreachable: tellUnreachable, settled, mayLeave: mayLosePainting });
arrange(currentPage());
