// The connection's state machine. Pure: it is told what happened and what time it is, and says what to do next. It
// opens nothing, waits for nothing and reads no clock, so that a test can walk it through a day in a millisecond.
//
// Invariants
// 1. One stream at most is open. Every `open` has a number; news from an older one never reaches the machine.
// 2. The position moves by events and notices alone, so a change of transport or a broken line cannot move it.
// 3. There is a deadline whenever something is awaited: an answer, a proof of life, the end of a delay.

import { BACKOFF, delayMs } from './backoff.js';
import { Position } from './cursor.js';

/**
 * @typedef {import('./reasons.js').Failure} Failure
 * @typedef {'ws' | 'sse' | 'poll'} Transport
 * @typedef {'idle' | 'connecting' | 'live' | 'waiting' | 'paused' | 'closed'} State
 *
 * @typedef {{do: 'open', transport: Transport, after: string, session?: string, attempt: number, turn: number}
 *   | {do: 'abort'}
 *   | {do: 'ping'}
 *   | {do: 'reset', was: string, cursor: string, missed: number | null}
 *   | {do: 'state', state: State, from: State, transport: Transport, failure?: Failure, delayMs?: number}
 *   | {do: 'close', failure: Failure}} Effect
 *
 * @typedef {object} MachineOptions
 * @property {Transport | 'auto'} [transport]
 * @property {string} [after]
 * @property {string} [session]
 * @property {Partial<import('./backoff.js').BackoffOptions>} [backoff]
 * @property {number} [openTimeoutMs]  how long a server may take to its answer's head
 * @property {number} [syncTimeoutMs]  how long an open stream may take to its first word, whose beat is not known yet
 * @property {number} [probeMs]        how long the answer to a ping may take
 * @property {number} [pollWaitMs]     how long a poll may be parked
 * @property {number} [memoryMs]       how long `auto` remembers that a transport failed
 * @property {number} [stableMs]       a stream that lived this long starts the backoff afresh
 * @property {{get: (transport: Transport) => number | undefined, set: (transport: Transport, until: number) => any,
 *   delete: (transport: Transport) => any, clear: () => any}} [memory]  until when a transport is out
 * @property {number} [turn]           the number of the first connection; each later one has the next
 * @property {() => number} [random]
 */

/** Best first: the order in which `auto` tries. @type {Transport[]} */
export const ORDER = ['ws', 'sse', 'poll'];

const DEFAULT_BEAT_MS = 15_000;
const MUTE_BEATS = 2;
// A reconnection that fails once is most likely the network's fault; twice, perhaps the transport's. The same goes for a
// stream that carried something and then fell silent.
const MISSES_ONCE_PROVEN = 2;
// Beats do not come to the millisecond.
const SLACK_MS = 1_000;

export class Machine {
  /** @param {MachineOptions} [options] */
  constructor(options = {}) {
    this.auto = (options.transport ?? 'auto') === 'auto';
    this.position = new Position(options.after);
    this.session = options.session;
    /** The session's public name. @type {string | undefined} */
    this.member = undefined;
    this.backoff = { ...BACKOFF, ...options.backoff };
    this.openTimeoutMs = options.openTimeoutMs ?? 10_000;
    this.syncTimeoutMs = options.syncTimeoutMs ?? 4_000;
    this.probeMs = options.probeMs ?? 3_000;
    this.pollWaitMs = options.pollWaitMs ?? 25_000;
    this.memoryMs = options.memoryMs ?? 300_000;
    this.stableMs = options.stableMs ?? 5_000;
    this.memory = options.memory ?? new Map();
    this.random = options.random ?? Math.random;

    /** @type {State} */
    this.state = 'idle';
    /** @type {Transport} */
    this.transport = this.auto ? ORDER[0] : /** @type {Transport} */ (options.transport);
    this.attempt = 0;
    this.firstTurn = options.turn ?? 1;
    this.failures = 0;
    this.reconnects = 0;
    this.duplicates = 0;
    this.beatMs = DEFAULT_BEAT_MS;
    /** When something must have happened, or null. @type {number | null} */
    this.deadline = null;
    this.liveSince = 0;
    this.openedAt = -Infinity;
    /** The last proof of life. */
    this.aliveAt = 0;
    /** Whether anything came after the first word. */
    this.flowing = false;
    /** Whether the answer to a ping is awaited. */
    this.probing = false;
    /** Whether the delay that is waited out is the server's own. */
    this.told = false;
    this.offline = false;
    /** @type {Set<Transport>} */
    this.proven = new Set();
    /** Refusals and breaks before the first word, in a row, by transport. @type {Map<Transport, number>} */
    this.misses = new Map();
    /** Streams in a row that were or fell silent, by transport. @type {Map<Transport, number>} */
    this.mutes = new Map();
  }

