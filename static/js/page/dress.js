// A lane that goes another way wears its name, mark and colour, wherever the page shows that lane.

import { t } from './words.js';

/** The three marks as they were at first, by way. @type {Map<string | undefined, Node | undefined>} */
const MARKS = new Map();
for (const lane of document.querySelectorAll('article.lane')) {
  MARKS.set(/** @type {HTMLElement} */ (lane).dataset.way, lane.querySelector('.mark')?.cloneNode(true));
}

/**
 * @param {string} lane  which one, by the way that it had at first
 * @param {'poll' | 'sse' | 'ws'} way
 */
export function dress(lane, way) {
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(`[data-lane="${lane}"]`))) {
    node.dataset.way = way;
    const mark = MARKS.get(way)?.cloneNode(true);
    if (mark) node.querySelector('.mark')?.replaceWith(mark);
    for (const words of /** @type {NodeListOf<HTMLElement>} */ (node.querySelectorAll('[data-dress]'))) {
      words.textContent = t(`lane.${way}.${words.dataset.dress}`);
    }
  }
}
