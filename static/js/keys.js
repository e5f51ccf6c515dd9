// Single keys: / search, j k move, x select, Enter open (the link does it), Esc close, r audit, ? help. None while typing.
(() => {
  const off = () => {
    try {
      return localStorage.getItem("keys") === "off";
    } catch {
      return false;
    }
  };
  const box = document.querySelector("[data-keys-off]");
  if (box) {
    box.checked = off();
    box.addEventListener("change", () => localStorage.setItem("keys", box.checked ? "off" : "on"));
  }
  const typing = (element) => element.closest?.("input:not([type='checkbox']), textarea, select, [contenteditable]");
  const cards = () => [...document.querySelectorAll("[data-card]")];
  const focused = () => document.activeElement.closest?.("#board [data-item]")?.querySelector("[data-card]"); // by its link or its checkbox
  const selected = () => document.querySelector(".pick :checked") !== null;

  function move(step) {
    const all = cards();
    if (!all.length) return;
    if (document.querySelector("#panel > *")) return turn(all, step);
    const at = all.indexOf(focused());
    const current = at >= 0 ? at : all.findIndex((card) => card.hasAttribute("aria-current"));
    const next = current < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, current + step));
    all[next].focus();
    all[next].scrollIntoView({ block: "nearest" });
  }

  // an open panel goes on to the next domain
  function turn(all, step) {
    const coming = all.findIndex((card) => card.matches(".htmx-request"));
    const path = (url) => new URL(url, location.href).pathname;
    const open = path(document.getElementById("scorecard").dataset.url);
    const current = coming >= 0 ? coming : all.findIndex((card) => path(card.href) === open);
    const next = all[Math.min(all.length - 1, Math.max(0, current + step))];
    if (next === all[current]) return;
    next.scrollIntoView({ block: "nearest" });
    next.click();
  }

  let wanted = null; // the card whose panel is to be audited as soon as it is there
  function audit() {
    const card = focused();
    if (selected()) {
      document.getElementById("run-selected").click();
    } else if (!card || card.hasAttribute("aria-current")) {
      document.querySelector("[data-run]:not([disabled])")?.click();
    } else {
      card.click();
      wanted = card;
    }
  }
  function select() {
    const card = focused() ?? document.querySelector("[data-card][aria-current]");
    card?.closest("[data-item]").querySelector(".pick input")?.click();
  }
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-card]")) wanted = null;
  }, true);
  document.addEventListener("htmx:afterSettle", (event) => {
    // of this card's own request: one that was opened and closed just before may settle only now
    if (!wanted || event.detail.requestConfig?.elt !== wanted) return;
    wanted = null;
    document.querySelector("[data-run]:not([disabled])")?.click();
  });

  function escape(event) {
    const menu = document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (typing(event.target)) {
      event.target.blur();
    } else if (document.getElementById("panel")) {
      const open = document.querySelector("#panel > *, [data-card].htmx-request");
      wanted = null;
      document.dispatchEvent(new CustomEvent("lb:close"));
      if (!open) document.getElementById("selection")?.reset();
    } else {
      document.querySelector("[data-back]")?.click();
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return escape(event);
    if (typing(event.target) || off()) return;
    const search = document.getElementById("q");
    const act = {
      "/": search && (() => { search.focus(); search.select(); }),
      "j": () => move(1),
      "k": () => move(-1),
      "x": select,
      "r": audit,
      "?": () => document.getElementById("help")?.showModal(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
