// The confirmation opens as a dialog instead of a page of its own.

const dialog = document.getElementById("dialog");

document.addEventListener("htmx:afterSettle", ({ target }) => {
  if (target !== dialog) return;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[autofocus], textarea")?.focus();
});

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // on the backdrop
  if (event.target.closest("[data-close]")) {
    event.preventDefault();
    dialog.close();
  }
});

dialog.addEventListener("close", () => dialog.replaceChildren());

dialog.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    dialog.querySelector("form")?.requestSubmit();
  }
});
