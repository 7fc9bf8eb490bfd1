// The switchboard of a SharedWorker: tabs call in, are put together by what they ask for, and are let go when they leave or
// die. A tab's life is told by the lock that it holds, and where there are no locks by its pings.

import { feedUrl, historyPage } from './http.js';
import { Group } from './group.js';
import { Line } from './line.js';

/** A tab without a lock that was not heard of for so long is dead, in milliseconds. Hidden tabs ping once a minute. */
export const SILENT_MAX_MS = 150_000;

/** How often silent tabs are looked for, in milliseconds. */
const SWEEP_MS = 10_000;

/** Lines of one worker. */
export const GROUPS_MAX = 50;

/** @typedef {{postMessage: (message: any) => void, onmessage: ((event: {data: any}) => void) | null, close?: () => void}} Port */

export class Switchboard {
  /** @type {Map<string, Group>} */
  #groups = new Map();
  /** @type {Map<string, {group: Group, port: Port, heardAt: number, hasLock: boolean}>} */
  #tabs = new Map();
  #locks;
  #now;
  #openLine;
  #page;

  /**
   * @param {object} [around]
   * @param {Pick<LockManager, 'request'> | undefined} [around.locks]
   * @param {() => number} [around.now]
   * @param {any} [around.openLine]
   * @param {typeof historyPage} [around.page]
   */
  constructor({ locks, now = () => performance.now(), openLine = (options, ears, learnt) => new Line(options, ears, learnt), page = historyPage } = {}) {
    this.#locks = locks;
    this.#now = now;
    this.#openLine = openLine;
    this.#page = page;
    /** @type {any} */ (setInterval(() => this.sweep(), SWEEP_MS)).unref?.();
  }

  /** @param {Port} port */
  call(port) {
    port.onmessage = ({ data }) => this.#receive(port, data);
  }

  /** Lets silent tabs go. */
  sweep() {
    for (const [id, { hasLock, heardAt, port }] of this.#tabs) {
      if (hasLock || this.#now() - heardAt < SILENT_MAX_MS) continue;
      this.#detach(id);
      // Should it only have slept, it calls again.
      port.postMessage({ do: 'gone', tab: id });
    }
  }

  #receive(port, message) {
    const { tab: id } = message;
    const tab = this.#tabs.get(id);
    if (message.do === 'attach') return this.#attach(port, message);
    if (!tab) return port.postMessage({ do: 'gone', tab: id });
    tab.heardAt = this.#now();
    const { group } = tab;
    if (message.do === 'ping') port.postMessage({ do: 'here', tab: id });
    else if (message.do === 'taken') group.taken(id, message.count);
    else if (message.do === 'check') group.check(Boolean(message.changed));
    else if (message.do === 'detach') this.#detach(id);
    else this.#answer(port, message, group);
  }

  #attach(port, { tab: id, options, rooms, after, failed, lock }) {
    this.#detach(id);
    const key = JSON.stringify(options);
    const group = this.#groups.get(key) ?? this.#found(key, options, { rooms, after });
    if (!group || group.isFull) return port.postMessage({ do: 'refer', tab: id });
    this.#tabs.set(id, { group, port, heardAt: this.#now(), hasLock: Boolean(lock && this.#locks) });
    port.postMessage({ do: 'here', tab: id });
    group.add(id, (message) => port.postMessage({ ...message, tab: id }), { rooms, after, failed });
    if (lock) this.#locks?.request(lock, () => this.#detach(id)).catch(() => {});
  }

  #found(key, options, first) {
    if (this.#groups.size >= GROUPS_MAX) return null;
    const base = feedUrl(options.url, options.namespace);
    const group = new Group({
      line: options,
      openLine: this.#openLine,
      page: (after, rooms) => this.#page(base, after, rooms),
      ended: () => {
        if (this.#groups.get(key) === group) this.#groups.delete(key);
      },
    }, first);
    this.#groups.set(key, group);
    return group;
  }

  #detach(id) {
    const tab = this.#tabs.get(id);
    this.#tabs.delete(id);
    tab?.group.remove(id);
  }

  async #answer(port, { tab: id, do: what, ref, rooms, event }, group) {
    const acts = { join: () => group.join(id, rooms), leave: () => group.leave(id, rooms), publish: () => group.publish(event) };
    try {
      port.postMessage({ do: 'answer', tab: id, ref, value: await acts[what]?.() });
    } catch (error) {
      const failure = error?.failure ?? { reason: error?.reason ?? 'network', retry: 'yes', detail: error?.message };
      port.postMessage({ do: 'answer', tab: id, ref, failure });
    }
  }
}