  /** @param {number} now @returns {Effect[]} */
  start(now) {
    return this.state === 'idle' || this.state === 'paused' ? this.#open(now) : [];
  }

  /**
   * The answer's head is there; its first word must follow.
   * @param {number} now
   */
  opened(now) {
    if (this.state !== 'connecting' || this.deadline === null) return;
    this.deadline = Math.min(this.deadline, now + this.syncTimeoutMs);
  }

  /**
   * More of something long is there, which is not whole yet.
   * @param {number} now
   */
  progress(now) {
    if (this.state === 'connecting') this.deadline = now + this.syncTimeoutMs;
    else this.#alive(now);
  }

  /**
   * The stream's first word, or a poll's first answer.
   * @param {any} sync   the notice, or null where a poll goes on without one
   * @param {number} now
   * @returns {Effect[]}
   */
  sync(sync, now) {
    const effects = sync ? this.#synced(sync) : [];
    this.#alive(now);
    if (this.state !== 'connecting') return effects;
    if (this.proven.size > 0) this.reconnects += 1;
    this.misses.delete(this.transport);
    this.memory.delete(this.transport);
    this.proven.add(this.transport);
    this.liveSince = now;
    this.flowing = false;
    return [this.#turn('live'), ...effects];
  }

  /**
   * An event arrived.
   * @param {string} id
   * @param {number} now
   * @returns {boolean} false where it was here before
   */
  event(id, now) {
    this.flowing = true;
    this.#alive(now);
    const taken = this.position.take(id);
    if (taken === 'duplicate') this.duplicates += 1;
    return taken !== 'duplicate';
  }

  /**
   * A beat, a gap, or a poll's answer: all name a cursor and prove that the stream is alive.
   * @param {unknown} cursor
   * @param {number} now
   */
  reached(cursor, now) {
    this.flowing = true;
    this.position.reach(cursor);
    this.#alive(now);
  }

  /**
   * The stream is gone, or never came.
   * @param {Failure} failure
   * @param {number} now
   * @returns {Effect[]}
   */
  lost(failure, now) {
    if (this.state !== 'connecting' && this.state !== 'live') return [];
    if (failure.retry !== 'yes') return this.#end(failure);
    const opening = this.state === 'connecting';
    if (!opening && now - this.liveSince >= this.stableMs) this.failures = 0;
    const moved = this.auto && this.#blame(failure, opening, now);
    const wait = this.#delay(failure, moved);
    this.failures += 1;
    this.told = failure.retryAfterMs !== undefined;
    this.deadline = now + wait;
    return [{ do: 'abort' }, { ...this.#turn('waiting'), failure, delayMs: wait }];
  }

  /**
   * The deadline has passed.
   * @param {number} now
   * @returns {Effect[]}
   */
  timer(now) {
    if (this.deadline === null || now < this.deadline) return [];
    if (this.state === 'waiting') return this.#open(now);
    // Nobody looks so late unless the computer slept or the page was frozen. That says nothing about the transport, and
    // what arrived meanwhile was not read yet.
    const late = now - this.deadline > this.beatMs;
    if (late && this.state === 'connecting') return [{ do: 'abort' }, ...this.#open(now)];
    if (late && !this.probing) return this.check(now);
    if (this.probing) return this.lost({ reason: 'network', retry: 'yes', detail: 'no answer to a ping' }, now);
    return this.lost({ reason: 'mute', retry: 'yes' }, now);
  }

  /**
   * Time may have passed unseen, or the network may be another one: finds out at once whether the stream still lives.
   * Only a WebSocket can ask; the others come back at once from the same cursor. A delay that the server asked for holds.
   * @param {number} now
   * @param {boolean} [changed]  the network is another one, so that recent proofs of life count for nothing
   * @returns {Effect[]}
   */
  check(now, changed = false) {
    if (this.state === 'waiting') return this.told && this.deadline !== null && now < this.deadline ? [] : this.#open(now);
    const silence = this.transport === 'poll' ? this.pollWaitMs : this.beatMs;
    // The same news may come from several places: what was opened a moment ago has it already.
    const stale = (changed && now - this.openedAt > SLACK_MS) || now - this.aliveAt > silence + SLACK_MS;
    if (this.state !== 'live' || this.probing || !stale) return [];
    if (this.transport !== 'ws') return [{ do: 'abort' }, ...this.#open(now)];
    this.probing = true;
    this.deadline = now + this.probeMs;
    return [{ do: 'ping' }];
  }

  /** The network is said to be gone. It may be wrong about a server on this machine. @param {number} now */
  wentOffline(now) {
    this.offline = true;
    if (this.state === 'waiting' && this.deadline !== null) this.deadline = Math.max(this.deadline, now + this.backoff.capMs);
  }

  /** The network is said to be back: no use in waiting on. @param {number} now @returns {Effect[]} */
  cameOnline(now) {
    this.offline = false;
    return this.check(now, true);
  }

  /** Lets go of the stream and keeps the place. @returns {Effect[]} */
  pause() {
    if (this.state === 'closed' || this.state === 'paused') return [];
    this.deadline = null;
    return [{ do: 'abort' }, this.#turn('paused')];
  }

  /**
   * Goes on over another transport, from the same cursor.
   * @param {Transport | 'auto'} transport
   * @param {number} now
   * @returns {Effect[]}
   */
  switchTo(transport, now) {
    if (this.state === 'closed') return [];
    this.auto = transport === 'auto';
    this.transport = this.auto ? this.#pick(now) : /** @type {Transport} */ (transport);
    this.failures = 0;
    if (this.state === 'paused' || this.state === 'idle') return [];
    return [{ do: 'abort' }, ...this.#open(now)];
  }

  /** Ends for good. @returns {Effect[]} */
  close() {
    return this.state === 'closed' ? [] : this.#end({ reason: 'closed', retry: 'no' });
  }

  /** @param {number} now @returns {Effect[]} */
  #open(now) {
    if (this.auto) this.transport = this.#pick(now);
    this.attempt += 1;
    this.probing = false;
    this.told = false;
    this.openedAt = now;
    this.deadline = now + this.openTimeoutMs;
    const { transport, session, attempt } = this;
    const turn = this.firstTurn + attempt - 1;
    return [this.#turn('connecting'), { do: 'open', transport, after: this.position.after, session, attempt, turn }];
  }

  /** @param {any} sync @returns {Effect[]} */
  #synced(sync) {
    const was = this.position.after;
    this.position.start(sync);
    if (typeof sync.session === 'string') this.session = sync.session;
    if (typeof sync.member === 'string') this.member = sync.member;
    if (sync.beat > 0) this.beatMs = sync.beat * 1000;
    if (sync.state !== 'reset') return [];
    return [{ do: 'reset', was, cursor: this.position.after, missed: sync.missed ?? null }];
  }

  /** @param {Failure} failure @param {boolean} moved  whether another transport is next */
  #delay(failure, moved) {
    if (this.offline) return this.backoff.capMs;
    // A first look for a transport that works does not wait between two different ones; nor does a stream that was
    // left because it was mute.
    if (moved && this.failures < ORDER.length && (this.proven.size === 0 || failure.reason === 'mute')) return 0;
    return delayMs(this.failures, failure.retryAfterMs, this.backoff, this.random);
  }

  /** @param {Failure} failure @returns {Effect[]} */
  #end(failure) {
    this.deadline = null;
    return [{ do: 'abort' }, { ...this.#turn('closed'), failure }, { do: 'close', failure }];
  }

  /** A request goes out; as a poll it may be parked for so long. @param {number} waitMs @param {number} now */
  asked(waitMs, now) {
    if (waitMs === this.pollWaitMs) return;
    this.pollWaitMs = waitMs;
    if (this.state === 'live') this.#alive(now);
  }

  /** @param {State} state @returns {Extract<Effect, {do: 'state'}>} */
  #turn(state) {
    const from = this.state;
    this.state = state;
    return { do: 'state', state, from, transport: this.transport };
  }

  /** @param {number} now */
  #alive(now) {
    if (this.state !== 'live' && this.state !== 'connecting') return;
    this.probing = false;
    this.aliveAt = now;
    const parked = this.transport === 'poll' ? this.pollWaitMs + this.openTimeoutMs : this.beatMs * MUTE_BEATS;
    this.deadline = now + parked;
  }

  /**
   * Decides whether a failure speaks against the transport, and remembers it if so.
   * @param {Failure} failure
   * @param {boolean} opening
   * @param {number} now
   * @returns {boolean} whether another transport is next
   */
  #blame(failure, opening, now) {
    const mute = failure.reason === 'mute';
    const failed = this.transport;
    // A stream that held for long was not buffered by anybody.
    if (!opening && (!mute || now - this.liveSince >= this.memoryMs)) this.mutes.delete(failed);
    if (failure.stated || this.offline || !(opening || mute)) return false;
    const counted = mute ? this.mutes : this.misses;
    const count = (counted.get(failed) ?? 0) + 1;
    counted.set(failed, count);
    const silent = mute && !opening && !this.flowing;
    if (!silent && count < (this.proven.has(failed) ? MISSES_ONCE_PROVEN : 1)) return false;
    this.memory.set(failed, now + this.memoryMs);
    return this.#pick(now) !== failed;
  }

  /**
   * The best transport that is not remembered as failed. Where all are, the network is at fault: all are forgiven.
   * @param {number} now
   * @returns {Transport}
   */
  #pick(now) {
    const usable = ORDER.find((transport) => !((this.memory.get(transport) ?? 0) > now));
    if (usable) return usable;
    this.memory.clear();
    this.misses.clear();
    this.mutes.clear();
    return ORDER[0];
  }
}
