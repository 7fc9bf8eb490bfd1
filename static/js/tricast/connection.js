// The connection: the state machine's hands. It opens streams, keeps the one timer, and passes on what arrives.

import { feedUrl, publish } from './http.js';
import { Machine } from './machine.js';
import { openPoll } from './poll.js';
import { openSse } from './sse.js';
import { openWs } from './ws.js';

/**
 * @typedef {import('./machine.js').Transport} Transport
 *
 * @typedef {object} Options
 * @property {string} [url]          the server's address; the page's own origin unless given
 * @property {string} [namespace]    `default` unless given
 * @property {Transport | 'auto'} [transport]
 * @property {string[]} [rooms]
 * @property {string} [after]        a cursor, `earliest` or `tip`
 * @property {string} [label]        a name for tools and logs
 * @property {string} [session]      goes on with this session
 * @property {Partial<import('./backoff.js').BackoffOptions>} [backoff]
 * @property {number} [openTimeoutMs]
 * @property {number} [waitSeconds]  how long a poll may be parked, 25 unless given
 * @property {number} [bufferMax]    events that `for await` may be behind, 10000 unless given
 *
 * @typedef {object} Meta
 * @property {number} at             when it arrived, as `performance.now()`
 * @property {string | null} text    the event's own text, where the transport hands it over apart
 * @property {Transport} transport
 *
 * @typedef {'sync' | 'beat' | 'gap' | 'close' | 'state' | 'duplicate' | 'error'} Notice
 */

const BUFFER_MAX = 10_000;

/** What `auto` learnt about each server, for as long as the page lives. @type {Map<string, Map<Transport, number>>} */
const MEMORIES = new Map();

/** @param {Options} [options] @returns {Connection} */
export function connect(options = {}) {
  return new Connection(options);
}

export class Connection {
  #machine;
  #base;
  #query;
  #waitSeconds;
  #bufferMax;
  #events = new Map();
  #notices = new Map();
  #iterators = new Set();
  #leave = () => {};
  #command = null;
  #timer = undefined;
  #requests = 0;
  #rooms;

