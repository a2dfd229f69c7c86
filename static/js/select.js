// Tasks that are ticked in the list: how many, and still ticked when the list is replaced.

const picked = new Set();
const boxes = () => [...document.querySelectorAll(".pick input")];

function say() {
  const count = document.getElementById("picked");
  if (!count) return;
  const said = `${picked.size} selected`;
  if (picked.size && count.textContent !== said) count.textContent = said;
}

function read() {
  picked.clear();
  for (const box of boxes()) if (box.checked) picked.add(box.value);
  say();
}

document.addEventListener("change", (event) => {
  if (event.target.closest(".pick")) read();
});

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target.id !== "list" && !document.getElementById("list")) return;
  for (const box of boxes()) box.checked ||= picked.has(box.value);
  read(); // whatever has left the list is not selected any more
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-unpick]")) return;
  event.preventDefault();
  for (const box of boxes()) box.checked = false;
  read();
  document.querySelector(".row-link")?.focus();
});

addEventListener("pageshow", read); // the browser ticks them again when one comes back
