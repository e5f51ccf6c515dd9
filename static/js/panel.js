// The panel beside the list. On a narrow screen, with a modifier key, or without this file a card is a plain link.
(() => {
  const desk = document.querySelector(".desk"), panel = document.getElementById("panel");
  const narrow = matchMedia("(max-width: 46rem)");
  if (!desk || !panel) return;
  const board = () => document.getElementById("board");
  const path = (url) => new URL(url, location.href).pathname;
  let opener = ""; // the path of the card that was opened: focus goes back there

  const open = () => panel.firstElementChild !== null;
  const stop = (element) => htmx.trigger(element, "htmx:abort"); // an answer that nobody waits for any more must not land
  const cardAt = (pathname) => [...document.querySelectorAll("[data-card]")].find((card) => path(card.href) === pathname);

  function mark() {
    const current = open() ? path(document.getElementById("scorecard").dataset.url) : "";
    for (const card of document.querySelectorAll("[data-card]")) {
      if (path(card.href) === current) card.setAttribute("aria-current", "true");
      else card.removeAttribute("aria-current");
    }
  }

  function close({ push = true } = {}) {
    stop(panel);
    if (!open()) return;
    panel.replaceChildren();
    mark();
    if (push) history.pushState({ htmx: true }, "", board().dataset.url);
    cardAt(opener)?.focus();
  }

  // before htmx sees the click: is it for the panel at all?
  document.addEventListener("click", (event) => {
    const card = event.target.closest?.("[data-card]");
    if (!card) return;
    if (narrow.matches || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) event.stopImmediatePropagation();
    else opener = path(card.href);
  }, true);

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-close]")) return;
    event.preventDefault();
    close();
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== panel) return;
    panel.scrollTop = 0;
    // not from somebody who has begun to type elsewhere: their next letters would be keys
    const at = document.activeElement;
    if (!at || at === document.body || panel.contains(at) || at.closest("[data-card]")) panel.focus({ preventScroll: true });
  });
  document.addEventListener("htmx:afterSettle", mark);

  // the back button: the list stays where it is, the panel follows the address
  addEventListener("popstate", (event) => {
    event.stopImmediatePropagation();
    const here = location.pathname + location.search;
    const filters = document.getElementById("filters");
    if (filters?.matches(".htmx-request, [data-unsent]")) filters.reset(); // what was being asked for is taken back
    filters?.removeAttribute("data-unsent");
    stop(panel);
    stop(board());
    if (location.pathname === path(board().dataset.url)) {
      close({ push: false });
      if (here !== board().dataset.url) htmx.ajax("GET", desk.dataset.board + location.search, { target: "#board", swap: "keyed", source: board() });
    } else if (!narrow.matches && location.pathname.startsWith(desk.dataset.domains)) {
      opener = location.pathname;
      htmx.ajax("GET", `${location.pathname}panel/${location.search}`, { target: "#panel", swap: "innerHTML", source: panel });
    } else {
      location.reload();
    }
  }, true);

  document.addEventListener("lb:close", () => close());
})();
