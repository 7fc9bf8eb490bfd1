// The sentence under the lanes. Pure: figures in, the key of a text and its values out.

/** Differences below this are nothing that anybody notices, whatever their ratio. */
const NOTICED_MS = 10;
const SAME_RATIO = 1.15;
/** Fewer events than this in the window are no ground for a sentence. */
const EVENTS_MIN = 10;

/**
 * @typedef {{way: string, name: string, p50: number | null, each: number | null, events: number}} LaneFigures
 * @param {LaneFigures[]} lanes  poll, sse, ws
 * @returns {{key: string, values: Record<string, string | number>}[]} sentences
 */
export function verdict(lanes) {
  const ready = lanes.filter((lane) => lane.p50 !== null && lane.each !== null && lane.events >= EVENTS_MIN);
  if (ready.length < lanes.length) return [{ key: 'verdict.waiting', values: {} }];
  return [bytesSentence(ready), timeSentence(ready)];
}

function bytesSentence(lanes) {
  const [least, middle, most] = [...lanes].sort((a, b) => a.each - b.each);
  const times = most.each / least.each;
  if (times < SAME_RATIO) return { key: 'verdict.bytes_same', values: {} };
  const close = middle.each / least.each < SAME_RATIO;
  const values = { most: most.name, least: least.name, middle: middle.name, times: times.toFixed(1) };
  return { key: close ? 'verdict.bytes_pair' : 'verdict.bytes', values };
}

function timeSentence(lanes) {
  const [fast, , slow] = [...lanes].sort((a, b) => a.p50 - b.p50);
  const apart = slow.p50 - fast.p50;
  if (apart < NOTICED_MS) return { key: 'verdict.time_same', values: { ms: apart } };
  return { key: 'verdict.time', values: { fast: fast.name, slow: slow.name, ms: apart } };
}
