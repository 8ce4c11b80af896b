// Sorts tables by a click on a column, shows one of several choices, filters lists. Without it all are shown as they are.
(() => {
  document.documentElement.classList.add("scripts");

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.querySelector("tbody.sorted");
    const value = (row, column) => parseFloat(row.cells[column].dataset.value ?? "NaN");

    function sort(column, direction) {
      const sign = direction === "ascending" ? 1 : -1;
      const rows = [...body.rows].sort((a, b) => {
        const [one, other] = [value(a, column), value(b, column)];
        if (isNaN(one) || isNaN(other)) return isNaN(one) - isNaN(other); // what was not measured comes last
        return sign * (one - other);
      });
      body.append(...rows);
      heads.forEach((head, at) => (at === column ? head.setAttribute("aria-sort", direction) : head.removeAttribute("aria-sort")));
    }

    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.dataset.first ?? "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        sort(column, head.getAttribute("aria-sort") === first ? other : first);
      });
    });
  }

  for (const chooser of document.querySelectorAll("select[data-chooses]")) {
    const choices = [...document.getElementById(chooser.dataset.chooses).children];
    const choose = () => choices.forEach((choice) => (choice.hidden = choice.dataset.choice !== chooser.value));
    chooser.addEventListener("change", choose);
    choose();
  }

  const filters = [...document.querySelectorAll("select[data-filters]")];
  for (const filter of filters) {
    const list = filter.dataset.filters;
    const same = filters.filter((other) => other.dataset.filters === list);
    filter.addEventListener("change", () => {
      for (const item of document.getElementById(list).children)
        item.hidden = same.some((each) => each.value && item.dataset[each.dataset.by] !== each.value);
    });
  }
})();
