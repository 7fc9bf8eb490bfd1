// What a lane lost, from cursors alone. Offsets have no holes, so an offset that was jumped over is either not for this
// lane or lost; the history says which. Pure: it names what to ask and is told the answer.

import { parseCursor } from '../tricast.js';

/** Holes that wait for an answer; more are counted as unchecked. */
export const HOLES_MAX = 200;

/**
 * @typedef {object} Hole
 * @property {string} epoch
 * @property {number} from  the first offset that was jumped over
 * @property {number} to    the last one
 */

export class Integrity {
  /** @type {import('../tricast/cursor.js').Cursor | null} */
  #at = null;
  /** @type {Hole[]} */
  holes = [];
  lost = 0;
  unchecked = 0;

  /** @param {{cursor?: string, state?: string, missed?: number | null}} sync */
  sync({ cursor, state, missed }) {
    const start = parseCursor(cursor);
    if (state === 'reset') {
      if (typeof missed === 'number') this.lost += missed;
      else this.unchecked += 1;
      // What follows is the retained history from its beginning; jumping ahead to it is told by `missed`.
      this.#at = null;
    } else if (!this.#at) {
      this.#at = start;
    }
  }

  /** @param {string} id */
  event(id) {
    const next = parseCursor(id);
    if (!next) return;
    const last = this.#at;
    if (last && last.epoch === next.epoch && next.offset > last.offset + 1) {
      this.#hole({ epoch: next.epoch, from: last.offset + 1, to: next.offset - 1 });
    }
    this.#at = next;
  }

  /** The server says itself that these will not come. @param {{from: any, to: any, cursor?: string}} gap */
  gap({ from, to, cursor }) {
    const [first, last] = [offsetOf(from), offsetOf(to)];
    if (first !== null && last !== null) this.lost += last - first + 1;
    this.#at = parseCursor(cursor) ?? this.#at;
  }

  /**
   * The answer to a hole.
   * @param {Hole} hole
   * @param {string[] | null} ids  those of its events that were for this lane; null where nobody knows any more
   */
  resolve(hole, ids) {
    this.holes = this.holes.filter((other) => other !== hole);
    if (ids === null) this.unchecked += hole.to - hole.from + 1;
    else this.lost += ids.map(offsetOf).filter((offset) => offset !== null && offset >= hole.from && offset <= hole.to).length;
  }

  #hole(hole) {
    if (this.holes.length >= HOLES_MAX) this.unchecked += hole.to - hole.from + 1;
    else this.holes.push(hole);
  }
}

function offsetOf(value) {
  if (typeof value === 'number') return value;
  return parseCursor(value)?.offset ?? null;
}
