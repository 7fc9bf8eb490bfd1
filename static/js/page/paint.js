// How long an event takes from being published to being on the screen: measured, and shown in the header.

import { Latencies } from './figures.js';

// Rows that one frame measures; a hundred a frame would be the same figure a hundred times.
const PENDING_MAX = 200;

export class PaintClock {
  #latencies = new Latencies();
  #pending = [];
  #channel = new MessageChannel();
  #painting = [];
  /** What was published before has no part in the figures. */
  #since = 0;

  /** @param {() => number} clock */
  constructor(clock) {
    // The task after a frame's callback runs once that frame has been handed over for painting.
    this.#channel.port1.onmessage = () => {
      for (const publishedAt of this.#painting) this.#latencies.add(Math.max(0, clock() - publishedAt), performance.now());
      this.#painting = [];
    };
  }

  /** @param {number} publishedAt */
  arrived(publishedAt) {
    if (publishedAt > this.#since && !document.hidden && this.#pending.length < PENDING_MAX) this.#pending.push(publishedAt);
  }

  /** Begins new figures. @param {number} now  of the page's clock */
  anew(now) {
    this.#since = now;
    this.#latencies = new Latencies();
    this.#pending.length = 0;
  }

  /** In the frame that writes the rows, after they are written. */
  frame() {
    if (this.#pending.length === 0) return;
    this.#painting.push(...this.#pending);
    this.#pending.length = 0;
    this.#channel.port2.postMessage(null);
  }

  get quantiles() {
    return this.#latencies.quantiles(performance.now());
  }
}
