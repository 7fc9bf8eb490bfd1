// How many streams a real browser opens to one host: node limits.js HTTP_URL HTTPS_URL
//
// The two servers are started by `tricast lab browser`, which also takes in what this prints: one line of JSON, as
// `browser` stands in a run's result. The certificate is the run's own, so the browser is told not to mind it.

import { chromium } from 'playwright-core';

// A page of the server's own origin that runs nothing.
const BLANK = '/static/icons/favicon.svg';
const ASKED = 7;
// For so long nothing more must open before the number counts.
const WAITED_MS = 2000;
const [plain, secure] = process.argv.slice(2);

const TRIES = [
  { transport: 'sse', origin: plain },
  { transport: 'sse', origin: secure },
  { transport: 'websocket', origin: plain },
  { transport: 'websocket', origin: secure },
];

/** In the page: opens streams, asks for something else meanwhile, closes one, and tells how many stood. */
async function streams({ transport, asked, waitedMs }) {
  const open = new Set();
  const host = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`;
  const all = Array.from({ length: asked }, (_, index) => {
    const stream = transport === 'sse'
      ? new EventSource(`/v1/feeds/default/sse?label=limit-${index}`)
      : new WebSocket(`${host}/v1/feeds/default/ws?label=limit-${index}`);
    // A stream stands when the server has said so, not when it was answered.
    const stands = () => open.add(stream);
    if (transport === 'sse') stream.addEventListener('sync', stands);
    else stream.addEventListener('message', stands);
    return stream;
  });
  const settled = async () => {
    let [count, since] = [open.size, performance.now()];
    while (performance.now() - since < waitedMs && open.size < asked) {
      await new Promise((resolve) => { setTimeout(resolve, 50); });
      if (open.size !== count) [count, since] = [open.size, performance.now()];
    }
    return open.size;
  };
  const stood = await settled();
  const answered = await fetch('/healthz', { signal: AbortSignal.timeout(waitedMs), cache: 'no-store' })
    .then((answer) => answer.ok, () => false);
  const closed = all.find((stream) => open.has(stream));
  closed?.close();
  const after = await settled();
  all.forEach((stream) => stream.close());
  const [arrival] = performance.getEntriesByType('navigation');
  return { stood, answered, after, protocol: arrival.nextHopProtocol };
}

const chrome = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
});
try {
  const tries = [];
  for (const { transport, origin } of TRIES) {
    const context = await chrome.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(new URL(BLANK, origin).href);
    const seen = await page.evaluate(streams, { transport, asked: ASKED, waitedMs: WAITED_MS });
    tries.push({
      transport,
      carriage: carriage(transport, origin, seen.protocol),
      asked: ASKED,
      stood: seen.stood,
      waited_ms: WAITED_MS,
      request_answered: seen.answered,
      stood_after_one_closed: seen.after,
    });
    await context.close();
  }
  process.stdout.write(`${JSON.stringify({ browser: `Chromium ${chrome.version()}`, tries })}\n`);
} finally {
  await chrome.close();
}

/** What carried the streams: the browser says it of the page; it opens a WebSocket over HTTP/1.1 of its own. */
function carriage(transport, origin, protocol) {
  if (!origin.startsWith('https:')) return 'h1_plain';
  return transport === 'sse' && protocol === 'h2' ? 'h2_tls' : 'h1_tls';
}
