// The connection: what a page holds in its hand. It has listeners and iterators, and a line that brings what they hear: its
// own, or one that all tabs of the origin share.

import { parseCursor } from './cursor.js';
import { publish, Refused } from './http.js';
import { Line } from './line.js';
import { Queue } from './queue.js';
import { RemoteLine } from './remote.js';

/**
 * @typedef {import('./machine.js').Transport} Transport
 * @typedef {import('./line.js').Meta} Meta
 *
 * @typedef {object} Options
 * @property {string} [url]          the server's address; the page's own origin unless given
 * @property {string} [namespace]    `default` unless given
 * @property {Transport | 'auto'} [transport]
 * @property {string[]} [rooms]
 * @property {string} [after]        a cursor, `earliest` or `tip`
 * @property {string} [label]        a name for tools and logs
 * @property {string} [session]      goes on with this session, on a connection of its own
 * @property {number} [rate]         deliveries a second at most, 1 to 100; as they come unless given
 * @property {boolean} [shared]      whether tabs share a connection where the browser can; true unless given
 * @property {Partial<import('./backoff.js').BackoffOptions>} [backoff]
 * @property {number} [openTimeoutMs]  how long a server may take to its answer's head
 * @property {number} [syncTimeoutMs]  how long an open stream may take to its first word
 * @property {number} [probeMs]      how long the answer to a ping may take
 * @property {number} [waitSeconds]  how long a poll may be parked, 25 unless given
 * @property {number} [bufferMax]    events that `for await` may be behind, 10000 unless given
 *
 * @typedef {'sync' | 'reset' | 'beat' | 'gap' | 'close' | 'state' | 'duplicate' | 'error'} Notice
 */

const BUFFER_MAX = 10_000;

/** What is missing must be heard by somebody. @type {Set<string>} */
const GRAVE = new Set(['gap', 'reset']);

/** @param {Options} [options] @returns {Connection} */
export function connect(options = {}) {
  return new Connection(options);
}

/** The worker is named for what it speaks: one of another version is another one. */
function openWorker() {
  return new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'tricast.v1' });
}

export class Connection {
  #options;
  #bufferMax;
  /** @type {Map<string, Set<Function>>} */
  #events = new Map();
  /** @type {Map<string, Set<Function>>} */
  #notices = new Map();
  /** @type {Set<Queue>} */
  #queues = new Set();
  /** @type {Line | RemoteLine} */
  #line;
  /** @type {Error | null} */
  #failure = null;