  /** @param {Options} options */
  constructor(options) {
    this.url = options.url ?? location.origin;
    this.namespace = options.namespace ?? 'default';
    this.#base = feedUrl(this.url, this.namespace);
    this.#waitSeconds = options.waitSeconds ?? 25;
    this.#bufferMax = options.bufferMax ?? BUFFER_MAX;
    this.#rooms = new Set(options.rooms ?? []);
    this.#query = { label: options.label };
    this.#machine = new Machine({
      transport: options.transport,
      after: options.after,
      session: options.session,
      backoff: options.backoff,
      openTimeoutMs: options.openTimeoutMs,
      pollWaitMs: this.#waitSeconds * 1000,
      memory: memoryOf(this.#base),
    });
    globalThis.addEventListener?.('online', this.#online);
    // Not at once: the caller has yet to say what it listens to.
    queueMicrotask(() => this.#run(this.#machine.start(performance.now())));
  }

  /** @returns {import('./machine.js').State} */
  get state() { return this.#machine.state; }
  /** @returns {Transport} the one in use, or the next one to be tried */
  get transport() { return this.#machine.transport; }
  /** @returns {string} everything up to here is in hand; what another connection may be given as `after` */
  get cursor() { return this.#machine.position.after; }
  /** @returns {string | undefined} */
  get session() { return this.#machine.session; }
  /** @returns {{requests: number, reconnects: number, duplicates: number, failures: number}} */
  get stats() {
    const { reconnects, duplicates, failures } = this.#machine;
    return { requests: this.#requests, reconnects, duplicates, failures };
  }

  /**
   * Calls `fn(event, meta)` for each event of a type, or of every type with `'*'`.
   * @param {string} type
   * @param {(event: any, meta: Meta) => void} fn
   * @returns {() => void} stops it
   */
  on(type, fn) { return listen(this.#events, type, fn); }

  /**
   * Calls `fn(detail)` for what is not an event: `sync`, `beat`, `gap`, `close`, `state`, `duplicate`, `error`.
   * Apart from `on`, because an event may have any of these words as its type.
   * @param {Notice} name
   * @param {(detail: any) => void} fn
   * @returns {() => void} stops it
   */
  watch(name, fn) { return listen(this.#notices, name, fn); }

  /** Lets go of the stream and keeps the place. */
  pause() { this.#run(this.#machine.pause()); }
  /** Goes on where `pause` left off. */
  resume() { this.#run(this.#machine.start(performance.now())); }
  /** Goes on over another transport: the same cursor, the same session. @param {Transport | 'auto'} transport */
  switchTransport(transport) { this.#run(this.#machine.switchTo(transport, performance.now())); }
  /** Ends for good. */
  close() { this.#run(this.#machine.close()); }

  /**
   * Publishes, over the WebSocket where one is open.
   * @param {{data: any, type?: string, rooms?: string[], key?: string, except?: string, to?: string}} event
   * @returns {Promise<{id: string}[]>}
   */
  async publish(event) {
    if (this.#command && this.state === 'live') return (await this.#command({ op: 'publish', ...event })).events;
    return publish({ url: this.url, namespace: this.namespace }, event);
  }

  /** @returns {AsyncGenerator<any, void, void>} every event from now on, until `close` */
  async *[Symbol.asyncIterator]() {
    const queue = { events: [], wake: () => {} };
    this.#iterators.add(queue);
    try {
      while (queue.events.length > 0 || this.state !== 'closed') {
        if (queue.events.length > 0) yield queue.events.shift();
        else await new Promise((resolve) => { queue.wake = () => resolve(undefined); });
      }
    } finally {
      this.#iterators.delete(queue);
    }
  }

  #online = () => this.#run(this.#machine.wake(performance.now()));

  /** @param {import('./machine.js').Effect[]} effects */
  #run(effects) {
    for (const effect of effects) {
      if (effect.do === 'abort') this.#drop();
      else if (effect.do === 'open') this.#open(effect);
      else if (effect.do === 'close') this.#closed(effect.failure);
      else this.#tell('state', effect);
    }
    this.#arm();
  }

  #open({ transport, after, session, attempt }) {
    const target = { after, session, waitSeconds: this.#waitSeconds, url: (way, query) => this.#address(way, query) };
    const sink = this.#sink(attempt, transport);
    if (transport === 'ws') {
      const { leave, command } = openWs(target, sink);
      this.#leave = leave;
      this.#command = command;
    } else {
      this.#leave = (transport === 'sse' ? openSse : openPoll)(target, sink);
    }
  }

  #address(way, query) {
    const rooms = [...this.#rooms].join(',');
    const pairs = Object.entries({ ...this.#query, rooms: rooms || undefined, ...query })
      .filter(([, value]) => value !== undefined)
      // A comma needs no escape in a query, and a poll pays for each of its bytes.
      .map(([name, value]) => `${name}=${encodeURIComponent(String(value)).replaceAll('%2C', ',')}`);
    return `${this.#base}${way}?${pairs.join('&')}`;
  }

  /** @returns {import('./http.js').Sink} */
  #sink(attempt, transport) {
    const machine = this.#machine;
    const current = () => machine.attempt === attempt && (machine.state === 'connecting' || machine.state === 'live');
    return {
      requested: () => { this.#requests += 1; },
      event: (event, text) => { if (current()) this.#event(event, { at: performance.now(), text, transport }); },
      notice: (notice) => { if (current()) this.#notice(notice); },
      answered: (sync) => { if (current()) this.#synced(sync); },
      lost: (failure) => { if (current()) this.#run(machine.lost(failure, performance.now())); },
    };
  }

  #event(event, meta) {
    if (!this.#machine.event(event.id, meta.at)) return this.#tell('duplicate', event);
    call(this.#events.get(event.type), event, meta, this);
    call(this.#events.get('*'), event, meta, this);
    for (const queue of this.#iterators) this.#enqueue(queue, event);
  }

  #enqueue(queue, event) {
    queue.events.push(event);
    if (queue.events.length > this.#bufferMax) {
      const dropped = queue.events.shift();
      this.#tell('gap', { reason: 'slow', from: dropped.id, to: dropped.id, local: true });
    }
    queue.wake();
  }

  #notice(notice) {
    const name = notice.notice;
    if (name === 'sync') return this.#synced(notice);
    if (name === 'beat' || name === 'gap') this.#machine.reached(notice.cursor, performance.now());
    if (!notice.implied) this.#tell(name, notice);
  }

  #synced(sync) {
    const effects = this.#machine.sync(sync, performance.now());
    if (sync) this.#tell('sync', sync);
    if (effects.length > 0) this.#run(effects);
  }

  #drop() {
    this.#leave();
    this.#leave = () => {};
    this.#command = null;
  }

  #closed(failure) {
    globalThis.removeEventListener?.('online', this.#online);
    this.#tell('close', failure);
    for (const queue of this.#iterators) queue.wake();
  }

  #tell(name, detail) {
    call(this.#notices.get(name), detail, undefined, this);
  }

  /** A listener's own fault must not end the stream. @param {unknown} error */
  fault(error) {
    if (this.#notices.get('error')?.size) for (const fn of this.#notices.get('error')) fn(error);
    else queueMicrotask(() => { throw error; });
  }

  // Events push the deadline ahead thousands of times a second; the timer looks at it only when it fires.
  #arm() {
    const { deadline } = this.#machine;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (deadline === null) return;
    this.#timer = setTimeout(() => this.#run(this.#machine.timer(performance.now())), Math.max(0, deadline - performance.now()) + 1);
  }
}

function memoryOf(base) {
  const memory = MEMORIES.get(base) ?? new Map();
  MEMORIES.set(base, memory);
  return memory;
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
