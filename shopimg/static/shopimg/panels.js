// Panels that open below their button, one at a time (they share a name): an opened one is moved to
// where it can be seen, above the bar with the decisions, which covers the lower edge of its column.

const PANELS = "details.confirm";
const GAP = 8; // pixels between a panel and the bar

export function connectPanels(page) {
  const bar = page.querySelector(".decide");
  for (const panel of page.querySelectorAll(PANELS)) {
    panel.addEventListener("toggle", () => {
      if (panel.open) show(panel, bar);
    });
  }
}

// Closes the open panel and gives the focus back to its button.
export function closePanel(page) {
  const panel = page.querySelector(`${PANELS}[open]`);
  if (!panel) return;
  panel.open = false;
  panel.querySelector("summary").focus();
}

function show(panel, bar) {
  const covered = bar.contains(panel) ? 0 : bar.offsetHeight + GAP;
  panel.style.scrollMarginBlockEnd = `${covered}px`;
  panel.scrollIntoView({ block: "nearest" });
}
