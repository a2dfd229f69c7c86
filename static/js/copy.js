// Copy buttons: a value beside the button, or a whole payload from its address.

async function textFor(button) {
  if (!button.dataset.copyFrom) return button.parentElement.querySelector(".val").textContent;
  const answer = await fetch(button.dataset.copyFrom, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.text();
}

function say(said, tone) {
  document.dispatchEvent(new CustomEvent("countersign:toast", { detail: { said, tone } }));
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(await textFor(button));
    say("Copied.");
  } catch {
    say("Copying did not work. Select the text and copy it by hand.", "error");
  }
});