  /** @param {Options} options */
  constructor(options) {
    this.url = options.url ?? location.origin;
    this.namespace = options.namespace ?? 'default';
    this.#bufferMax = options.bufferMax ?? BUFFER_MAX;
    this.#options = { ...options, url: this.url, namespace: this.namespace };
    const shared = (options.shared ?? true) && !options.session && typeof SharedWorker === 'function';
    const ears = this.#ears();
    this.#line = shared ? new RemoteLine(this.#options, ears, openWorker) : new Line(this.#options, ears);
    // Not at once: the caller has yet to say what it listens to.
    queueMicrotask(() => this.#line.start());
  }

  /** @returns {import('./machine.js').State} */
  get state() { return this.#line.state; }
  /** @returns {Transport} the one in use, or the next one to be tried */
  get transport() { return this.#line.transport; }
  /** @returns {string} everything up to here is in hand; what another connection may be given as `after` */
  get cursor() { return this.#line.cursor; }
  /** @returns {string | undefined} */
  get session() { return this.#line.session; }
  /** @returns {string | undefined} the session's public name: what `from` says, and what `to` and `except` may name */
  get member() { return this.#line.member; }
  /** @returns {string[]} */
  get rooms() { return this.#line.rooms; }
  /** @returns {boolean} whether other tabs have the same connection */
  get shared() { return this.#line instanceof RemoteLine; }
  /** @returns {{requests: number, reconnects: number, duplicates: number, failures: number}} of the connection, which may be shared */
  get stats() { return this.#line.stats; }

  /**
   * Calls `fn(event, meta)` for each event of a type, or of every type with `'*'`.
   * @param {string} type
   * @param {(event: any, meta: Meta) => void} fn
   * @returns {() => void} stops it
   */
  on(type, fn) { return listen(this.#events, type, fn); }

  /**
   * Calls `fn(detail)` for what is not an event: `sync`, `reset`, `beat`, `gap`, `close`, `state`, `duplicate`, `error`.
   * Apart from `on`, because an event may have any of these words as its type. A `gap` or `reset` that nobody watches goes
   * to the console.
   * @param {Notice} name
   * @param {(detail: any) => void} fn
   * @returns {() => void} stops it
   */
  watch(name, fn) { return listen(this.#notices, name, fn); }

  /** Lets go of the stream and keeps the place. */
  pause() { this.#line.pause(); }
  /** Goes on where `pause` left off. */
  resume() { this.#line.start(); }
  /** Goes on over another transport: the same cursor. @param {Transport | 'auto'} transport */
  switchTransport(transport) {
    this.#options.transport = transport;
    this.#line.switchTo(transport);
  }
  /** How long a poll may be parked, from the next one on. @param {number} seconds  0 to 60 */
  setWait(seconds) {
    this.#options.waitSeconds = seconds;
    this.#line.setWait(seconds);
  }
  /** Ends for good. */
  close() { this.#line.close(); }

  /**
   * Joins rooms: their events come from now on.
   * @param {string[]} rooms
   * @returns {Promise<void>} once the server has them
   */
  join(rooms) { return this.#line.join([...rooms]); }

  /** @param {string[]} rooms @returns {Promise<void>} */
  leave(rooms) { return this.#line.leave([...rooms]); }

  /**
   * Publishes, over the WebSocket where one is open.
   * @param {{data: any, type?: string, rooms?: string[], key?: string, except?: string, to?: string}} event
   * @returns {Promise<{id: string}[]>}
   */
  async publish(event) {
    if (this.state === 'live') return this.#line.publish(event);
    return publish({ url: this.url, namespace: this.namespace }, event);
  }

  /**
   * Every event from now on, until `close`. Throws where the connection ends without having been closed.
   * @returns {AsyncGenerator<any, void, void>}
   */
  async *[Symbol.asyncIterator]() {
    for await (const item of this.#items((notice) => this.#tell(notice.notice, notice))) if (!isNotice(item)) yield item;
  }

  /**
   * Every event from now on, and in their places the notices `gap` and `reset`, which have a `notice` and no `id`.
   * @returns {AsyncGenerator<any, void, void>}
   */
  withNotices() { return this.#items(() => {}, true); }

  /** A listener's own fault must not end the stream. @param {unknown} error */
  fault(error) {
    const watchers = this.#notices.get('error');
    if (watchers?.size) for (const fn of watchers) fn(error);
    else queueMicrotask(() => { throw error; });
  }

  async *#items(skipped, heeds = false) {
    const queue = new Queue(this.#bufferMax);
    if (heeds) this.#heeded += 1;
    this.#queues.add(queue);
    if (this.state === 'closed') queue.end(this.#failure);
    try {
      for (let next = await queue.next(); next; next = await queue.next()) {
        // Only this loop was too slow for it, so nobody has been told yet.
        if (next.item.local && isNotice(next.item)) skipped(next.item);
        yield next.item;
      }
    } finally {
      this.#queues.delete(queue);
      if (heeds) this.#heeded -= 1;
    }
  }

  /** Iterators that hand over notices. */
  #heeded = 0;

  #ears() {
    return {
      event: (event, meta) => this.#event(event, meta),
      notice: (name, detail) => {
        this.#tell(name, detail);
        if (GRAVE.has(name)) for (const queue of this.#queues) queue.push({ ...detail, notice: name, local: undefined });
      },
      state: (change) => this.#tell('state', change),
      closed: (failure) => this.#closed(failure),
      alone: () => this.#alone(),
    };
  }

  // The shared connection is not to be had: from the place where it ended, silently, on a connection of this tab's own.
  #alone() {
    const { cursor, rooms } = this.#line;
    this.#line = new Line({ ...this.#options, after: cursor, rooms }, this.#ears());
    this.#line.start();
  }

  #event(event, meta) {
    call(this.#events.get(event.type), event, meta, this);
    call(this.#events.get('*'), event, meta, this);
    for (const queue of this.#queues) queue.push(event);
  }

  #closed(failure) {
    this.#failure = failure.reason === 'closed' ? null : new Refused(failure);
    this.#tell('close', failure);
    for (const queue of this.#queues) queue.end(this.#failure);
  }

  #tell(name, detail) {
    const watchers = this.#notices.get(name);
    if (GRAVE.has(name) && !watchers?.size && this.#heeded === 0) console.warn(`tricast: ${name}, and nobody watches for it:`, missing(detail));
    call(watchers, detail, undefined, this);
  }
}

const isNotice = (item) => item.id === undefined && item.notice !== undefined;

/** A gap or a reset in one line. */
function missing(detail) {
  if (detail.notice === 'gap') return `the events ${detail.from} to ${detail.to} will not come (${detail.reason})`;
  const was = parseCursor(detail.was)?.offset ?? detail.was;
  return `after ${was} the feed goes on at ${detail.cursor}, and ${detail.missed ?? 'an unknown number of'} events are gone`;
}

function listen(map, name, fn) {
  const fns = map.get(name) ?? new Set();
  map.set(name, fns.add(fn));
  return () => fns.delete(fn);
}

function call(fns, first, second, connection) {
  if (!fns) return;
  for (const fn of fns) {
    try {
      fn(first, second);
    } catch (error) {
      connection.fault(error);
    }
  }
}
