// The last minute's latencies as a histogram: ten bars a decade on the sparkline's scale, 0.1 ms to 1 s, with the median and
// the 99th percentile marked. What is faster or slower than the scale is in its first or last bar.

import { onScale } from './spark.js';

const WIDTH = 300;
const HEIGHT = 48;
const BARS = 40;

/**
 * How many of the values fall to each bar.
 * @param {Iterable<number>} values  milliseconds
 * @returns {number[]}
 */
export function bars(values) {
  const counts = new Array(BARS).fill(0);
  for (const ms of values) counts[Math.min(BARS - 1, Math.floor(onScale(ms) * BARS))] += 1;
  return counts;
}

/**
 * @param {Element} svg
 * @param {number[]} values  milliseconds
 * @param {{p50: number, p99: number} | null} quantiles
 */
export function drawHistogram(svg, values, quantiles) {
  const counts = bars(values);
  const most = Math.max(1, ...counts);
  const step = WIDTH / BARS;
  const path = counts.map((count, i) => {
    if (count === 0) return '';
    // One value among thousands is still to be seen.
    const height = Math.max(1.5, (count / most) * (HEIGHT - 4));
    return `M${(i * step + 0.75).toFixed(2)} ${HEIGHT}v-${height.toFixed(1)}h${(step - 1.5).toFixed(2)}V${HEIGHT}Z`;
  });
  svg.querySelector('.histogram-bars').setAttribute('d', path.join(''));
  const mark = (ms) => `M${(onScale(ms) * WIDTH).toFixed(1)} 0V${HEIGHT}`;
  svg.querySelector('.histogram-marks').setAttribute('d', quantiles ? mark(quantiles.p50) + mark(quantiles.p99) : '');
}
