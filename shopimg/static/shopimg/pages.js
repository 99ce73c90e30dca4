// Review pages, fetched before they are needed and swapped in place. A page is the server's own
// HTML; as soon as it is imported its pictures start to load, and they stay in memory, so that
// "no-store" does not make anybody wait.

const prepared = new Map();
const KEPT = 10; // the other candidates, two pages ahead, one behind
let tell = null; // see startHistory
let asked = 0;
let shownAt = -Infinity;

class UnreachableError extends Error {}

export function currentPage() {
  return document.querySelector("#review");
}

// How often another page was asked for, and for how long the present one has been looked at.
export const timesAsked = () => asked;
export const millisecondsShown = () => performance.now() - shownAt;

// Fetches a page and decodes its pictures; resolves to null where there is none.
export function prepare(url) {
  if (!url || url === currentPage().dataset.url) return Promise.resolve(null);
  return request(url).catch(() => null);
}

function request(url) {
  if (!prepared.has(url)) {
    while (prepared.size >= KEPT) prepared.delete(prepared.keys().next().value);
    prepared.set(url, load(url));
  }
  return prepared.get(url).catch((error) => {
    prepared.delete(url);
    throw error;
  });
}

// Drops what is known of a page: it has changed, or was prepared too early.
export function forget(url) {
  prepared.delete(url);
}

// Shows a page; leaves the document where the server has something else to say, once all that is
// under way is over. Candidates take each other's place in the history: going back leads to the
// picture before. Of several pages that are asked for while they load, the last one is shown: a
// decision is about what somebody looks at.
export async function open(url, { push = true, replace = false } = {}) {
  const mine = ++asked;
  currentPage().setAttribute("aria-busy", "true");
  let page = null;
  try {
    page = await request(url);
  } catch (error) {
    if (mine !== asked) return;
    currentPage().removeAttribute("aria-busy");
    if (error instanceof UnreachableError) {
      // What is on the screen stays, with all that is said beside it, and so does its address.
      if (!push) stay();
      tell.unreachable(url);
    } else {
      await tell.settled();
      if (mine === asked) location.assign(url);
    }
    return;
  }
  if (mine !== asked) return;
  prepared.delete(url);
  if (replace) history.replaceState(null, "", url);
  else if (push && url !== currentPage().dataset.url) history.pushState(null, "", url);
  show(page);
}

// Takes what to call: `arranged` for each page that was swapped in, `unreachable` for the address of
// one that was not to be had, `settled` before the document is left, which resolves when nothing is
// under way, and `mayLeave` before the history takes somebody elsewhere.
export function startHistory(callbacks) {
  tell = callbacks;
  addEventListener("popstate", () => {
    const url = location.pathname + location.search;
    if (url === currentPage().dataset.url) {
      // To another place of the same page, or back to it from one that is still on its way.
      asked += 1;
      currentPage().removeAttribute("aria-busy");
    } else if (tell.mayLeave()) {
      forget(url);
      open(url, { push: false });
    } else {
      stay();
    }
  });
}

// Somebody went back and could not, or did not want to: both pages are in the history again.
function stay() {
  history.pushState(null, "", currentPage().dataset.url);
}

function show(page) {
  const focused = document.activeElement?.id;
  document.querySelector(".messagelist")?.remove();
  currentPage().replaceWith(page);
  document.title = page.dataset.title;
  // It gets the focus: screen readers say what is shown now.
  document.querySelector("#content-start").setAttribute("aria-label", page.dataset.title);
  shownAt = performance.now();
  tell.arranged(page);
  if (page.getBoundingClientRect().top < 0) page.scrollIntoView({ block: "start" });
  const again = focused && document.getElementById(focused);
  if (again) again.focus({ preventScroll: true });
  else document.querySelector("#content-start").focus({ preventScroll: true });
}

async function load(url) {
  const response = await fetch(url, { headers: { Accept: "text/html" } }).catch((error) => {
    throw new UnreachableError(error.message);
  });
  if (!response.ok || response.redirected) throw new Error(`${url}: ${response.status}`);
  const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
  const page = document.importNode(parsed.querySelector("#review"), true);
  page.dataset.title = parsed.title;
  const pictures = [...page.querySelectorAll("#stage img")];
  await Promise.allSettled(pictures.map((picture) => picture.decode()));
  return page;
}
