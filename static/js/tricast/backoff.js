// How long to wait before trying again: full jitter, so that a thousand clients cut off together come back apart.

/**
 * @typedef {object} BackoffOptions
 * @property {number} baseMs           the first ceiling
 * @property {number} capMs            the highest ceiling
 * @property {number} retryAfterMaxMs  the longest wait a server may ask for
 */

/** @type {BackoffOptions} */
export const BACKOFF = { baseMs: 250, capMs: 20_000, retryAfterMaxMs: 300_000 };

/**
 * A delay drawn evenly from zero to a ceiling that doubles with each failure. A delay that the server asked for is
 * kept as the least, with one base interval of jitter on top: `Retry-After` has whole seconds and the same for all.
 *
 * @param {number} failures   how many there were in a row before this one
 * @param {number | undefined} retryAfterMs
 * @param {BackoffOptions} options
 * @param {() => number} random  evenly from 0 to 1
 * @returns {number} milliseconds
 */
export function delayMs(failures, retryAfterMs, options, random) {
  if (retryAfterMs !== undefined) {
    return Math.min(retryAfterMs, options.retryAfterMaxMs) + random() * options.baseMs;
  }
  const ceiling = Math.min(options.capMs, options.baseMs * 2 ** Math.min(failures, 30));
  return random() * ceiling;
}
