// What a selection needs beyond checkboxes, a form and CSS: the focus when its bar goes, Enter, and what is said.
(() => {
  const form = (event) => event.target.id === "selection" || event.target.form?.id === "selection";
  const boxes = () => document.querySelectorAll("[data-item] .pick input");
  const alls = () => [...document.querySelectorAll("[data-all]")]; // over the table, and in the bar where that has no head
  let last = null; // the checkbox that was changed last: focus goes back there

  document.addEventListener("change", (event) => {
    const { target } = event;
    if (target.matches("[data-all]")) for (const box of [...alls(), ...boxes()]) box.checked = target.checked;
    if (!target.matches("[data-item] .pick input")) return;
    last = target;
    if (!last.checked) for (const all of alls()) all.checked = false;
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (alls().some((all) => all.checked)) for (const box of boxes()) box.checked = true; // also of those that came
  });

  // Enter opens a card, also from its checkbox; there it would send the form
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches?.(".pick input")) return;
    event.preventDefault();
    event.target.closest("[data-item]")?.querySelector("[data-card]").click();
  });

  document.addEventListener("reset", (event) => {
    if (form(event) && event.target.contains(document.activeElement)) last?.closest("[data-item]")?.querySelector("[data-card]").focus({ preventScroll: true });
  });

  // asked for: the bar goes, and the progress may be out of sight
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!form(event) || !event.detail.xhr?.responseText) return;
    const of = "#progress p";
    const text = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html").querySelector(of)?.textContent;
    if (text) document.dispatchEvent(new CustomEvent("lb:note", { detail: { text, of } }));
    if (event.detail.xhr.status < 400) document.getElementById("selection")?.reset();
  });
})();
