// Who got each event when. Pure. It remembers the last 8192 offsets, whatever the lanes are doing.

const SLOTS = 8192;
const WINS = 100;

export class Ledger {
  #lanes;
  #offsets = new Float64Array(SLOTS).fill(-1);
  #times;
  #late = new Uint8Array(SLOTS);
  #wins = [];

  /** @param {number} lanes */
  constructor(lanes) {
    this.#lanes = lanes;
    this.#times = new Float64Array(SLOTS * lanes).fill(NaN);
  }

  /**
   * A lane received an offset.
   * @param {number} lane
   * @param {number} offset
   * @param {number} at     milliseconds of the page's clock
   * @param {boolean} replayed  it was caught up with after an interruption, and is no part of the race
   * @returns {{gap: number, complete: boolean}} `gap`: milliseconds behind the first lane; `complete`: all have it now,
   *   and none of them by catching up
   */
  arrive(lane, offset, at, replayed) {
    const slot = offset % SLOTS;
    const base = slot * this.#lanes;
    if (this.#offsets[slot] !== offset) {
      this.#offsets[slot] = offset;
      this.#late[slot] = 0;
      this.#times.fill(NaN, base, base + this.#lanes);
    }
    this.#times[base + lane] = at;
    if (replayed) this.#late[slot] = 1;
    let first = at;
    let have = 0;
    for (let i = 0; i < this.#lanes; i += 1) {
      const time = this.#times[base + i];
      if (Number.isNaN(time)) continue;
      have += 1;
      if (time < first) first = time;
    }
    const complete = have === this.#lanes && this.#late[slot] === 0;
    if (complete) this.#won(base);
    return { gap: at - first, complete };
  }

  /**
   * When each lane got an offset.
   * @param {number} offset
   * @returns {(number | null)[] | null} null where it is not remembered
   */
  times(offset) {
    const slot = offset % SLOTS;
    if (this.#offsets[slot] !== offset) return null;
    const base = slot * this.#lanes;
    return Array.from(this.#times.subarray(base, base + this.#lanes), (time) => (Number.isNaN(time) ? null : time));
  }

  /** The numbering began anew: what is remembered belongs to another one. */
  clear() {
    this.#offsets.fill(-1);
  }

  /** The races so far were run under other conditions. */
  anew() {
    this.#wins = [];
  }

  /** The share of the last hundred races that each lane won, 0 to 1. @returns {number[] | null} */
  shares() {
    if (this.#wins.length === 0) return null;
    const shares = new Array(this.#lanes).fill(0);
    for (const winners of this.#wins) for (const lane of winners) shares[lane] += 1 / winners.length / this.#wins.length;
    return shares;
  }

  // Lanes that the clock cannot tell apart share the win.
  #won(base) {
    const times = this.#times.subarray(base, base + this.#lanes);
    const best = Math.min(...times);
    const winners = [];
    times.forEach((time, lane) => { if (time === best) winners.push(lane); });
    this.#wins.push(winners);
    if (this.#wins.length > WINS) this.#wins.shift();
  }
}
