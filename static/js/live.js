// What the page shows is as old as it says: ages count here, and a server that is lost is told, with a grey icon.
(() => {
  const TICK = 1_000, PING = 5_000, LOST = 15_000;
  const body = document.body, words = JSON.parse(body.dataset.ages);
  let ahead = Date.parse(body.dataset.now) - Date.now(); // of our clock: the server's

  // as audit/templatetags/show.py says it
  function age(at, way) {
    const passed = (Date.now() + ahead - at) / 1000, s = way ? Math.max(0, passed) : Math.abs(passed);
    if (s < 45 && !way) return passed >= 0 ? words.now : words.soon;
    const minutes = Math.max(1, Math.round(s / 60));
    const [unit, n] = minutes < 60 ? ["min", minutes] : s < 172_800 ? ["h", Math.round(s / 3600)] : ["day", Math.round(s / 86_400)];
    return words[way || (passed > 0 ? "past" : "future")][unit][n === 1 ? 0 : 1].replace("%(n)s", n);
  }
  function tick() {
    for (const time of document.querySelectorAll("time[data-age]")) {
      const text = age(Date.parse(time.dateTime), time.dataset.age);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  const bar = document.getElementById("lost"), icon = document.getElementById("icon");
  if (!bar) {
    setInterval(tick, TICK);
    return;
  }
  let contact = Date.now(), seen = contact, asked = 0, silent = false, refused = false, before = "";
  const shows = (event) => event.detail.target?.id === (document.getElementById("board") ? "board" : "scorecard");

  function heard(renewed = false) {
    contact = Date.now();
    silent = false;
    judge(renewed);
  }
  async function ping() {
    asked = Date.now();
    try {
      const answer = await fetch(bar.dataset.ping, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PING) });
      if (!answer.ok) throw new Error(answer.status);
      const now = Date.parse(answer.headers.get("Date"));
      if (Math.abs(now - Date.now() - ahead) > 2_000) ahead = now - Date.now(); // the page came out of a cache
      heard();
    } catch {
      silent = true;
      judge();
    }
  }
  function judge(renewed = false) {
    const lost = (silent && Date.now() - contact >= LOST) || refused;
    if (lost === !bar.hidden) return;
    const says = bar.querySelector("[role=status]"), time = bar.querySelector("time");
    says.textContent = lost ? (refused ? bar.dataset.refused : bar.dataset.lost) : "";
    const at = new Date(seen + ahead);
    time.dateTime = at.toISOString();
    time.title = at.toLocaleString(document.documentElement.lang);
    tick();
    bar.hidden = !lost;
    if (lost) before = icon.getAttribute("href");
    icon.setAttribute("href", lost ? bar.dataset.icon : before);
    if (!lost && !renewed) document.dispatchEvent(new CustomEvent("lb:back"));
  }
  document.addEventListener("htmx:afterSwap", (event) => {
    if (!shows(event)) return;
    seen = Date.now();
    refused = false;
    heard(true);
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (!shows(event) || event.detail.xhr.status < 500) return;
    refused = true;
    judge();
  });
  setInterval(() => {
    tick();
    judge();
    if (Date.now() - Math.max(contact, asked) >= PING) ping();
  }, TICK);
  ping();
})();
