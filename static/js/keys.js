// Single keys of the inbox; loaded only where the person has not switched them off.

const rows = () => [...document.querySelectorAll(".row-link")];

// The row under the cursor: with the focus in it, else the one that is open.
function rowAt() {
  const row = document.activeElement.closest(".row");
  return row?.querySelector(".row-link") ?? document.querySelector(".row-link[aria-current]");
}

function pick() {
  rowAt()?.closest(".row").querySelector(".pick input")?.click();
}

function isTyping(target) {
  return target.closest("input:not([type=checkbox]), textarea, select, dialog, [contenteditable]");
}

function move(by) {
  const links = rows();
  if (!links.length) return;
  const at = links.indexOf(rowAt());
  const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1);
  links[next].focus();
  links[next].scrollIntoView({ block: "nearest" });
  // With both panes in sight, a list one walks through shows each task at once.
  const task = document.getElementById("task");
  if (task && at !== next && matchMedia("(min-width: 64rem)").matches) links[next].click();
}

function back() {
  const link = document.querySelector(".back");
  if (link?.offsetParent) link.click();
  else (document.querySelector(".row-link[aria-current]") ?? rows()[0])?.focus();
}

function press(key) {
  const button = document.querySelector(`[data-key="${key}"]`);
  // What has just been put in are plain links until htmx has settled it.
  if (button?.closest(".htmx-added")) {
    document.addEventListener("htmx:afterSettle", () => press(key), { once: true });
  } else {
    button?.click();
  }
}

const actions = {
  j: () => move(1),
  k: () => move(-1),
  x: pick,
  u: back,
  "/": () => document.getElementById("q").select(),
  "?": () => document.getElementById("shortcuts").showModal(),
  ...Object.fromEntries(["a", "r", "c", "h", "q"].map((key) => [key, () => press(key)])),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape" && event.target.id === "q") event.target.blur();
    return;
  }
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
