// What a lane lost, from cursors alone, and what it was told of that. Offsets have no holes, so an offset that was jumped over is either not for this
// lane or lost; the history says which. Pure: it names what to ask and is told the answer.

import { parseCursor } from '../tricast.js';

/** Holes that wait for an answer; more are counted as unchecked. */
export const HOLES_MAX = 200;

/** Tellings that are remembered. */
export const TELLINGS_MAX = 100;

/**
 * @typedef {object} Telling   what the server said will not come
 * @property {'gap' | 'reset' | 'epoch'} kind  `reset`: no longer in the history; `epoch`: the numbering began anew
 * @property {number} from     the first offset
 * @property {number} to       the last one; of `epoch`, where the new numbering begins
 * @property {string} [reason] of a gap
 *

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
  /** Oldest first. @type {Telling[]} */
  tellings = [];
  /** How many there were in all. */
  told = 0;

  /** @param {{cursor?: string, state?: string, missed?: number | null}} sync */
  sync({ cursor, state, missed }) {
    const start = parseCursor(cursor);
    if (state === 'reset') {
      if (this.#at && start) this.#tell(gone(this.#at, start));
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

  /** The server says itself that these will not come. @param {{from: any, to: any, cursor?: string, reason?: string}} gap */
  gap({ from, to, cursor, reason }) {
    const [first, last] = [offsetOf(from), offsetOf(to)];
    if (first !== null && last !== null) {
      this.lost += last - first + 1;
      this.#tell({ kind: 'gap', from: first, to: last, reason });
    }
    const named = parseCursor(cursor);
    if (named && (!this.#at || named.epoch !== this.#at.epoch || named.offset > this.#at.offset)) this.#at = named;
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

  /** @param {Telling} telling */
  #tell(telling) {
    this.told += 1;
    this.tellings.push(telling);
    if (this.tellings.length > TELLINGS_MAX) this.tellings.shift();
  }

  #hole(hole) {
    if (this.holes.length >= HOLES_MAX) this.unchecked += hole.to - hole.from + 1;
    else this.holes.push(hole);
  }
}

/**
 * What a reset says is gone.
 * @param {import('../tricast/cursor.js').Cursor} was   the place before
 * @param {import('../tricast/cursor.js').Cursor} start where the stream goes on
 * @returns {Telling}
 */
export function gone(was, start) {
  const isSame = was.epoch === start.epoch;
  return isSame
    ? { kind: 'reset', from: was.offset + 1, to: start.offset }
    : { kind: 'epoch', from: was.offset + 1, to: start.offset };
}

function offsetOf(value) {
  if (typeof value === 'number') return value;
  return parseCursor(value)?.offset ?? null;
}
