// What a selection needs beyond checkboxes, a form and CSS: the focus when its bar goes, Enter, and what is said.
(() => {
  const form = (event) => event.target.id === "selection";
  let last = null; // the checkbox that was changed last: focus goes back there

  document.addEventListener("change", (event) => {
    if (event.target.matches(".pick input")) last = event.target;
  });

  // Enter opens a card, also from its checkbox; there it would send the form
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches?.(".pick input")) return;
    event.preventDefault();
    event.target.closest("li").querySelector("[data-card]").click();
  });

  document.addEventListener("reset", (event) => {
    if (form(event) && event.target.contains(document.activeElement)) last?.closest("li")?.querySelector("[data-card]").focus({ preventScroll: true });
  });

  // asked for: the bar goes, and the progress may be out of sight
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!form(event) || !event.detail.xhr?.responseText) return;
    const text = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html").querySelector("#progress p")?.textContent;
    if (text) document.dispatchEvent(new CustomEvent("lb:note", { detail: text }));
    if (event.detail.xhr.status < 400) event.target.reset();
  });
})();
