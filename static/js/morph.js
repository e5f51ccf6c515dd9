// The swap "keyed": what came is compared with what is there, and only what differs is changed, so that focus, scroll
// positions, open details and half-typed texts stay. Elements are the same if their ids are (or if neither has one).
(() => {
  const UNSENT = 1000; // more than the search waits before it asks
  let typed = 0;
  document.addEventListener("input", () => { typed = Date.now(); });
  const typing = (field) => field === document.activeElement || Date.now() - typed < UNSENT;
  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  function attributes(old, fresh) {
    for (const { name } of [...old.attributes]) {
      const ours = (name === "open" && old.nodeName === "DETAILS") || name === "inert"
        || (name === "class" && old.classList.contains("htmx-request"));
      if (!fresh.hasAttribute(name) && !ours) old.removeAttribute(name);
    }
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    if (old.nodeName === "INPUT" && !typing(old)) old.value = fresh.getAttribute("value") ?? "";
  }

  function morph(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = fresh.nodeValue;
      return;
    }
    attributes(old, fresh);
    const byId = new Map([...old.children].filter((e) => e.id).map((e) => [e.id, e]));
    let at = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      let node = wanted.id ? byId.get(wanted.id) : at;
      if (node && same(node, wanted)) {
        if (node === at) at = at.nextSibling;
        else old.insertBefore(node, at);
        morph(node, wanted);
      } else {
        old.insertBefore(wanted, at);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    if (old.nodeName === "SELECT") old.value = [...old.options].find((o) => o.hasAttribute("selected"))?.value ?? "";
  }

  htmx.defineExtension("keyed", {
    isInlineSwap: (style) => style === "keyed",
    handleSwap(style, target, fragment) {
      if (style !== "keyed") return false;
      const fresh = fragment.querySelector(`#${CSS.escape(target.id)}`);
      if (!fresh) return false;
      for (const kept of target.querySelectorAll("[data-keep]:has(*)")) {
        const empty = fresh.querySelector(`#${CSS.escape(kept.id)}`);
        if (empty && !empty.firstElementChild) empty.replaceWith(kept.cloneNode(true));
      }
      morph(target, fresh);
      return [target];
    },
  });
})();
