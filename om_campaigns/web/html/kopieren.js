// Copies the letter with its looks into the clipboard. Without it the page says how to do so by hand.
"use strict";
for (const place of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard || !window.ClipboardItem) continue;
  const fetched = (url, type) => fetch(url).then((answer) => answer.text()).then((text) => new Blob([text], { type }));
  const show = (name) => {
    for (const each of ["copied", "failed"]) document.querySelector(`[data-${each}]`).hidden = each !== name;
  };
  place.hidden = false;
  place.querySelector("button").addEventListener("click", () => {
    const item = new ClipboardItem({
      "text/html": fetched(place.dataset.html, "text/html"),
      "text/plain": fetched(place.dataset.text, "text/plain"),
    });
    navigator.clipboard.write([item]).then(() => show("copied"), () => show("failed"));
  });
}
