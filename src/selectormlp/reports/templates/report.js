"use strict";
(() => {
  const said = document.getElementById("said");
  const say = (text) => { said.textContent = text; };

  // Sorting: by the number in data-value where there is one, else by the text; empty cells last.
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value.replace("inf", "Infinity")) : cell.textContent;
  };
  const compare = (first, second) =>
    typeof first === "number" && typeof second === "number"
      ? first - second
      : String(first).localeCompare(String(second), undefined, { numeric: true });

  const sort = (table, column) => {
    const heads = [...table.tHead.rows[0].cells];
    const isNumber = heads[column].classList.contains("number");
    const before = heads[column].getAttribute("aria-sort");
    const down = before ? before === "ascending" : isNumber && column > 0;
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
    rows.sort(([first], [second]) => {
      const empty = (key) => key === "" || key === -Infinity;
      if (empty(first) || empty(second)) return Number(empty(first)) - Number(empty(second));
      return down ? compare(second, first) : compare(first, second);
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };

  for (const table of document.querySelectorAll("table")) {
    [...table.querySelectorAll("th button")].forEach((button, column) => {
      button.addEventListener("click", () => sort(table, column));
    });
  }

  // Search and copying, in the panel's table.
  const panel = document.getElementById("table-panel");
  const shown = () => [...panel.tBodies[0].rows].filter((row) => !row.hidden);
  document.getElementById("search").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const row of panel.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    say(`${shown().length} of ${panel.tBodies[0].rows.length} genes`);
  });

  const copyByHand = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  document.getElementById("copy").addEventListener("click", async () => {
    const genes = shown().map((row) => row.cells[1].textContent);
    const text = genes.join("\n");
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      done = copyByHand(text);
    }
    say(done ? `${genes.length} genes copied` : "the browser does not let pages copy; use the CSV file");
  });
})();
