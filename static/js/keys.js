// Single keys of the inbox; loaded only where the person has not switched them off.

const rows = () => [...document.querySelectorAll(".row-link")];

function isTyping(target) {
  return target.closest("input, textarea, select, dialog, [contenteditable]");
}

function move(by) {
  const links = rows();
  if (!links.length) return;
  let at = links.indexOf(document.activeElement);
  if (at < 0) at = links.findIndex((link) => link.hasAttribute("aria-current"));
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

const actions = {
  j: () => move(1),
  k: () => move(-1),
  u: back,
  "/": () => document.getElementById("q").select(),
  "?": () => document.getElementById("shortcuts").showModal(),
  a: () => document.querySelector('[data-key="a"]')?.click(),
  r: () => document.querySelector('[data-key="r"]')?.click(),
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
