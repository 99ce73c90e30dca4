// Review pages, fetched before they are needed and swapped in place. A page is the server's own
// HTML; as soon as it is imported its pictures start to load, and they stay in memory, so that
// "no-store" does not make anybody wait.

const prepared = new Map();
const KEPT = 10; // the other candidates, two pages ahead, one behind
let arranged = () => {};

export function currentPage() {
  return document.querySelector("#review");
}

// Fetches a page and decodes its pictures; resolves to null where there is none.
export function prepare(url) {
  if (!url || url === currentPage().dataset.url) return Promise.resolve(null);
  if (!prepared.has(url)) {
    while (prepared.size >= KEPT) prepared.delete(prepared.keys().next().value);
    prepared.set(url, load(url));
  }
  return prepared.get(url).catch(() => {
    prepared.delete(url);
    return null;
  });
}

// Drops what is known of a page: it has changed, or was prepared too early.
export function forget(url) {
  prepared.delete(url);
}

// Shows a page; leaves the document where that is not possible. Candidates take each other's
// place in the history: going back leads to the picture before.
export async function open(url, { push = true, replace = false } = {}) {
  currentPage().setAttribute("aria-busy", "true");
  const page = await prepare(url);
  if (page === null) {
    location.assign(url);
    return;
  }
  prepared.delete(url);
  if (replace) history.replaceState(null, "", url);
  else if (push) history.pushState(null, "", url);
  show(page);
}

export function startHistory(whenArranged) {
  arranged = whenArranged;
  addEventListener("popstate", () => {
    forget(location.pathname + location.search);
    open(location.pathname + location.search, { push: false });
  });
}

function show(page) {
  const focused = document.activeElement?.id;
  document.querySelector(".messagelist")?.remove();
  currentPage().replaceWith(page);
  document.title = page.dataset.title;
  arranged(page);
  if (page.getBoundingClientRect().top < 0) page.scrollIntoView({ block: "start" });
  const again = focused && document.getElementById(focused);
  if (again) again.focus({ preventScroll: true });
  else document.querySelector("#content-start").focus({ preventScroll: true });
}

async function load(url) {
  const response = await fetch(url, { headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) throw new Error(`${url}: ${response.status}`);
  const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
  const page = document.importNode(parsed.querySelector("#review"), true);
  page.dataset.title = parsed.title;
  const pictures = [...page.querySelectorAll("#stage img")];
  await Promise.allSettled(pictures.map((picture) => picture.decode()));
  return page;
}
