// The boxes that choose groups and people have labelled icons; screen readers heed the label of an
// image alone. Registered after Django's own script, which draws the boxes on the same event.
window.addEventListener("load", () => {
  for (const icon of document.querySelectorAll(".help-tooltip[aria-label]:not([role])")) {
    icon.setAttribute("role", "img");
  }
});
