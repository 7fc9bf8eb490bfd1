// Tables that are filled again and again: a row keeps its node, and so its focus, as long as its key is there.

/**
 * @template T
 * @param {HTMLElement} body
 * @param {readonly T[]} items
 * @param {{key: (item: T) => string, make: (item: T) => HTMLTableRowElement, fill: (row: HTMLTableRowElement, item: T) => void, none: string}} how
 */
export function fillTable(body, items, { key, make, fill, none }) {
  const known = new Map(Array.from(body.children, (row) => [/** @type {HTMLElement} */ (row).dataset.key, row]));
  const rows = items.map((item) => {
    const name = key(item);
    const row = /** @type {HTMLTableRowElement} */ (known.get(name) ?? make(item));
    row.dataset.key = name;
    fill(row, item);
    return row;
  });
  if (rows.length === 0) rows.push(emptyRow(body, none));
  const kept = new Set(rows);
  for (const row of [...body.children]) if (!kept.has(/** @type {HTMLTableRowElement} */ (row))) row.remove();
  rows.forEach((row, i) => {
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
  });
}

function emptyRow(body, words) {
  const row = document.createElement('tr');
  const cell = row.insertCell();
  cell.className = 'none';
  cell.colSpan = body.parentElement.querySelectorAll('th').length;
  cell.textContent = words;
  return row;
}

/** A row of so many empty cells. @param {number} count */
export function blankRow(count) {
  const row = document.createElement('tr');
  for (let i = 0; i < count; i += 1) row.insertCell();
  return row;
}

/** Writes only what is new, so that a selection in the table stands. @param {Element} node @param {string} text */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
