// What a lane went through while a scenario ran: how many events, how late, and the longest silence.

import { quantile } from './figures.js';

/** Arrivals closer than this are "at once". */
const TOGETHER_MS = 250;

/**
 * What a lane went through. Pure.
 * @param {{at: number, ms: number | null}[]} arrivals  in the order of `at`
 * @param {number} began
 * @param {number} ended
 */
export function summed(arrivals, began, ended) {
  const times = [began, ...arrivals.map(({ at }) => at), ended];
  let silence = 0;
  let place = 0;
  for (let i = 1; i < times.length; i += 1) {
    if (times[i] - times[i - 1] > silence) [silence, place] = [times[i] - times[i - 1], i];
  }
  const end = times[place];
  const together = arrivals.filter(({ at }) => at >= end && at <= end + TOGETHER_MS).length;
  const known = arrivals.map(({ ms }) => ms).filter((ms) => ms !== null).sort((a, b) => a - b);
  return {
    count: arrivals.length,
    silence,
    together,
    p50: known.length > 0 ? quantile(known, 0.5) : null,
    p99: known.length > 0 ? quantile(known, 0.99) : null,
  };
}
