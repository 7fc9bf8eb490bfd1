// One tab of a shared line: its rooms and its own place in the feed. What the line brings goes on from that place only;
// what was published before, the tab reads from the history. Pure but for the port that it is given.
//
// Invariants
// 1. A tab's place moves by what was handed to it, so it may leave at any event and go on elsewhere.
// 2. While it reads the history, what the line brings waits here; a full queue is dropped, and read from the history too.
// 3. A tab that does not take what it is given is given nothing more until it does; then it reads the history.

import { formatCursor, parseCursor, Position } from './cursor.js';

/** Items that wait while the history is read. */
export const WAITING_MAX = 2_000;

/** Events that a tab may have been handed and not taken yet. */
export const UNTAKEN_MAX = 2_000;

/** @typedef {{event: any, transport: string} | {gap: any}} Item */

export class Tab {
  /** @type {'reading' | 'live' | 'behind'} */
  phase = 'live';
  #post;
  #rooms;
  #waiting = /** @type {Item[]} */ ([]);
  #overflowed = false;
  #round = 0;
  #untaken = 0;
  #told = false;

  /**
   * @param {object} options
   * @param {(message: any) => void} options.post
   * @param {string[]} options.rooms
   * @param {string} [options.after]
   */
  constructor({ post, rooms, after }) {
    this.#post = post;
    this.#rooms = new Set(rooms);
    this.position = new Position(after);
  }

  get rooms() { return [...this.#rooms]; }

  /** @param {string[]} rooms */
  joined(rooms) { for (const room of rooms) this.#rooms.add(room); }
  /** @param {string[]} rooms */
  left(rooms) { for (const room of rooms) this.#rooms.delete(room); }

  /** Whether an event is for this tab: a broadcast, or for one of its rooms. @param {any} event */
  wants(event) {
    return !event.rooms?.length || event.rooms.some((room) => this.#rooms.has(room));
  }

  /** Begins to read the history. @returns {number} the round, which a later one ends */
  read() {
    this.phase = 'reading';
    this.#waiting = [];
    this.#overflowed = false;
    this.#round += 1;
    return this.#round;
  }

  /** @param {number} round */
  isReading(round) {
    return this.phase === 'reading' && this.#round === round;
  }

  /**
   * A page of the history, which follows this tab's place.
   * @param {{events: any[], notices?: any[], cursor: string, more: boolean, sync?: any}} page
   * @param {{session?: string, member?: string, beat?: number}} line
   * @returns {boolean} whether no further one is wanted: the tab goes on with the line, or has enough to take for now
   */
  page(page, line) {
    this.#begin(page, line);
    // What the server has lost lies in front of the page.
    for (const notice of page.notices ?? []) if (notice.notice === 'gap') this.#gap(notice);
    for (const event of page.events) this.#hand({ event, transport: 'history' });
    this.position.reach(page.cursor);
    if (this.#untaken >= UNTAKEN_MAX) {
      this.phase = 'behind';
      return true;
    }
    if (page.more || this.#overflowed) {
      this.#overflowed = false;
      this.#waiting = [];
      return false;
    }
    this.phase = 'live';
    for (const item of this.#waiting.splice(0)) this.#hand(item);
    return true;
  }

  /** What the line brings. @param {Item} item */
  offer(item) {
    if ('event' in item && !this.wants(item.event)) return;
    if (this.phase === 'live') this.#hand(item);
    else if (this.phase === 'reading' && this.#waiting.push(item) > WAITING_MAX) {
      this.#waiting = [];
      this.#overflowed = true;
    }
  }

  /**
   * The line's own `sync`.
   * @param {any} sync
   * @returns {boolean} whether the tab, in the middle of a history that is no more, has to read again
   */
  synced(sync) {
    if (this.phase !== 'live') return this.phase === 'reading' && sync.state === 'reset';
    const was = this.position.after;
    this.position.start(sync);
    this.#told = true;
    this.#say('sync', sync);
    if (sync.state === 'reset') this.#reset(was, sync.missed ?? null);
    return false;
  }

  /** @param {any} beat */
  beat(beat) {
    if (this.phase !== 'live') return;
    this.position.reach(beat.cursor);
    this.#say('beat', beat);
  }

  /**
   * The tab has taken so many events.
   * @param {number} count
   * @returns {boolean} whether it had fallen behind and can read on now
   */
  taken(count) {
    this.#untaken = Math.max(0, this.#untaken - count);
    return this.phase === 'behind' && this.#untaken < UNTAKEN_MAX / 2;
  }

  // The first page says where the tab starts, or that its place is gone.
  /** @param {{sync?: any, cursor: string, events: any[]}} page @param {{session?: string, member?: string, beat?: number}} line */
  #begin({ sync, cursor, events }, { session, member, beat }) {
    const was = this.position.after;
    if (sync) {
      const [place, start] = [this.position.cursor, parseCursor(sync.cursor)];
      this.position.start({ ...sync, state: 'reset' });
      if (this.#told && place && start && place.epoch === start.epoch && start.offset > place.offset) {
        return this.#say('gap', { notice: 'gap', from: place.offset + 1, to: start.offset, reason: 'slow', cursor: sync.cursor, local: true });
      }
      this.#told = true;
      this.#say('sync', { ...sync, notice: 'sync', state: 'reset', session, member, beat });
      return this.#reset(was, sync.missed ?? null);
    }
    if (this.#told) return;
    this.#told = true;
    const isCursor = this.position.cursor !== null;
    const start = isCursor ? was : before(events[0]?.id) ?? cursor;
    this.#say('sync', { notice: 'sync', session, member, cursor: start, state: isCursor ? 'resumed' : 'new', missed: 0, beat });
    this.position.start({ cursor: start });
  }

  #reset(was, missed) {
    this.#say('reset', { notice: 'reset', was, cursor: this.position.after, missed });
  }

  #hand(item) {
    if ('gap' in item) return this.#gap(item.gap);
    if (this.phase === 'behind' || !this.wants(item.event)) return;
    // A page of the history is taken whole; it is the next one that waits.
    if (this.#untaken >= UNTAKEN_MAX && this.phase === 'live') {
      this.phase = 'behind';
      return;
    }
    if (this.position.take(item.event.id) === 'duplicate') return;
    this.#untaken += 1;
    this.#post({ do: 'event', event: item.event, transport: item.transport });
  }

  // What the tab has had from the history is not missing.
  #gap(gap) {
    const { cursor } = this.position;
    if (this.phase === 'behind' || (cursor && gap.to <= cursor.offset)) return;
    this.position.reach(gap.cursor);
    this.#say('gap', { ...gap, from: cursor ? Math.max(gap.from, cursor.offset + 1) : gap.from });
  }

  #say(name, detail) {
    this.#post({ do: 'notice', name, detail, cursor: this.position.after });
  }
}

/** The place in front of an event. @param {string | undefined} id @returns {string | null} */
function before(id) {
  const place = parseCursor(id);
  return place && formatCursor({ ...place, offset: place.offset - 1 });
}
