// A line: the state machine's hands. It opens streams, keeps the one timer, changes rooms, and passes on what arrives.
// It runs in a page or in a SharedWorker, and knows neither listeners nor iterators.

import { Clock } from './clock.js';
import { asFailure, changeRooms, feedUrl, publish, Refused } from './http.js';
import { Machine } from './machine.js';
import { Memory } from './memory.js';
import { openPoll } from './poll.js';
import { openSse } from './sse.js';
import { watchSurroundings } from './surroundings.js';
import { openWs } from './ws.js';

/**
 * @typedef {import('./machine.js').Transport} Transport
 *
 * @typedef {object} LineOptions
 * @property {string} url
 * @property {string} namespace
 * @property {Transport | 'auto'} [transport]
 * @property {string[]} [rooms]
 * @property {string} [after]        a cursor, `earliest` or `tip`
 * @property {string} [label]
 * @property {string} [session]
 * @property {number} [rate]         deliveries a second at most, 1 to 100
 * @property {Partial<import('./backoff.js').BackoffOptions>} [backoff]
 * @property {number} [openTimeoutMs]
 * @property {number} [syncTimeoutMs]
 * @property {number} [probeMs]
 * @property {number} [waitSeconds]
 *
 * @typedef {object} Meta
 * @property {number} at             when it arrived, as `performance.now()`
 * @property {string | null} text    the event's own text, where the transport hands it over apart
 * @property {Transport} transport
 *
 * @typedef {object} Ears  who is told
 * @property {(event: any, meta: Meta) => void} event    once each, in order
 * @property {(name: string, detail: any) => void} notice  `sync`, `reset`, `beat`, `gap`, `duplicate`, or one not known yet
 * @property {(change: any) => void} state
 * @property {(failure: import('./reasons.js').Failure) => void} closed
 */

/** How often a change of rooms is tried on streams that were open, before it is given up. */
const CHANGES_MAX = 10;

/** While a stream is open the timer looks this often whether the computer slept, in milliseconds. */
const LOOK_MS = 5_000;

export class Line {
  #machine;
  #base;
  #options;
  #waitSeconds;
  #clock = new Clock();
  #memory;
  #ears;
  #leave = () => {};
  /** @type {null | ((command: object) => Promise<any>)} */
  #command = null;
  /** @type {any} */
  #timer = undefined;
  #requests = 0;
  #rooms;
  #stop;
  /** Those who wait for the state to change. @type {Set<() => void>} */
  #waiting = new Set();

