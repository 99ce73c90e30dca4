// Decisions, sent while the next pair is already on the screen. What could not be saved is said
// aloud, with a way back to the picture.

import { currentPage, millisecondsShown, timesAsked } from "./pages.js";

const LONGEST_SAVING = 60_000; // milliseconds
const SHORTEST_LOOK = 300; // milliseconds: less is a key or a button that was pressed twice

const decided = new Map(); // address of the variant's page -> "approved" or "rejected"
const pending = new Set();
const refused = new Map(); // address of the variant's page -> the form that could not be saved
let pages = null;

export function installDecisions(navigation) {
  pages = navigation;
  addEventListener("beforeunload", (event) => {
    if (pending.size || document.querySelector("#notices [data-unsaved]")) event.preventDefault();
  });
}

// Resolves when every decision is saved, or known not to be.
export function settled() {
  return Promise.allSettled([...pending]);
}

// Says that a page was not to be had, with a way to try again.
export function tellUnreachable(url) {
  const { dataset } = document.querySelector("#notices");
  forgetUnreachable();
  notify(dataset.unreachableText, url, "bad").dataset.unreachable = "";
}

export async function decide(form) {
  const page = currentPage();
  const { url, pk } = page.dataset;
  if (decided.has(url)) return; // pressed again while the next page was on its way
  const sibling = form.dataset.next; // a rejection leads to another candidate
  const outcome = form.dataset.decision;
  if (outcome === "approved" && millisecondsShown() < SHORTEST_LOOK) return;
  const beside = [...page.querySelectorAll("#candidates a:not([aria-current])")];
  const others = beside.map((link) => link.getAttribute("href"));
  const saving = send(form, url);
  pending.add(saving);
  // Approving one of several candidates decides about all of them.
  const settled = outcome === "approved" ? [url, ...others] : [url];
  for (const one of settled) decided.set(one, outcome);
  others.forEach(pages.forget); // they show each other's state
  mark(pk, outcome);
  // What was prepared before this decision may lead back to it: then the answer knows better. And
  // another candidate's page says what became of this one.
  const { next } = page.dataset;
  const ahead = !sibling && next && !decided.has(next);
  if (ahead) pages.open(next).then(markAll);
  const asked = timesAsked();
  const answer = await saving;
  pending.delete(saving);
  pages.forget(url);
  others.forEach(pages.forget);
  refused.delete(url);
  if (!answer) {
    for (const one of settled) decided.delete(one);
    refused.set(url, new FormData(form));
    mark(pk, null);
  } else if (ahead) {
    update(answer.progress);
  } else if (asked === timesAsked()) {
    leave({ ...answer, next: sibling ?? answer.next }); // unless somebody has gone elsewhere
  }
}

// Puts back what somebody had written of a page before the decision was lost.
export function refill(page) {
  const written = refused.get(page.dataset.url);
  const form = page.querySelector("#reject-form");
  if (!written?.get("reason") || !form) return;
  form.elements.reason.value = written.get("reason");
  form.elements.note.value = written.get("note");
}

function leave(answer) {
  if (answer.next) pages.open(answer.next).then(markAll);
  else location.assign(answer.queue);
}

async function send(form, url) {
  const texts = document.querySelector("#notices").dataset;
  try {
    const response = await fetch(form.action, {
      method: "POST",
      body: new FormData(form),
      headers: { Accept: "application/json" },
      keepalive: true,
      signal: AbortSignal.timeout(LONGEST_SAVING),
    });
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    if (!isJson) {
      unsaved(response.redirected ? texts.signedOut : texts.failed, url);
      return null;
    }
    const answer = await response.json();
    notify(answer.message, url, response.ok ? "ok" : "bad");
    if (response.ok) forgetFailures(url);
    return response.ok ? answer : null;
  } catch {
    unsaved(texts.failed, url);
    return null;
  }
}

function update(progress) {
  const text = document.querySelector("#progress-text");
  if (text) text.textContent = progress.text;
  const bar = document.querySelector("#progress");
  if (bar) {
    bar.max = progress.total;
    bar.value = progress.decided;
  }
}

function markAll() {
  for (const link of document.querySelectorAll("#strip a[data-pk]")) {
    const outcome = decided.get(link.getAttribute("href"));
    if (outcome) link.dataset.decided = outcome;
  }
}

function mark(pk, outcome) {
  const link = document.querySelector(`#strip a[data-pk="${pk}"]`);
  if (link && outcome) link.dataset.decided = outcome;
  else if (link) delete link.dataset.decided;
}

function unsaved(message, url) {
  notify(message, url, "bad").dataset.unsaved = url;
}

// Takes back what was said of a decision that is saved by now.
function forgetFailures(url) {
  document.querySelectorAll(`#notices [data-unsaved="${CSS.escape(url)}"]`).forEach((n) => n.remove());
}

// Takes back that the server could not be reached: it has been.
export function forgetUnreachable() {
  document.querySelector("#notices [data-unreachable]")?.remove();
}

function notify(message, url, level) {
  const link = document.createElement("a");
  link.href = url;
  link.textContent = document.querySelector("#notices").dataset.again;
  const notice = announce(message, link, level);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    notice.remove();
    pages.forget(url);
    pages.open(url);
  });
  return notice;
}

// Says something aloud, with a link, and returns what says it.
export function announce(message, link, level) {
  const notices = document.querySelector("#notices");
  const notice = document.createElement("p");
  notice.dataset.level = level;
  notice.append(message, ...(link ? [" ", link] : []));
  // A failure stays until somebody has seen to it; good news makes room for the next.
  if (level === "ok") {
    notices.querySelector('[data-level="ok"]')?.remove();
    setTimeout(() => notice.remove(), 6000);
  }
  notices.append(notice);
  return notice;
}
