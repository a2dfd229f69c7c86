// Every page: menus close when one looks elsewhere, toasts leave by themselves.

document.documentElement.classList.add("js");

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

const toasts = document.getElementById("toasts");

function dismissLater(toast) {
  // What offers an undo stays as long as somebody may look for it.
  const stays = toast.querySelector("form") ? 20000 : 7000;
  setTimeout(() => toast.classList.add("leaving"), stays);
  setTimeout(() => toast.remove(), stays + 400);
}

toasts?.querySelectorAll(".toast").forEach(dismissLater);

// A button that takes back what was just said; the same as templates/inbox/toast_undo.html.
function undoButton(address) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = address;
  const token = document.createElement("input");
  token.type = "hidden";
  token.name = "csrfmiddlewaretoken";
  token.value = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const button = document.createElement("button");
  button.className = "toast-undo";
  button.textContent = "Undo";
  form.append(token, button);
  return form;
}

// Anybody may say something: dispatch `countersign:toast` with {said, tone, undo}.
document.addEventListener("countersign:toast", ({ detail }) => {
  const toast = document.createElement("div");
  toast.className = "toast";
  if (detail.tone) toast.dataset.tone = detail.tone;
  toast.textContent = detail.said;
  if (detail.undo) toast.append(undoButton(detail.undo));
  toasts.append(toast);
  dismissLater(toast);
});
