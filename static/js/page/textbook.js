// The textbook's side: plain fetch, EventSource and WebSocket against the naive server beside ours, as the documents show them.
// The source numbers its events, so what never came is counted from the numbers alone.

import { Count } from './count.js';
import { number, seconds, t } from './words.js';

const AGAIN_MS = 1000;

/** @returns {() => void} */
function poll(url, came, turned) {
  let on = true;
  const asking = new AbortController();
  (async () => {
    while (on) {
      try {
        const answer = await fetch(url, { cache: 'no-store', signal: asking.signal });
        turned(true);
        if (answer.status === 200) came(await answer.json());
      } catch {
        turned(false);
        await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
      }
    }
  })();
  return () => { on = false; asking.abort(); };
}

function sse(url, came, turned) {
  const source = new EventSource(url);
  source.onopen = () => turned(true);
  source.onerror = () => turned(false);
  source.onmessage = (event) => came(JSON.parse(event.data));
  return () => source.close();
}

function ws(url, came, turned) {
  let on = true;
  let socket;
  const open = () => {
    socket = new WebSocket(url.replace(/^http/, 'ws'));
    socket.onopen = () => turned(true);
    socket.onmessage = (event) => came(JSON.parse(event.data));
    socket.onclose = () => {
      turned(false);
      if (on) setTimeout(open, AGAIN_MS);
    };
  };
  open();
  return () => { on = false; socket.close(); };
}

const READERS = { poll, sse, ws };

/**
 * @param {string[]} ways
 * @param {(way: string) => string} label
 */
export function textbook(ways, label) {
  const root = document.querySelector('.textbook');
  const lines = ways.map((way) => {
    const count = new Count();
    const line = { way, count, live: false, lastAt: performance.now(), stop: () => {} };
    const url = `${location.origin}/textbook/${way}?label=${label(way)}`;
    line.stop = READERS[way](url, (data) => { count.event(data.n); line.lastAt = performance.now(); }, (live) => { line.live = live; });
    return line;
  });
  const paint = () => {
    for (const { way, count, live, lastAt } of lines) {
      const row = root.querySelector(`[data-book="${way}"]`);
      row.dataset.live = String(live);
      row.dataset.lost = String(count.lost);
      row.dataset.received = String(count.received);
      row.querySelector('[data-x="book-state"]').textContent = t(live ? 'state.live' : 'state.down');
      row.querySelector('[data-x="book-lost"]').textContent = number(count.lost) + (count.restarts > 0 ? ' + ?' : '');
      row.querySelector('[data-x="book-received"]').textContent = number(count.received);
      row.querySelector('[data-x="book-silent"]').textContent = `${seconds(performance.now() - lastAt)} s`;
    }
  };
  const timer = setInterval(paint, 250);
  return {
    get lost() { return lines.reduce((all, { count }) => all + count.lost, 0); },
    stop() {
      clearInterval(timer);
      for (const { stop } of lines) stop();
    },
  };
}
