// A lane's list of events: fifty rows at most, always the same nodes, touched once a frame.

import { millis, number, timeText } from './words.js';

const ROWS = 50;
// Rows light up only as long as an eye can follow them: above that the light would be the whole list, painted anew in
// every frame.
const CALM_MS = 150;
// More rows than this in one frame nobody reads: they are shown some fifteen times a second, and the lanes get the time.
const CROWD = 10;
const CROWD_MS = 66;
// Characters; what is longer ends in an ellipsis.
const TYPE_SHOWN = 20;
const TEXT_SHOWN = 64;

/**
 * @typedef {object} Row
 * @property {string} id
 * @property {number} n          what the row is numbered by
 * @property {string} type
 * @property {string} text
 * @property {number} epochMs    when it arrived
 * @property {number} gap        milliseconds behind the first lane; 0 for the first
 * @property {boolean} replayed
 * @property {boolean} own       sent from this page
 */

export class Log {
  #list;
  #more;
  #empty;
  /** @type {Row[]} */
  #fresh = [];
  #total = 0;
  #flip = false;
  #painted = 0;
  #words;

  /** @param {{list: Element, more: Element, empty: HTMLElement, words: {first: string, replayed: string, more: (count: number) => string}}} parts */
  constructor({ list, more, empty, words }) {
    this.#list = list;
    this.#more = more;
    this.#empty = empty;
    this.#words = words;
    const panel = list.closest('.panel');
    panel.addEventListener('scroll', () => panel.toggleAttribute('data-scrolled', panel.scrollTop > 0), { passive: true });
  }

  /** @param {Row} row */
  add(row) {
    this.#total += 1;
    this.#fresh.push(row);
    // A hidden page paints no frames; only the last rows will ever be seen.
    if (this.#fresh.length > ROWS * 4) this.#fresh.splice(0, this.#fresh.length - ROWS);
  }

  /**
   * Shows what came since the last frame, newest on top.
   * @param {number} now
   * @returns {boolean} whether anything changed
   */
  paint(now) {
    if (this.#fresh.length === 0) return false;
    if (this.#fresh.length > CROWD && now - this.#painted < CROWD_MS) return false;
    const rows = this.#fresh.slice(-ROWS);
    this.#fresh.length = 0;
    this.#empty.hidden = true;
    const calm = now - this.#painted >= CALM_MS;
    this.#painted = now;
    this.#flip = !this.#flip;
    for (const row of rows) {
      const node = this.#list.children.length < ROWS ? blank() : this.#list.lastElementChild;
      fill(node, row, this.#words);
      node.dataset.fresh = calm ? (this.#flip ? 'a' : 'b') : '';
      this.#list.prepend(node);
    }
    const hidden = this.#total - this.#list.children.length;
    this.#more.textContent = hidden > 0 ? this.#words.more(hidden) : '';
    return true;
  }
}

function blank() {
  const node = document.createElement('li');
  for (const name of ['time', 'n', 'type', 'text', 'gap']) {
    const part = document.createElement('span');
    part.className = `row-${name}`;
    node.append(part);
  }
  return node;
}

const short = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}…` : words);

function fill(node, row, words) {
  const [time, n, type, text, gap] = node.children;
  node.dataset.id = row.id;
  node.dataset.kind = row.replayed ? 'replayed' : row.gap === 0 ? 'first' : 'later';
  node.toggleAttribute('data-own', row.own);
  time.textContent = timeText(row.epochMs);
  n.textContent = `#${number(row.n)}`;
  type.textContent = short(row.type, TYPE_SHOWN);
  text.textContent = short(row.text, TEXT_SHOWN);
  gap.textContent = row.replayed ? words.replayed : row.gap === 0 ? words.first : `+${millis(row.gap)} ms`;
}
