// What Django's own pages leave without a name, for who listens instead of looking.
addEventListener("load", () => {
  for (const mark of document.querySelectorAll("span[aria-label]:not([role])")) mark.setAttribute("role", "img");
  for (const empty of document.querySelectorAll("th:empty")) {
    const cell = document.createElement("td"); // it heads nothing
    cell.className = empty.className;
    empty.replaceWith(cell);
  }
  const search = document.getElementById("searchbar");
  search?.setAttribute("aria-label", document.querySelector("label[for=searchbar] img")?.alt ?? "");
});
