// Runs before the page is drawn: the remembered theme, and that there is JavaScript. Shares its key with the administration.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const names = ["auto", "light", "dark"];
  const read = () => {
    try {
      const name = localStorage.getItem("theme");
      return names.includes(name) ? name : "auto";
    } catch {
      return "auto";
    }
  };
  root.dataset.theme = read();

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("[data-theme-toggle]");
    if (!button) return;
    const show = () => {
      const name = root.dataset.theme;
      const text = document.body.dataset[`theme${name[0].toUpperCase()}${name.slice(1)}`];
      button.querySelector(".sr-only").textContent = text;
      button.title = text;
    };
    button.addEventListener("click", () => {
      root.dataset.theme = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
      try {
        localStorage.setItem("theme", root.dataset.theme);
      } catch {
        // not remembered, then
      }
      show();
    });
    show();
  });
})();
