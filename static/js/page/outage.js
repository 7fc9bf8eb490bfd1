// One interruption of a lane, from the moment it falls silent to the moment it has caught up. Pure.

/**
 * @typedef {object} Stamp
 * @property {'cut' | 'kill' | 'pause' | 'switch' | 'restart' | 'lost'} kind
 * @property {number} lost
 * @property {number} doubled
 * @property {number} told     times that the server said something will not come
 * @property {number} missed   events that were published meanwhile and came afterwards
 * @property {number} backMs   from when the way was free again to when the lane had caught up
 */

// A button explains what follows it at once, not what happens by itself a minute later.
const CAUSE_MS = 3000;

export class Outage {
  /** @type {null | {kind: Stamp['kind'], since: number, freeAt: number, lost: number, doubled: number, missed: number,
   *   target: number | null, asked: boolean}} */
  #open = null;
  /** @type {{kind: Stamp['kind'], freeAt: number} | null} */
  #cause = null;
  #lastAt = 0;

  get active() { return this.#open !== null; }

  /** When the lane fell silent, or null where it is not. */
  get since() { return this.#open?.since ?? null; }

  /**
   * Somebody pressed a button; what follows has this cause.
   * @param {Stamp['kind']} kind
   * @param {number} freeAt  when the way will be free again
   */
  expect(kind, freeAt) {
    this.#cause = { kind, freeAt };
    if (this.#open) Object.assign(this.#open, this.#cause);
  }

  /** @param {number} now @param {{lost: number, doubled: number, told?: number}} counts */
  begin(now, counts) {
    if (this.#open) return;
    const pressed = this.#cause && now <= this.#cause.freeAt + CAUSE_MS ? this.#cause : null;
    const cause = pressed ?? { kind: 'lost', freeAt: now };
    this.#open = { ...cause, since: now, ...counts, missed: 0, target: null, asked: false };
    this.#cause = null;
  }

  /** The way is free as of now: the end of a pause. @param {number} now */
  free(now) {
    if (this.#open) this.#open.freeAt = now;
  }

  /** The stream is back. Whether it has caught up is known when the server says how far the feed is. */
  reopened() {
    if (!this.#open || this.#open.asked) return false;
    this.#open.asked = true;
    return true;
  }

  /** It broke again before it had caught up. */
  relapsed() {
    if (this.#open) Object.assign(this.#open, { asked: false, target: null });
  }

  /** @param {number} offset */
  aim(offset) {
    if (this.#open) this.#open.target = offset;
  }

  /** @param {number} now */
  event(now) {
    this.#lastAt = now;
    if (this.#open) this.#open.missed += 1;
  }

  /**
   * @param {number} reached  the lane's offset
   * @param {number} now
   * @param {{lost: number, doubled: number}} counts
   * @returns {Stamp | null} the stamp, once the lane has everything up to the target
   */
  settle(reached, now, counts) {
    const open = this.#open;
    if (!open || open.target === null || reached < open.target) return null;
    this.#open = null;
    this.#cause = null;
    const caughtAt = open.missed > 0 ? this.#lastAt : now;
    return {
      kind: open.kind,
      lost: counts.lost - open.lost,
      doubled: counts.doubled - open.doubled,
      told: (counts.told ?? 0) - (open.told ?? 0),
      missed: open.missed,
      backMs: Math.max(0, caughtAt - Math.max(open.freeAt, open.since)),
    };
  }
}
