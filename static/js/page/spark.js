// The last minute as a line: the slowest event of each second, on a logarithmic scale from 0.1 ms to 1 s that all three
// lanes share. Seconds without a connection are shaded; seconds without an event have no point.

const WIDTH = 300;
const HEIGHT = 48;
const TOP = 4;

/** @param {number} ms @returns {number} 0 at 0.1 ms and below, 1 at 1 s and above */
export const onScale = (ms) => Math.min(1, Math.max(0, (Math.log10(Math.max(ms, 0.1)) + 1) / 4));

/**
 * @param {{worst: number, down: boolean}[]} seconds
 * @returns {{line: string, area: string, down: string}} path data
 */
export function sparkPaths(seconds) {
  const step = WIDTH / seconds.length;
  const x = (i) => ((i + 0.5) * step).toFixed(1);
  const y = (ms) => (HEIGHT - 2 - onScale(ms) * (HEIGHT - 2 - TOP)).toFixed(1);
  let line = '';
  let area = '';
  let down = '';
  let run = [];
  const flush = () => {
    if (run.length > 0) {
      line += `M${run.map(([px, py]) => `${px} ${py}`).join('L')}`;
      if (run.length === 1) line += 'h0.1';
      area += `M${run[0][0]} ${HEIGHT}L${run.map(([px, py]) => `${px} ${py}`).join('L')}L${run.at(-1)[0]} ${HEIGHT}Z`;
    }
    run = [];
  };
  seconds.forEach((second, i) => {
    if (second.down) down += `M${(i * step).toFixed(1)} 0h${step.toFixed(1)}v${HEIGHT}h-${step.toFixed(1)}Z`;
    if (second.worst > 0) run.push([x(i), y(second.worst)]);
    // A slow feed leaves seconds empty; only a longer silence breaks the line.
    else if (second.down || (seconds[i - 1]?.worst === 0 && seconds[i - 2]?.worst === 0)) flush();
  });
  flush();
  return { line, area, down };
}

/** @param {Element} svg @param {{worst: number, down: boolean}[]} seconds */
export function drawSpark(svg, seconds) {
  const { line, area, down } = sparkPaths(seconds);
  svg.querySelector('.spark-line').setAttribute('d', line);
  svg.querySelector('.spark-area').setAttribute('d', area);
  svg.querySelector('.spark-down').setAttribute('d', down);
}
