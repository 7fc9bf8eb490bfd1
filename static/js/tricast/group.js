// The tabs that share one line: same server, same namespace, same options. The line is in all of their rooms; each tab gets
// its own.

import { asFailure } from './http.js';
import { Tab } from './tab.js';

/** Tabs of one line. */
export const TABS_MAX = 200;

/** How long a line outlives its last tab, which may only be loading its next page, in milliseconds. */
export const LINGER_MS = 2_000;

/** How long a tab waits that could not read the history, in milliseconds; as much again is left to chance. */
const AGAIN_MS = 1_000;

/** Refusals that may be one tab's fault: each finds out by itself. */
const OWN_FAULT = new Set(['bad_request', 'forbidden', 'not_found', 'too_large']);

/**
 * @typedef {object} Member
 * @property {Tab} tab
 * @property {(message: any) => void} post
 *
 * @typedef {object} GroupOptions
 * @property {any} line   the line's options, but for its rooms
 * @property {(options: any, ears: import('./line.js').Ears, learnt: (until: any) => void) => import('./line.js').Line} openLine
 * @property {(after: string, rooms: string[]) => Promise<any>} page  of the history
 * @property {() => void} ended  nobody is left
 */

export class Group {
  /** @type {Map<string, Member>} */
  #members = new Map();
  #line;
  #page;
  #ended;
  #beat = undefined;
  #closed = false;
  /** @type {any} */
  #lingering = undefined;
  /** Changes of rooms follow each other. @type {Promise<any>} */
  #turn = Promise.resolve();

  /** @param {GroupOptions} options @param {{rooms: string[], after?: string}} first  what the first tab wants */
  constructor({ line, openLine, page, ended }, { rooms, after }) {
    this.#page = page;
    this.#ended = ended;
    this.#line = openLine({ ...line, rooms, after }, {
      event: (event, { transport }) => this.#each(({ tab }) => tab.offer({ event, transport })),
      notice: (name, detail) => this.#notice(name, detail),
      state: (change) => this.#each(({ post }) => post({ do: 'state', change, ...this.#standing() })),
      closed: (failure) => this.#lost(failure),
    }, (until) => this.#each(({ post }) => post({ do: 'learnt', until })));
  }

  get isFull() { return this.#members.size >= TABS_MAX; }

  /**
   * @param {string} id
   * @param {(message: any) => void} post
   * @param {{rooms: string[], after?: string, failed?: Record<string, number>}} wants
   */
  add(id, post, { rooms, after, failed }) {
    clearTimeout(this.#lingering);
    this.#line.memory.learn(failed ?? {});
    const tab = new Tab({ post, rooms, after });
    this.#members.set(id, { tab, post });
    if (this.#line.state === 'idle') return this.#line.start();
    post({ do: 'state', change: { do: 'state', state: this.#line.state, from: 'idle', transport: this.#line.transport }, ...this.#standing() });
    this.#admit(id);
    // Whoever was here before may have left rooms behind.
    this.#drop();
  }

  /** @param {string} id */
  remove(id) {
    if (!this.#members.delete(id)) return;
    if (this.#members.size > 0) return void this.#drop();
    this.#lingering = setTimeout(() => {
      this.#closed = true;
      this.#line.close();
      this.#ended();
    }, LINGER_MS);
  }

  /** @param {string} id @param {string[]} rooms */
  async join(id, rooms) {
    await this.#enter(rooms);
    const member = this.#members.get(id);
    if (!member) return;
    member.tab.joined(rooms);
  }

  /** @param {string} id @param {string[]} rooms */
  async leave(id, rooms) {
    this.#members.get(id)?.tab.left(rooms);
    await this.#drop();
  }

  /** @param {any} event */
  publish(event) { return this.#line.publish(event); }
  /** @param {boolean} changed */
  check(changed) { this.#line.check(changed); }

  /** @param {string} id @param {number} count */
  taken(id, count) {
    if (this.#members.get(id)?.tab.taken(count)) this.#admit(id);
  }

  // Into the tab's rooms first, so that what is published from then on comes by the line; then what the tab has missed.
  async #admit(id) {
    const member = this.#members.get(id);
    if (!member) return;
    const { tab } = member;
    const round = tab.read();
    try {
      await this.#enter(tab.rooms);
      while (tab.isReading(round) && this.#members.has(id)) {
        const page = await this.#page(tab.position.after, tab.rooms);
        if (!tab.isReading(round) || tab.page(page, { session: this.#line.session, member: this.#line.member, beat: this.#beat })) return;
      }
    } catch (error) {
      if (!tab.isReading(round) || this.#closed) return;
      const failure = error?.reason ? { retry: 'no' } : asFailure(error);
      if (failure.retry === 'yes') setTimeout(() => { if (tab.isReading(round)) this.#admit(id); }, AGAIN_MS * (1 + Math.random()));
      else this.#refer(id);
    }
  }

  /** @param {string[]} rooms */
  #enter(rooms) {
    return this.#inTurn(() => this.#line.join(rooms));
  }

  /** Leaves the rooms that nobody wants any more. */
  #drop() {
    return this.#inTurn(() => {
      const wanted = new Set([...this.#members.values()].flatMap(({ tab }) => tab.rooms));
      return this.#line.leave(this.#line.rooms.filter((room) => !wanted.has(room)));
    }).catch(() => {
      // What nobody wants is not handed to anybody; the next stream asks for what is wanted.
    });
  }

  #inTurn(act) {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => {});
    return done;
  }

  #notice(name, detail) {
    if (name === 'sync') {
      this.#beat = detail.beat;
      for (const [id, { tab }] of [...this.#members]) if (tab.synced(detail)) this.#admit(id);
    } else if (name === 'beat') this.#each(({ tab }) => tab.beat(detail));
    else if (name === 'gap') this.#each(({ tab }) => tab.offer({ gap: detail }));
    else if (name !== 'reset' && name !== 'duplicate') this.#each(({ post }) => post({ do: 'notice', name, detail }));
  }

  #lost(failure) {
    if (this.#closed) return;
    this.#closed = true;
    const isOwn = OWN_FAULT.has(failure.reason) && this.#members.size > 1;
    this.#each(({ post }) => post(isOwn ? { do: 'refer' } : { do: 'closed', failure }));
    this.#members.clear();
    this.#ended();
  }

  // The tab goes its own way, and finds out by itself what is wrong with it.
  #refer(id) {
    this.#members.get(id)?.post({ do: 'refer' });
    this.remove(id);
  }

  #standing() {
    return { session: this.#line.session, member: this.#line.member, stats: this.#line.stats };
  }

  #each(act) {
    for (const member of [...this.#members.values()]) act(member);
  }
}
