// The demo's own endpoints, and the clock offset between page and server that their answers give away.

const json = async (path, options) => {
  const response = await fetch(path, { cache: 'no-store', ...options });
  if (!response.ok) throw await refusal(path, response);
  return response.status === 202 || response.status === 204 ? null : response.json();
};

/** What the server says is wrong, with its status. */
async function refusal(path, response) {
  const { detail } = await response.json().catch(() => ({}));
  return Object.assign(new Error(detail ?? `${path}: ${response.status}`), { status: response.status });
}

const send = (method, path, body) => json(path, {
  method,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

// A change that a scenario makes; any other is made by hand.
const within = (scene) => (scene ? `?scene=${scene}` : '');

// What a proxy that buffers collects before it passes it on whatever the time.
const BUFFER_BYTES = 262_144;

/**
 * The conditions of the sliders in the words of the fault proxy: half of a round trip each way, and only what comes down is held.
 * @param {{latency_ms: number, jitter_ms: number, bytes_per_s: number, buffer_ms: number}} conditions
 */
export function proxied({ latency_ms: latency, jitter_ms: jitter, bytes_per_s: bandwidth, buffer_ms: buffer }) {
  const way = (ms) => ({ latency_ms: ms, jitter_ms: jitter, ...(bandwidth > 0 && { bytes_per_s: bandwidth }) });
  const down = way(Math.ceil(latency / 2));
  return { up: way(Math.floor(latency / 2)), down: buffer > 0 ? { ...down, hold: { bytes: BUFFER_BYTES, ms: buffer } } : down };
}

/** Past every piece of a wire that there is: asks for the totals alone. */
export const NOTHING_SINCE = Number.MAX_SAFE_INTEGER;

export const api = {
  state: () => json('/demo/state'),
  source: (change, scene) => send('PATCH', `/demo/source${within(scene)}`, change),
  scene: (id, name, length) => send('POST', '/demo/scene', { id, name, seconds: length }),
  // Also from a page that is going away.
  sceneEnd: (id) => json(`/demo/scene/${id}`, { method: 'DELETE', keepalive: true }),
  cut: (label, ms) => send('POST', `/demo/lanes/${label}/cut`, { ms }),
  conditions: (label, conditions) => send('PUT', `/demo/lanes/${label}/conditions`, proxied(conditions)),
  bots: () => json('/demo/bots'),
  wantBots: (count, scene) => send('PUT', `/demo/bots${within(scene)}`, { count }),
  advice: (question, language) => send('POST', `/demo/advice?lang=${language}`, question),
  kill: (label) => send('POST', `/demo/lanes/${label}/kill`, {}),
  restart: (ms) => send('POST', '/demo/restart', { ms }),
  wire: (label, since) => json(`/demo/lanes/${label}/wire?since=${since}`),
  feed: (namespace = 'default') => json(`/v1/feeds/${namespace}`),
  why: (id, member) => json(`/v1/feeds/default/events/${id}?debug=${member}`),
  history: (after, limit, rooms) => json(`/v1/feeds/default/events?after=${after}&limit=${limit}&rooms=${rooms}`),
};

/** The page's clock, milliseconds since the Unix epoch, finer than `Date`. */
export const pageClock = () => performance.timeOrigin + performance.now();

/**
 * How far the server's clock is ahead of the page's. The best of the samples is the one that travelled least; half its
 * journey, and the millisecond to which the server's time is cut, are what the offset may be wrong by.
 */
export class ClockOffset {
  /** @type {{offset: number, doubt: number} | null} */
  best = null;
  #age = 0;

  /** @param {string} serverNow @param {number} sent @param {number} received  both of `pageClock` */
  sample(serverNow, sent, received) {
    const server = Date.parse(serverNow) + 0.5;
    const doubt = (received - sent) / 2 + 0.5;
    this.#age += 1;
    // Clocks drift: after a minute any sample is better than the old best.
    if (!this.best || doubt <= this.best.doubt || this.#age > 60) {
      this.best = { offset: server - (sent + received) / 2, doubt };
      this.#age = 0;
    }
  }

  /** What to add to the page's clock. Nothing, where the offset is not larger than its own doubt. */
  get correction() {
    return this.best && Math.abs(this.best.offset) > this.best.doubt ? this.best.offset : 0;
  }
}
