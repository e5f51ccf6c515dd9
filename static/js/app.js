// Quiet refresh and its pause, progress, notices, copy buttons, menus, and the worst state on the tab.
(() => {
  const REFRESH = 30_000, POLL = 1_000, AGAIN = 5_000, AWAY = 10_000;
  const body = document.body;
  const visible = () => document.visibilityState === "visible";
  const tell = (name) => body.dispatchEvent(new CustomEvent(name));
  let refreshed = Date.now(), paused = false;

  // filters that were asked for and could not be had: they are asked for again, instead of what they replace
  const lost = () => document.querySelector("#filters[data-unsent]:not(.htmx-request)");
  function refresh() {
    refreshed = Date.now();
    if (lost()) htmx.trigger(lost(), "submit");
    else tell("lb:refresh");
  }
  // news that come while the list is on its way may have come too late for it: it is asked for once more
  let underway = 0, again = false;
  const ofBoard = (event) => event.detail.target?.id === "board";
  body.addEventListener("htmx:beforeRequest", (event) => { if (ofBoard(event)) underway += 1; });
  body.addEventListener("htmx:afterRequest", (event) => {
    if (!ofBoard(event)) return;
    underway = Math.max(0, underway - 1);
    if (underway || !again) return;
    again = false;
    setTimeout(refresh);
  });
  body.addEventListener("lb:refresh", () => { if (underway) again = true; }, true);
  const due = () => (!paused && Date.now() - refreshed >= REFRESH) || (lost() && Date.now() - lost().dataset.unsent >= AGAIN);
  setInterval(() => {
    if (!visible()) return;
    if (document.querySelector("[data-poll]")) tell("lb:poll");
    if (due()) refresh();
  }, POLL);
  document.addEventListener("visibilitychange", () => {
    if (visible() && due()) refresh();
  });

  // an answer about an older run comes too late: it may not have been given up, as a refresh makes htmx forget what is on its way
  body.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { target, requestConfig, pathInfo } = detail;
    if (target.id !== "progress" || requestConfig.elt !== target) return;
    if (pathInfo.requestPath !== target.getAttribute("hx-get")) detail.shouldSwap = false;
  });

  // a pause is for this page alone; an audit that one asked for still shows its progress and its results
  document.querySelector("[data-pause]")?.addEventListener("click", ({ currentTarget: button }) => {
    paused = !paused;
    button.setAttribute("aria-pressed", paused);
    button.querySelector("[data-paused]").textContent = paused ? button.dataset.pause : "";
    if (due()) refresh();
  });

  // what a person waits for is shown; quiet refreshes are not
  const waits = new Set(), root = document.documentElement;
  const show = () => root.classList.toggle("waiting", waits.size > 0);
  body.addEventListener("htmx:beforeRequest", ({ detail }) => {
    if (["lb:refresh", "lb:poll"].includes(detail.requestConfig.triggeringEvent?.type)) return;
    waits.add(detail.xhr);
    show();
  });
  body.addEventListener("htmx:afterRequest", ({ detail }) => {
    waits.delete(detail.xhr);
    show();
  });
  addEventListener("beforeunload", () => {
    root.classList.add("waiting");
    setTimeout(show, AWAY); // it was a download
  });
  addEventListener("pageshow", show);

  document.addEventListener("lb:back", () => { if (!paused) refresh(); }); // the server is there again

  // what a screen reader is told, and what everybody is told
  const live = document.getElementById("live"), notice = document.getElementById("notice");
  const said = new Map();
  let spoke = 0;
  function announce(from, text) {
    if (!text || said.get(from) === text) return;
    if (said.has(from) || from === "scorecard") {
      live.textContent = Date.now() - spoke < 3000 ? `${live.textContent}. ${text}` : text;
      spoke = Date.now();
    }
    said.set(from, text);
  }
  let timer, source = "";
  function note(text, of = "") {
    clearTimeout(timer);
    source = of;
    notice.textContent = text;
    notice.hidden = !text;
    if (text) timer = setTimeout(() => { notice.hidden = true; }, 6_000);
  }
  // `of`: what the text is of; it says what that says now
  document.addEventListener("lb:note", ({ detail }) => note(detail.text, detail.of));

  function shown() {
    const board = document.getElementById("board"), card = document.getElementById("scorecard");
    if (board) {
      announce("board", board.dataset.headline);
      const icon = document.getElementById("icon");
      const name = board.dataset.worst;
      const href = board.parentElement.dataset[`icon${name[0].toUpperCase()}${name.slice(1)}`];
      if (href && icon.getAttribute("href") !== href) icon.setAttribute("href", href);
    }
    if (card) announce("scorecard", card.dataset.announce);
    const now = source && document.querySelector(source)?.textContent;
    if (now && now !== notice.textContent) notice.textContent = now;
  }
  shown();
  document.addEventListener("htmx:afterSettle", () => { shown(); });
  function keep(form, again) {
    if (form.id !== "filters") return;
    if (again) form.dataset.unsent = Date.now();
    else form.reset(); // to what the list shows
  }
  document.addEventListener("htmx:sendError", (event) => {
    keep(event.target, true);
    note(body.dataset.lost);
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr, requestConfig } = event.detail;
    keep(event.target, xhr.status >= 500);
    const plain = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    if (plain && xhr.status === 404) note(xhr.responseText);
    else note(requestConfig.verb === "get" ? body.dataset.lost : body.dataset.refused);
  });

  // the server must not take a page that asks by itself for a person: it says so unless somebody touched it since
  let touched = true;
  for (const name of ["pointerdown", "keydown", "wheel"]) {
    addEventListener(name, () => { touched = true; }, { capture: true, passive: true });
  }
  body.addEventListener("htmx:configRequest", ({ detail }) => {
    if (!/^lb:(refresh|poll)$/.test(detail.triggeringEvent?.type)) return;
    if (!touched) detail.headers["X-Unattended"] = "1";
    touched = false;
  });

  // the nearest value beside a copy button
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const field = button.closest(".field");
    const value = (field.querySelector("[data-value]") || field.querySelector("code")).textContent;
    try {
      await navigator.clipboard.writeText(value);
    } catch { // no clipboard without https: select the text, and let the browser's own command try
      const source = field.querySelector("[data-value]") || field.querySelector("code");
      getSelection().selectAllChildren(source);
      document.execCommand("copy");
    }
    const text = button.textContent;
    if (button.dataset.done) return;
    button.dataset.done = "1";
    button.textContent = body.dataset.copied;
    live.textContent = body.dataset.copied;
    setTimeout(() => { button.textContent = text; delete button.dataset.done; }, 1500);
  });

  // a report was opened when a person moves on it: filters and previews of mail fetch it too, some of them with scripts
  const seen = document.querySelector("[data-seen]")?.dataset.seen;
  const signs = ["pointermove", "pointerdown", "wheel", "keydown"];
  function moved({ isTrusted }) {
    if (!isTrusted) return;
    for (const name of signs) removeEventListener(name, moved, true);
    fetch(seen, { cache: "no-store", keepalive: true }).catch(() => {});
  }
  if (seen) for (const name of signs) addEventListener(name, moved, { capture: true, passive: true });

  // menus close when one clicks elsewhere
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-help]")) document.getElementById("help")?.showModal();
  });
  for (const button of document.querySelectorAll("[data-help]")) button.hidden = !document.getElementById("help");
})();
