// What a `for await` has not taken yet. Bounded: when it is full the oldest go, and a gap in their place says which.

import { parseCursor } from './cursor.js';

/**
 * @typedef {{notice: 'gap', reason: string, from: number, to: number, count?: number, local?: boolean}} Gap
 * @typedef {{notice: 'reset', was: string, cursor: string, missed: number | null, local?: boolean}} Reset
 */

export class Queue {
  #items = [];
  #max;
  /** @type {Reset | null} */
  #reset = null;
  /** @type {Gap | null} */
  #gap = null;
  #ended = false;
  /** @type {Error | null} */
  #failure = null;
  #wake = () => {};

  /** @param {number} max */
  constructor(max) {
    this.#max = max;
  }

  /** @param {any} item  an event, or a notice `gap` or `reset` */
  push(item) {
    if (this.#ended) return;
    this.#items.push(item);
    if (this.#items.length > this.#max) this.#drop(this.#items.shift());
    this.#wake();
  }

  /** Nothing more will come. @param {Error | null} failure  what to throw when all has been taken */
  end(failure) {
    this.#ended = true;
    this.#failure = failure;
    this.#wake();
  }

  /** @returns {Promise<{item: any} | null>} null at the end */
  async next() {
    for (;;) {
      if (this.#reset || this.#gap || this.#items.length > 0) return { item: this.#take() };
      if (this.#failure) throw this.#failure;
      if (this.#ended) return null;
      await new Promise((resolve) => { this.#wake = () => resolve(undefined); });
    }
  }

  #take() {
    const skipped = this.#reset ?? this.#gap;
    if (!skipped) return this.#items.shift();
    if (this.#reset) this.#reset = null;
    else this.#gap = null;
    return skipped;
  }

  #drop(item) {
    if (item.notice === 'reset') {
      // Everything before it is of another numbering: the reset alone says what is left.
      this.#reset = { ...item, was: this.#reset?.was ?? item.was, missed: null, local: true };
      this.#gap = null;
      return;
    }
    const offset = parseCursor(item.id)?.offset;
    const [from, to] = item.notice ? [item.from, item.to] : [offset, offset];
    this.#gap ??= { notice: 'gap', reason: 'slow', from, to, count: 0, local: true };
    this.#gap.to = to;
    if (!item.notice) this.#gap.count = (this.#gap.count ?? 0) + 1;
  }
}
