// Figures over a window, from what a lane saw. Pure: times come in.

/** The latencies of the last minute, at most 4096 of them. */
export class Latencies {
  #values = new Float64Array(4096);
  #times = new Float64Array(4096);
  #next = 0;
  #count = 0;

  /** @param {number} ms @param {number} now */
  add(ms, now) {
    this.#values[this.#next] = ms;
    this.#times[this.#next] = now;
    this.#next = (this.#next + 1) % this.#values.length;
    this.#count = Math.min(this.#count + 1, this.#values.length);
  }

  /** What was seen within the window, in no order. @param {number} now @param {number} [windowMs] @returns {number[]} */
  recent(now, windowMs = 60_000) {
    const recent = [];
    for (let i = 0; i < this.#count; i += 1) if (now - this.#times[i] <= windowMs) recent.push(this.#values[i]);
    return recent;
  }

  /**
   * @param {number} now
   * @param {number} [windowMs]
   * @returns {{p50: number, p99: number, count: number} | null} null where nothing was seen
   */
  quantiles(now, windowMs = 60_000) {
    const recent = this.recent(now, windowMs);
    if (recent.length === 0) return null;
    recent.sort((a, b) => a - b);
    return { p50: quantile(recent, 0.5), p99: quantile(recent, 0.99), count: recent.length };
  }
}

/**
 * The smallest value that at least the share `q` of all values do not exceed.
 * @param {number[]} sorted
 * @param {number} q
 */
export function quantile(sorted, q) {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

/** One bucket a second, sixty of them: what the sparkline draws. */
export class Minute {
  /** @type {{second: number, worst: number, down: boolean}[]} */
  #buckets = Array.from({ length: 60 }, () => ({ second: -1, worst: 0, down: false }));

  /** @param {number} now @param {number} ms */
  saw(now, ms) {
    const bucket = this.#at(now);
    bucket.worst = Math.max(bucket.worst, ms);
  }

  /** @param {number} now */
  down(now) {
    this.#at(now).down = true;
  }

  /**
   * The last minute, oldest first; the second that is still running is left out.
   * @param {number} now
   * @returns {{worst: number, down: boolean}[]}
   */
  seconds(now) {
    const last = Math.floor(now / 1000) - 1;
    return Array.from({ length: 60 }, (_, i) => {
      const second = last - 59 + i;
      const bucket = this.#buckets[((second % 60) + 60) % 60];
      return bucket.second === second ? { worst: bucket.worst, down: bucket.down } : { worst: 0, down: false };
    });
  }

  #at(now) {
    const second = Math.floor(now / 1000);
    const bucket = this.#buckets[second % 60];
    if (bucket.second !== second) Object.assign(bucket, { second, worst: 0, down: false });
    return bucket;
  }
}

/** Bytes an event, over the last fifteen samples of running totals. */
export class ByteCost {
  #samples = [];

  /** @param {{wire: number, events: number, payload: number}} totals  since the lane began */
  sample(totals) {
    // Fewer bytes than before: the server that counted them is another one.
    if (totals.wire < (this.#samples.at(-1)?.wire ?? 0)) this.#samples = [];
    this.#samples.push(totals);
    if (this.#samples.length > 15) this.#samples.shift();
  }

  /** @returns {{each: number, payload: number, overhead: number} | null} */
  perEvent() {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    const events = last ? last.events - first.events : 0;
    if (events <= 0) return null;
    const each = (last.wire - first.wire) / events;
    const payload = Math.min(each, (last.payload - first.payload) / events);
    return { each, payload, overhead: each - payload };
  }
}

/** How many bytes a text is in UTF-8. @param {string} text */
export function utf8Length(text) {
  let bytes = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

/**
 * Events a second that the source makes, where it has missed times since; null where it keeps up, or nothing is known.
 * @typedef {{up: number, published: number, missed: number}} Made  `up`: milliseconds since the server started
 * @param {Made | null} since
 * @param {Made} now
 * @returns {number | null}
 */
export function behind(since, now) {
  if (!since || now.up <= since.up || now.missed <= since.missed) return null;
  return ((now.published - since.published) * 1000) / (now.up - since.up);
}
