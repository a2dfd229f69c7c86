// The inbox stays live: list and detail ask for changes while the page is visible. What is under
// the pointer or has the focus never moves: the list then offers its changes in a button.

const LIST_EVERY = 5;
const DETAIL_EVERY = { calm: 5, moving: 1 };
const canHover = matchMedia("(hover: hover)");

let seconds = 0;
let mayReplace = false; // the next answer for the list replaces it, whatever the pointer does
let offered = ""; // what the button says
let announced = "";

const list = () => document.getElementById("list");
const task = () => document.getElementById("task");
const dialog = document.getElementById("dialog");

function poll(element) {
  if (element) htmx.trigger(element, "countersign:poll");
}

setInterval(() => {
  if (document.hidden) return;
  seconds += 1;
  if (seconds % LIST_EVERY === 0) poll(list());
  const every = task()?.hasAttribute("data-moving") ? DETAIL_EVERY.moving : DETAIL_EVERY.calm;
  if (seconds % every === 0) poll(task());
}, 1000);

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  poll(list());
  poll(task());
});

// --- the list -------------------------------------------------------------------------------------

const idsIn = (root) => new Set([...root.querySelectorAll(".row-link")].map((link) => link.id));

function isBusy() {
  const pane = list().parentElement;
  const underPointer = canHover.matches && list().matches(":hover");
  return underPointer || (pane.contains(document.activeElement) && idsIn(list()).size > 0);
}

function whatChanged(html) {
  const next = new DOMParser().parseFromString(html, "text/html");
  const before = idsIn(list());
  const fresh = [...idsIn(next)].filter((id) => !before.has(id)).length;
  if (!fresh) return "The list has changed";
  return fresh === 1 ? "1 new task" : `${fresh} new tasks`;
}

function announce(text) {
  if (text === announced) return;
  announced = text;
  document.getElementById("announcer").textContent = text;
}

function offer(text) {
  offered = text;
  let fresh = document.querySelector(".fresh");
  if (!fresh) {
    fresh = document.createElement("div");
    fresh.className = "fresh";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm btn-primary";
    button.addEventListener("click", replaceList);
    fresh.append(button);
    list().before(fresh);
  }
  fresh.firstChild.textContent = text;
}

function replaceList() {
  mayReplace = true;
  poll(list());
}

function markCurrent() {
  for (const link of document.querySelectorAll(".row-link")) {
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function showCount() {
  const mine = list().dataset.mine;
  const bare = document.title.replace(/^\(\d+\+?\) /, "");
  document.title = mine === "0" ? bare : `(${mine}) ${bare}`;
  const icon = document.querySelector('link[rel="icon"]');
  const address = icon.href.split("?")[0] + (mine === "0" ? "" : `?n=${encodeURIComponent(mine)}`);
  if (icon.href !== address) icon.href = address;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target !== list() || event.detail.xhr.status !== 200) return;
  const text = whatChanged(event.detail.serverResponse);
  announce(text);
  if (mayReplace || !isBusy()) return;
  event.detail.shouldSwap = false;
  offer(text);
});

document.addEventListener("htmx:afterSettle", ({ target }) => {
  if (target.id === "list") {
    mayReplace = false;
    offered = announced = "";
    document.querySelector(".fresh")?.remove();
  }
  if (target.id === "detail") {
    target.scrollTop = 0;
    if (matchMedia("(max-width: 63.99rem)").matches) scrollTo(0, 0);
  }
  markCurrent();
  showCount();
});

// Once pointer and focus have left, what was offered takes its place.
for (const leaving of ["pointerout", "focusout"]) {
  document.addEventListener(leaving, () => {
    if (offered) setTimeout(() => offered && !isBusy() && replaceList(), 150);
  });
}

// --- opening and deciding -------------------------------------------------------------------------

document.addEventListener("htmx:pushedIntoHistory", markCurrent);

document.addEventListener("countersign:decided", ({ detail }) => {
  dialog.close();
  if (detail.said) {
    document.dispatchEvent(new CustomEvent("countersign:toast", { detail: { said: detail.said, undo: detail.undo } }));
  }
  replaceList();
  const focus = document.getElementById("task-title") ?? list().querySelector("a");
  focus?.focus({ preventScroll: true });
});

// --- when the server can't be reached -------------------------------------------------------------

function isPoll(event) {
  return event.detail.requestConfig?.triggeringEvent?.type === "countersign:poll";
}

for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, (event) => {
    if (isPoll(event)) return; // asked again in a few seconds anyway
    const said = "That did not work. Your connection or the server failed; try again.";
    document.dispatchEvent(
      new CustomEvent("countersign:toast", { detail: { said, tone: "error" } }),
    );
  });
}

markCurrent();
