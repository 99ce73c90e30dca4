// One key per action. Letters are read as typed; on keyboards without Latin letters by position.

const LETTERS = {
  a: "approve",
  r: "reject",
  z: "zoom",
  d: "difference",
  m: "mask",
  e: "edit",
  "?": "help",
};
const SLIDER_KEYS = /^(Arrow|Page|Home$|End$)/;
const SWITCH = "shopimg.letter-keys";
const MOVES = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// Keys of one letter can be pressed unawares, or by what speech input takes for them.
export function connectSwitch(box) {
  box.checked = localStorage.getItem(SWITCH) !== "off";
  box.addEventListener("change", () => localStorage.setItem(SWITCH, box.checked ? "on" : "off"));
}

export function installKeys(actions) {
  document.addEventListener("keydown", (event) => {
    const dialog = document.querySelector("dialog[open]");
    if (dialog) {
      chooseReason(dialog, event);
    } else if (event.key === "Escape" && !event.isComposing) {
      actions.close();
    } else if (!isTyping(event)) {
      press(actions, event);
    }
  });
  document.addEventListener("keyup", (event) => {
    if (letter(event) === "b") actions.peek(false);
  });
  // A key that is released over another window is never reported.
  addEventListener("blur", () => actions.peek(false));
}

function press(actions, event) {
  const key = letter(event);
  if (key.length === 1 && localStorage.getItem(SWITCH) === "off") return;
  if (key === "b") {
    if (!event.repeat) actions.peek(true);
  } else if (event.shiftKey && MOVES[event.key]) {
    event.preventDefault();
    actions.move(...MOVES[event.key]);
  } else if (!event.repeat && LETTERS[key]) {
    event.preventDefault();
    actions[LETTERS[key]]();
  } else if (!event.repeat && /^[1-8]$/.test(key)) {
    actions.pick(key);
  } else if (!event.repeat && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    event.preventDefault();
    actions[isForward(event) ? "next" : "previous"]();
  }
}

function isForward(event) {
  return (event.key === "ArrowRight") === (document.documentElement.dir !== "rtl");
}

function isTyping(event) {
  const field = event.target.closest?.("input, select, textarea, [contenteditable]");
  // The divider keeps the focus from pair to pair: letters decide from there, too.
  const hears = field && (field.type !== "range" || SLIDER_KEYS.test(event.key));
  return event.ctrlKey || event.metaKey || event.altKey || event.isComposing || Boolean(hears);
}

function letter(event) {
  const key = event.key.toLowerCase();
  if (key.length === 1 && /[^\x00-\x7f]/.test(key)) {
    return event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : key;
  }
  return key;
}

function chooseReason(dialog, event) {
  if (event.target.matches("textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const choice = dialog.querySelector(`input[aria-keyshortcuts="${CSS.escape(event.key)}"]`);
  if (choice) {
    event.preventDefault();
    choice.checked = true;
    choice.focus();
  }
}
