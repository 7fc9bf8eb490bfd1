// What `auto` learnt about a server: which transports failed, and until when that holds. It outlives the page where the
// browser lets it, so that the next page does not wait for a proxy's silence again.

/** @typedef {import('./machine.js').Transport} Transport */

const PREFIX = 'tricast.failed ';

/** Longer than this nothing is held against a transport, whatever a store says, in milliseconds. */
export const AGE_MAX_MS = 15 * 60_000;

/**
 * Where it is kept. A browser may refuse the very look at its storage.
 * @returns {Pick<Storage, 'getItem' | 'setItem'> | null}
 */
function browserStore() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

/** The page's own memory of each server, for where there is no store. @type {Map<string, Map<Transport, number>>} */
const PAGE = new Map();

/** The face of a map from transport to time that the state machine wants, its times on the machine's clock. */
export class Memory {
  #key;
  #now;
  #wall;
  #store;
  #changed;

  /**
   * @param {string} base               of `feedUrl`: what failed on the way to one server says nothing of another
   * @param {object} around
   * @param {() => number} around.now   the machine's clock
   * @param {() => number} [around.wall]
   * @param {Pick<Storage, 'getItem' | 'setItem'> | null} [around.store]
   * @param {(until: Record<string, number>) => void} [around.changed]  hears of each change
   */
  constructor(base, { now, wall = () => Date.now(), store = browserStore(), changed = () => {} }) {
    this.#key = PREFIX + new URL(base).origin;
    this.#now = now;
    this.#wall = wall;
    this.#store = store;
    this.#changed = changed;
  }

  /** @param {Transport} transport @returns {number | undefined} until when it is out */
  get(transport) {
    const until = this.#read().get(transport);
    return until === undefined ? undefined : until - this.#wall() + this.#now();
  }

  /** @param {Transport} transport @param {number} until */
  set(transport, until) {
    this.#write(this.#read().set(transport, Math.min(until - this.#now(), AGE_MAX_MS) + this.#wall()));
    return this;
  }

  /** @param {Transport} transport */
  delete(transport) {
    const all = this.#read();
    const had = all.delete(transport);
    if (had) this.#write(all);
    return had;
  }

  clear() {
    this.#write(new Map());
  }

  /** Takes over what another page knows. @param {Record<string, number>} until  milliseconds since the Unix epoch */
  learn(until) {
    this.#write(new Map([...this.#read(), ...this.#sane(until)]));
  }

  /** Knows what another one knows, and nothing else. @param {Record<string, number>} until */
  copy(until) {
    this.#write(this.#sane(until));
  }

  /** @returns {Record<string, number>} for `learn` and `copy` */
  get known() {
    return Object.fromEntries(this.#read());
  }

  #read() {
    const kept = PAGE.get(this.#key) ?? new Map();
    try {
      const text = this.#store?.getItem(this.#key);
      return text ? this.#sane(JSON.parse(text)) : this.#sane(Object.fromEntries(kept));
    } catch {
      return this.#sane(Object.fromEntries(kept));
    }
  }

  // What is past, and what a clock that was set back puts too far ahead, is forgotten.
  #sane(until) {
    const wall = this.#wall();
    const valid = ([, time]) => typeof time === 'number' && time > wall && time <= wall + AGE_MAX_MS;
    return /** @type {Map<Transport, number>} */ (new Map(Object.entries(until ?? {}).filter(valid)));
  }

  #write(all) {
    const until = Object.fromEntries(all);
    PAGE.set(this.#key, all);
    try {
      this.#store?.setItem(this.#key, JSON.stringify(until));
    } catch {
      // The store is full or closed: it holds for this page.
    }
    this.#changed(until);
  }
}
