// The account of one subscriber over a stretch of a feed: each offset was received, or named as gone, or neither. Pure.

import { parseCursor } from '../tricast.js';
import { gone } from './integrity.js';

/**
 * @typedef {'got' | 'told' | 'open'} Mark
 * @typedef {object} Sum
 * @property {number} received
 * @property {number} told      offsets that the server named as gone
 * @property {number} silent    offsets that neither came nor were named
 * @property {number} doubled
 * @property {import('./integrity.js').Telling[]} tellings
 */

export class Account {
  #first = 0;
  #got = new Set();
  #told = new Set();
  /** @type {import('./integrity.js').Telling[]} */
  tellings = [];
  doubled = 0;

  /** Everything up to here is nothing to this account. @param {string} cursor */
  start(cursor) {
    this.#first = (parseCursor(cursor)?.offset ?? 0) + 1;
  }

  /** @param {string} id */
  event(id) {
    const offset = parseCursor(id)?.offset ?? 0;
    if (this.#got.has(offset)) this.doubled += 1;
    this.#got.add(offset);
  }

  /** @param {{was: string, cursor: string}} reset */
  reset({ was, cursor }) {
    const [before, start] = [parseCursor(was), parseCursor(cursor)];
    if (before && start) this.#tell(gone(before, start));
  }

  /** @param {{from: number, to: number, reason?: string}} gap */
  gap({ from, to, reason }) {
    this.#tell({ kind: 'gap', from, to, reason });
  }

  /**
   * One mark an offset, from the start to the last one that was published.
   * @param {number} last
   * @returns {{offset: number, mark: Mark}[]}
   */
  marks(last) {
    const count = Math.max(0, last - this.#first + 1);
    return Array.from({ length: count }, (_, i) => {
      const offset = this.#first + i;
      return { offset, mark: this.#got.has(offset) ? 'got' : this.#told.has(offset) ? 'told' : 'open' };
    });
  }

  /** @param {number} last @returns {Sum} */
  sum(last) {
    const marks = this.marks(last);
    const count = (wanted) => marks.filter(({ mark }) => mark === wanted).length;
    return { received: count('got'), told: count('told'), silent: count('open'), doubled: this.doubled, tellings: this.tellings };
  }

  #tell(telling) {
    this.tellings.push(telling);
    if (telling.kind === 'epoch') return;
    for (let offset = telling.from; offset <= telling.to; offset += 1) this.#told.add(offset);
  }
}
