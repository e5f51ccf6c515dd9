// The panel beside the list. On a narrow screen, with a modifier key, or without this file a card is a plain link.
(() => {
  const desk = document.querySelector(".desk"), panel = document.getElementById("panel");
  const narrow = matchMedia("(max-width: 46rem)"), beside = matchMedia("(min-width: 72rem)");
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
    cover();
  }

  // where it lies over the list it is all there is: the focus can't get behind it
  function cover() {
    const over = open() && !beside.matches;
    if (over) panel.setAttribute("aria-modal", "true");
    else panel.removeAttribute("aria-modal");
    for (const behind of document.querySelectorAll(".skip, .top, #board, .foot")) behind.inert = over;
  }
  beside.addEventListener("change", cover);

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

  // what is chosen in a view of the list, wherever that is paged to
  function chosen(url) {
    const asked = new URL(url, location.href).searchParams;
    asked.delete("cursor");
    asked.delete("page");
    asked.sort();
    return asked.toString();
  }

  // the filters say what the address says, also the field where one is typing: its text would come back with the next filter
  function follow(filters) {
    const asked = new URLSearchParams(location.search);
    for (const field of filters.querySelectorAll("input[name], select")) {
      field.value = asked.get(field.name) ?? field.options?.[0].value ?? "";
    }
    filters.removeAttribute("data-unsent");
  }

  // the back button: the list and the panel follow the address
  addEventListener("popstate", (event) => {
    event.stopImmediatePropagation();
    const here = location.pathname + location.search;
    const filters = document.getElementById("filters");
    if (filters) follow(filters);
    stop(panel);
    stop(board());
    const list = () => htmx.ajax("GET", desk.dataset.board + location.search.replace("?", "&"), { target: "#board", swap: "keyed", source: board() });
    if (location.pathname === path(board().dataset.url)) {
      close({ push: false });
      if (here !== board().dataset.url) list();
    } else if (!narrow.matches && location.pathname.startsWith(desk.dataset.domains)) {
      opener = location.pathname;
      if (chosen(location.href) !== chosen(board().dataset.url)) list();
      htmx.ajax("GET", `${location.pathname}panel/${location.search}`, { target: "#panel", swap: "innerHTML", source: panel });
    } else {
      location.reload();
    }
  }, true);

  document.addEventListener("lb:close", () => close());
})();