  /**
   * @param {LineOptions} options
   * @param {Ears} ears
   * @param {(until: Record<string, number>) => void} [learnt]  hears which transports failed
   */
  constructor(options, ears, learnt) {
    this.#options = options;
    this.#ears = ears;
    this.#base = feedUrl(options.url, options.namespace);
    this.#waitSeconds = options.waitSeconds ?? 25;
    this.#rooms = new Set(options.rooms ?? []);
    const now = () => this.#clock.now();
    this.#memory = new Memory(this.#base, { now, changed: learnt });
    this.#machine = new Machine({
      transport: options.transport,
      after: options.after,
      session: options.session,
      backoff: options.backoff,
      openTimeoutMs: options.openTimeoutMs,
      syncTimeoutMs: options.syncTimeoutMs,
      probeMs: options.probeMs,
      pollWaitMs: this.#waitSeconds * 1000,
      memory: this.#memory,
      // Whoever goes on with a session that it was given does not know how many connections that has had.
      turn: options.session ? Date.now() : 1,
    });
    this.#stop = watchSurroundings({
      check: () => this.check(),
      online: () => this.#run(this.#machine.cameOnline(now())),
      offline: () => this.#offline(),
    });
    if (globalThis.navigator?.onLine === false) this.#machine.offline = true;
  }

  get state() { return this.#machine.state; }
  get transport() { return this.#machine.transport; }
  get cursor() { return this.#machine.position.after; }
  get session() { return this.#machine.session; }
  get member() { return this.#machine.member; }
  get rooms() { return [...this.#rooms]; }
  get memory() { return this.#memory; }
  get stats() {
    const { reconnects, duplicates, failures } = this.#machine;
    return { requests: this.#requests, reconnects, duplicates, failures };
  }

  start() { this.#run(this.#machine.start(this.#clock.now())); }
  pause() { this.#run(this.#machine.pause()); }
  close() { this.#run(this.#machine.close()); }
  /** @param {Transport | 'auto'} transport */
  switchTo(transport) { this.#run(this.#machine.switchTo(transport, this.#clock.now())); }
  /** How long a poll may be parked, from the next one on. @param {number} seconds */
  setWait(seconds) { this.#waitSeconds = seconds; }
  /** Finds out at once whether the stream lives, where too long nothing came. @param {boolean} [changed]  the network is another */
  check(changed = false) { this.#run(this.#machine.check(this.#clock.now(), changed)); }

  /** @param {string[]} rooms @returns {Promise<void>} once the server has them */
  join(rooms) {
    return this.#change('join', rooms.filter((room) => !this.#rooms.has(room)));
  }

  /** @param {string[]} rooms @returns {Promise<void>} */
  leave(rooms) {
    return this.#change('leave', rooms.filter((room) => this.#rooms.has(room)));
  }

  /** @param {any} event @returns {Promise<{id: string}[]>} */
  async publish(event) {
    if (this.#command && this.state === 'live') return (await this.#command({ op: 'publish', ...event })).events;
    return publish({ url: this.#options.url, namespace: this.#options.namespace }, event);
  }

  // What the next stream opens with is changed at once where there is none; an open one has to be told first, so that a
  // room which is refused does not come with the next one.
  async #change(what, rooms) {
    for (let tries = 0; tries < CHANGES_MAX;) {
      if (this.state === 'closed') throw new Refused({ reason: 'closed', retry: 'no' });
      if (rooms.length === 0) return;
      if (this.state === 'live') {
        tries += 1;
        const { attempt } = this.#machine;
        try {
          await this.#tellRooms({ [what]: rooms });
          // A stream that was opened meanwhile may have come later, with the rooms of before.
          if (attempt === this.#machine.attempt) return this.#keepRooms(what, rooms);
        } catch (error) {
          const failure = error?.reason ? { retry: 'no', ...error } : asFailure(error);
          // A session that is gone is about to be replaced, with the rooms of the next stream.
          if (failure.retry !== 'yes' && failure.reason !== 'not_found') throw error;
          if (this.state === 'live') await new Promise((resolve) => { setTimeout(resolve, 1000); });
        }
      } else if (this.state === 'connecting') {
        await this.#changed();
      } else {
        this.#keepRooms(what, rooms);
        await this.#settled();
      }
    }
    throw new Refused({ reason: 'network', retry: 'yes', detail: `the rooms could not be changed in ${CHANGES_MAX} tries` });
  }

  #tellRooms(change) {
    const [[op, rooms]] = Object.entries(change);
    if (this.#command) return this.#command({ op, rooms });
    return changeRooms(this.#base, String(this.session), change);
  }

  #keepRooms(what, rooms) {
    for (const room of rooms.splice(0)) {
      if (what === 'join') this.#rooms.add(room);
      else this.#rooms.delete(room);
    }
  }

  async #settled() {
    while (this.state !== 'live' && this.state !== 'closed') await this.#changed();
  }

  /** @returns {Promise<void>} when the state is another one */
  #changed() {
    return new Promise((resolve) => { this.#waiting.add(() => resolve()); });
  }

  #offline() {
    this.#machine.wentOffline(this.#clock.now());
    this.#arm();
  }

  /** @param {import('./machine.js').Effect[]} effects */
  #run(effects) {
    for (const effect of effects) {
      if (effect.do === 'abort') this.#drop();
      else if (effect.do === 'open') this.#open(effect);
      else if (effect.do === 'ping') this.#ping();
      else if (effect.do === 'reset') this.#ears.notice('reset', { notice: 'reset', was: effect.was, cursor: effect.cursor, missed: effect.missed });
      else if (effect.do === 'close') this.#closed(effect.failure);
      else this.#turned(effect);
    }
    this.#arm();
  }

  #turned(effect) {
    this.#ears.state(effect);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** @param {Extract<import('./machine.js').Effect, {do: 'open'}>} effect */
  #open({ transport, after, session, attempt, turn }) {
    const rooms = [...this.#rooms].join(',');
    const wait = () => this.#waitSeconds;
    const target = { after, session, rooms, turn, wait, url: (way, query) => this.#address(way, query) };
    const sink = this.#sink(attempt, transport);
    if (transport === 'ws') {
      const { leave, command } = openWs(target, sink);
      this.#leave = leave;
      this.#command = command;
    } else {
      this.#leave = (transport === 'sse' ? openSse : openPoll)(target, sink);
    }
  }

  // Any answer proves that the stream lives; that there is none, the deadline tells.
  #ping() {
    const { attempt } = this.#machine;
    this.#command?.({ op: 'ping' }).then(() => {
      if (this.#machine.attempt === attempt) this.#machine.reached(null, this.#clock.now());
    }, () => {});
  }

  #address(way, query) {
    const pairs = Object.entries({ label: this.#options.label, rate: this.#options.rate, ...query })
      .filter(([, value]) => value !== undefined && value !== '')
      // A comma needs no escape in a query, and a poll pays for each of its bytes.
      .map(([name, value]) => `${name}=${encodeURIComponent(String(value)).replaceAll('%2C', ',')}`);
    return `${this.#base}${way}?${pairs.join('&')}`;
  }

  /** @returns {import('./http.js').Sink} */
  #sink(attempt, transport) {
    const machine = this.#machine;
    const current = () => machine.attempt === attempt && (machine.state === 'connecting' || machine.state === 'live');
    const now = () => this.#clock.now();
    return {
      requested: () => {
        this.#requests += 1;
        if (current()) machine.asked(this.#waitSeconds * 1000, now());
      },
      opened: () => {
        if (!current()) return;
        machine.opened(now());
        this.#arm();
      },
      progress: () => { if (current()) machine.progress(now()); },
      event: (event, text) => { if (current()) this.#event(event, { at: performance.now(), text, transport }); },
      notice: (notice) => { if (current()) this.#notice(notice); },
      answered: (sync) => { if (current()) this.#synced(sync); },
      lost: (failure) => { if (current()) this.#run(machine.lost(failure, now())); },
    };
  }

  #event(event, meta) {
    if (this.#machine.event(event.id, this.#clock.now())) this.#ears.event(event, meta);
    else this.#ears.notice('duplicate', event);
  }

  #notice(notice) {
    const name = notice.notice;
    if (name === 'sync') return this.#synced(notice);
    if (name === 'beat' || name === 'gap') this.#machine.reached(notice.cursor, this.#clock.now());
    if (!notice.implied) this.#ears.notice(name, notice);
  }

  // Where the stream is and that it lives is told before that something is missing.
  #synced(sync) {
    const effects = this.#machine.sync(sync, this.#clock.now());
    this.#run(effects.filter((effect) => effect.do !== 'reset'));
    if (sync) this.#ears.notice('sync', sync);
    this.#run(effects.filter((effect) => effect.do === 'reset'));
  }

  #drop() {
    this.#leave();
    this.#leave = () => {};
    this.#command = null;
  }

  #closed(failure) {
    this.#stop();
    this.#ears.closed(failure);
  }

  // Events push the deadline ahead thousands of times a second; the timer looks at it only when it fires.
  #arm() {
    const { deadline, state } = this.#machine;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (deadline === null) return;
    const left = Math.max(0, deadline - this.#clock.now()) + 1;
    this.#timer = setTimeout(() => this.#look(), state === 'live' ? Math.min(left, LOOK_MS) : left);
  }

  // After a sleep nobody waits for the deadline: what was connected then may not be now.
  #look() {
    const now = this.#clock.now();
    this.#run(this.#clock.takeLeap() ? this.#machine.check(now) : []);
    this.#run(this.#machine.timer(now));
  }
}
