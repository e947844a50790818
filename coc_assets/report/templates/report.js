"use strict";
// Tables of class `sortable` sort by a click on a heading; `data-value` on a cell goes before its text.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    if (!heading.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => sortBy(table, headings, column));
  });
}

function sortBy(table, headings, column) {
  const first = headings[column].classList.contains("n") ? "descending" : "ascending";
  const turned = first === "descending" ? "ascending" : "descending";
  const order = headings[column].getAttribute("aria-sort") === first ? turned : first;
  headings.forEach((heading) => heading.removeAttribute("aria-sort"));
  headings[column].setAttribute("aria-sort", order);
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    const [p, q] = [parseFloat(x), parseFloat(y)];
    if (Number.isNaN(p) !== Number.isNaN(q)) return Number.isNaN(p) ? 1 : -1; // what has no figure stays last
    const by = Number.isNaN(p) ? x.localeCompare(y) : p - q;
    return order === "ascending" ? by : -by;
  };
  for (const body of table.tBodies) body.append(...[...body.rows].sort(compare));
}
