// A line that another place keeps for this tab: the near end of the SharedWorker. Whatever goes wrong with it, the tab is
// told to open a line of its own from the place where this one ended.

import { Position } from './cursor.js';
import { feedUrl, Refused } from './http.js';
import { Memory } from './memory.js';
import { watchSurroundings } from './surroundings.js';

/** A worker that says nothing for so long at the start is none, in milliseconds. */
const START_MS = 3_000;

/** How often the tab shows that it lives, in milliseconds. */
const PING_MS = 10_000;

/** Pings in a row without an answer, after which the worker is given up. */
const PINGS_MAX = 2;

/** Events that are taken before the worker is told. */
const TAKEN_EACH = 100;

/** Requests that are answered later. */
const ANSWERS_MAX = 1_000;

/** What decides whether two tabs may share a line, beside the server and the namespace. */
const SHARED_OPTIONS = /** @type {const} */ (['url', 'namespace', 'transport', 'label', 'rate', 'backoff', 'openTimeoutMs', 'syncTimeoutMs', 'probeMs', 'waitSeconds']);

/**
 * @typedef {import('./line.js').Ears & {alone: () => void}} RemoteEars  `alone`: the tab needs a line of its own
 */

export class RemoteLine {
  state = /** @type {import('./machine.js').State} */ ('idle');
  /** @type {import('./machine.js').Transport} */
  transport = 'ws';
  /** @type {string | undefined} */
  session = undefined;
  /** @type {string | undefined} */
  member = undefined;
  stats = { requests: 0, reconnects: 0, duplicates: 0, failures: 0 };
  #options;
  #ears;
  #openWorker;
  /** @type {MessagePort | null} */
  #port = null;
  #id = crypto.getRandomValues(new Uint32Array(4)).join('-');
  #rooms;
  #position;
  #memory;
  #attached = false;
  #unanswered = 0;
  #untold = 0;
  #timers = /** @type {any[]} */ ([]);
  #answers = new Map();
  /** Those who changed rooms while there was no line. @type {{resolve: (value: any) => void, reject: (error: Error) => void}[]} */
  #waiting = [];
  #refs = 0;
  #releaseLock = () => {};
  #stop;
  #away = false;

