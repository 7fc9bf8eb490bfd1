// Cursors: `<epoch>-<offset>`, the one position that all three transports share.
//
// Offsets are 64-bit on the server and plain numbers here: a feed would have to publish a million events a second for
// 285 years before a number loses its last digit.

const FORM = /^([a-z2-7]{8})-(0|[1-9][0-9]{0,15})$/;

/**
 * @typedef {object} Cursor
 * @property {string} epoch   which life of the log the offset belongs to
 * @property {number} offset  everything up to and including this offset is in hand
 */

/**
 * Reads a cursor or an event id.
 * @param {unknown} text
 * @returns {Cursor | null} null where the text is not a cursor
 */
export function parseCursor(text) {
  const parts = typeof text === 'string' ? FORM.exec(text) : null;
  return parts ? { epoch: parts[1], offset: Number(parts[2]) } : null;
}

/**
 * @param {Cursor} cursor
 * @returns {string}
 */
export function formatCursor({ epoch, offset }) {
  return `${epoch}-${offset}`;
}

/**
 * A client's place in a feed: it moves forward only, except where the server says `reset`.
 */
export class Position {
  /** @param {string} [after] a cursor to go on from, `earliest` or `tip` */
  constructor(after = 'tip') {
    this.wanted = after;
    /** @type {Cursor | null} */
    this.cursor = parseCursor(after);
  }

  /** What to ask the server for next. @returns {string} */
  get after() {
    return this.cursor ? formatCursor(this.cursor) : this.wanted;
  }

  /**
   * Takes an event in. The same offset of the same epoch is taken once, whatever transport brings it.
   * @param {string} id
   * @returns {'new' | 'duplicate' | 'unknown'}
   */
  take(id) {
    const seen = parseCursor(id);
    if (!seen) return 'unknown';
    if (this.cursor && this.cursor.epoch === seen.epoch && seen.offset <= this.cursor.offset) return 'duplicate';
    this.cursor = seen;
    return 'new';
  }

  /**
   * Moves up to a cursor that a beat, a gap or a poll's answer names. Never backwards, never into another epoch:
   * only `sync` may do that.
   * @param {unknown} text
   */
  reach(text) {
    const named = parseCursor(text);
    if (!named) return;
    const ahead = !this.cursor || (named.epoch === this.cursor.epoch && named.offset > this.cursor.offset);
    if (ahead) this.cursor = named;
  }

  /**
   * Starts a stream where the server says that it starts.
   * @param {{state?: string, cursor?: unknown}} sync
   */
  start(sync) {
    if (sync.state === 'resumed') this.reach(sync.cursor);
    else this.cursor = parseCursor(sync.cursor) ?? this.cursor;
  }
}
