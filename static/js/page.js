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
  setTimeout(() => toast.classList.add("leaving"), 7000);
  setTimeout(() => toast.remove(), 7400);
}

toasts?.querySelectorAll(".toast").forEach(dismissLater);

// Anybody may say something: dispatch `countersign:toast` with {said, tone}.
document.addEventListener("countersign:toast", ({ detail }) => {
  const toast = document.createElement("p");
  toast.className = "toast";
  if (detail.tone) toast.dataset.tone = detail.tone;
  toast.textContent = detail.said;
  toasts.append(toast);
  dismissLater(toast);
});