  /**
   * @param {import('./line.js').LineOptions} options
   * @param {RemoteEars} ears
   * @param {() => SharedWorker} openWorker
   */
  constructor(options, ears, openWorker) {
    this.#options = options;
    this.#ears = ears;
    this.#openWorker = openWorker;
    this.#rooms = new Set(options.rooms ?? []);
    this.#position = new Position(options.after);
    this.#memory = new Memory(feedUrl(options.url, options.namespace), { now: () => performance.now() });
    this.#stop = watchSurroundings({
      check: () => this.#send({ do: 'check' }),
      online: () => this.#send({ do: 'check', changed: true }),
      offline: () => {},
      hide: () => this.#hide(),
      show: () => this.#show(),
    });
  }

  get cursor() { return this.#position.after; }
  get rooms() { return [...this.#rooms]; }

  start() {
    if (this.state !== 'idle' && this.state !== 'paused') return;
    this.#attach();
  }

  pause() {
    if (this.state === 'closed' || this.state === 'paused') return;
    this.#detach();
    this.#turn('paused');
  }

  close() {
    if (this.state === 'closed') return;
    this.#end({ reason: 'closed', retry: 'no' });
  }

  /** @param {import('./machine.js').Transport | 'auto'} transport */
  switchTo(transport) {
    this.#options = { ...this.#options, transport };
    if (this.#attached) this.#attach();
  }

  /** Another wait is another line. @param {number} waitSeconds */
  setWait(waitSeconds) {
    this.#options = { ...this.#options, waitSeconds };
    if (this.#attached) this.#attach();
  }

  check() { this.#send({ do: 'check' }); }

  /** @param {string[]} rooms @returns {Promise<void>} */
  async join(rooms) {
    if (this.#attached) await this.#ask({ do: 'join', rooms });
    for (const room of rooms) this.#rooms.add(room);
    if (!this.#attached) await this.#synced();
  }

  /** @param {string[]} rooms @returns {Promise<void>} */
  async leave(rooms) {
    for (const room of rooms) this.#rooms.delete(room);
    if (this.#attached) await this.#ask({ do: 'leave', rooms });
    else await this.#synced();
  }

  /** @param {any} event */
  publish(event) { return this.#ask({ do: 'publish', event }); }

  // What is changed while there is no line goes with the next one.
  #synced() {
    if (this.state === 'closed') return Promise.reject(new Refused({ reason: 'closed', retry: 'no' }));
    return /** @type {Promise<void>} */ (new Promise((resolve, reject) => { this.#waiting.push({ resolve, reject }); }));
  }

  #attach() {
    this.#detach();
    this.#attached = true;
    this.#turn('connecting');
    try {
      const worker = this.#openWorker();
      worker.onerror = () => this.#alone();
      this.#port = worker.port;
      this.#port.onmessage = ({ data }) => { if (data.tab === this.#id) this.#receive(data); };
    } catch {
      // No SharedWorker, or none from where this module came from.
      this.#alone();
      return;
    }
    this.#timers = [setTimeout(() => this.#alone(), START_MS), setInterval(() => this.#ping(), PING_MS)];
    this.#hello();
  }

  async #hello() {
    const port = this.#port;
    const lock = await this.#lock();
    if (port !== this.#port) return;
    const options = Object.fromEntries(SHARED_OPTIONS.map((name) => [name, this.#options[name]]).filter(([, value]) => value !== undefined));
    this.#send({ do: 'attach', options, rooms: this.rooms, after: this.cursor, failed: this.#memory.known, lock });
  }

  // While the tab lives it holds a lock; whoever waits for that lock is told of its end, however it came.
  #lock() {
    const { locks } = globalThis.navigator ?? {};
    if (!locks) return undefined;
    const name = `tricast ${this.#id}`;
    return new Promise((resolve) => {
      const held = new Promise((release) => { this.#releaseLock = () => release(undefined); });
      locks.request(name, () => {
        resolve(name);
        return held;
      }).catch(() => resolve(undefined));
    });
  }

  #detach() {
    if (!this.#attached) return;
    this.#send({ do: 'detach' });
    this.#attached = false;
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.#port) this.#port.onmessage = null;
    this.#port?.close();
    this.#port = null;
    this.#releaseLock();
    this.#unanswered = 0;
    this.#untold = 0;
    // Another attachment is another tab to the worker: nothing late can be meant for it.
    this.#id = crypto.getRandomValues(new Uint32Array(4)).join('-');
    for (const { reject } of this.#answers.values()) reject(new Error('the connection went away before the answer'));
    this.#answers.clear();
  }

  #receive(message) {
    this.#unanswered = 0;
    clearTimeout(this.#timers[0]);
    if (message.do === 'event') this.#event(message);
    else if (message.do === 'notice') this.#notice(message);
    else if (message.do === 'state') this.#changed(message);
    else if (message.do === 'answer') this.#answered(message);
    else if (message.do === 'learnt') this.#memory.copy(message.until);
    else if (message.do === 'closed') this.#end(message.failure);
    else if (message.do === 'refer') this.#alone();
    else if (message.do === 'gone') this.#attach();
  }

  #event({ event, transport }) {
    this.#untold += 1;
    if (this.#untold >= TAKEN_EACH) {
      this.#send({ do: 'taken', count: this.#untold });
      this.#untold = 0;
    }
    if (this.#position.take(event.id) === 'duplicate') return this.#ears.notice('duplicate', event);
    this.#ears.event(event, { at: performance.now(), text: null, transport });
  }

  #notice({ name, detail, cursor }) {
    if (name === 'sync') {
      this.session = detail.session;
      this.member = detail.member ?? this.member;
      this.#position.start({ ...detail, cursor });
      for (const { resolve } of this.#waiting.splice(0)) resolve(undefined);
    } else this.#position.reach(cursor);
    this.#ears.notice(name, detail);
  }

  #changed({ change, session, member, stats }) {
    this.session = session ?? this.session;
    this.member = member ?? this.member;
    this.stats = stats;
    this.transport = change.transport;
    // The end comes with its reason, or not at all for this tab.
    if (change.state === 'closed' || (change.state === this.state && change.state !== 'waiting')) return;
    this.#turn(change.state, change);
  }

  #answered({ ref, value, failure }) {
    const asked = this.#answers.get(ref);
    this.#answers.delete(ref);
    if (failure) asked?.reject(Object.assign(new Refused(failure), { reason: failure.reason }));
    else asked?.resolve(value);
  }

  #ask(message) {
    if (!this.#port) return Promise.reject(new Error('not connected'));
    if (this.#answers.size >= ANSWERS_MAX) return Promise.reject(new Error(`more than ${ANSWERS_MAX} requests without an answer`));
    this.#refs += 1;
    const ref = this.#refs;
    return new Promise((resolve, reject) => {
      this.#answers.set(ref, { resolve, reject });
      this.#send({ ...message, ref });
    });
  }

  #ping() {
    this.#unanswered += 1;
    if (this.#unanswered > PINGS_MAX) this.#alone();
    else this.#send({ do: 'ping' });
  }

  #send(message) {
    this.#port?.postMessage({ ...message, tab: this.#id });
  }

  #hide() {
    if (!this.#attached) return;
    this.#away = true;
    this.#detach();
  }

  #show() {
    if (this.#away && this.state !== 'paused' && this.state !== 'closed') this.#attach();
    this.#away = false;
  }

  #alone() {
    if (!this.#attached) return;
    this.#detach();
    this.#stop();
    // They come with the rooms of the line that follows.
    for (const { resolve } of this.#waiting.splice(0)) resolve(undefined);
    this.#ears.alone();
  }

  #end(failure) {
    this.#detach();
    this.#stop();
    this.#turn('closed', { failure });
    for (const { reject } of this.#waiting.splice(0)) reject(new Refused(failure));
    this.#ears.closed(failure);
  }

  #turn(state, change = {}) {
    const from = this.state;
    this.state = state;
    this.#ears.state({ ...change, do: 'state', state, from, transport: this.transport });
  }
}
