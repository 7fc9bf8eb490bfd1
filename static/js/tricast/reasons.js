// Why a stream ended or a request was refused, and whether to come back. One table for the three transports, the
// same as the server's (docs/protocol.md, "Reasons").

/**
 * @typedef {'no' | 'token' | 'yes'} Retry
 *   `no`: trying again cannot help; `token`: only with new credentials; `yes`: after a delay
 *
 * @typedef {object} Failure
 * @property {string} reason          a reason of the protocol, or `network`, `mute`, `ended`
 * @property {Retry} retry
 * @property {number} [retryAfterMs]  what the server asked for
 * @property {string} [detail]
 * @property {number} [status]        the HTTP status, where there was one
 * @property {number} [code]          the WebSocket close code, where there was one
 * @property {boolean} [stated]       the server itself said so; the way there works
 */

/** @type {Record<string, {retry: Retry, code?: number, statuses?: number[]}>} */
export const REASONS = {
  bad_request: { retry: 'no', code: 4400, statuses: [400, 405, 415, 422] },
  unauthorized: { retry: 'token', code: 4401, statuses: [401] },
  token_expired: { retry: 'token', code: 4403 },
  forbidden: { retry: 'no', code: 4404, statuses: [403] },
  not_found: { retry: 'no', code: 4405, statuses: [404] },
  too_large: { retry: 'no', code: 1009, statuses: [413] },
  rate_limited: { retry: 'yes', code: 4429, statuses: [429] },
  too_many_connections: { retry: 'yes', code: 4503 },
  slow_consumer: { retry: 'yes', code: 4408 },
  replaced: { retry: 'no', code: 4409, statuses: [409] },
  kicked: { retry: 'no', code: 4410 },
  draining: { retry: 'yes', code: 1012 },
  degraded: { retry: 'yes', code: 1013, statuses: [503] },
  internal: { retry: 'yes', code: 1011, statuses: [500] },
};

// A client that sends frames the server cannot read would send them again.
const PROTOCOL_FAULTS = new Set([1002, 1003, 1007]);

const find = (test) => Object.keys(REASONS).find((reason) => test(REASONS[reason]));

/**
 * A `close` notice, as any transport carries it. The reason table decides where the notice leaves `retry` out.
 * @param {any} notice
 * @returns {Failure}
 */
export function fromNotice(notice) {
  const reason = String(notice?.reason ?? 'ended');
  return {
    reason,
    retry: REASONS[reason]?.retry ?? (notice?.retry === false ? 'no' : 'yes'),
    retryAfterMs: positive(notice?.retry_after_ms),
    detail: notice?.detail,
    stated: true,
  };
}

/**
 * A WebSocket's close code. 1005 and 1006 are the browser's words for "no code": the line broke.
 * @param {number} code
 * @param {string} [detail]
 * @returns {Failure}
 */
export function fromCloseCode(code, detail) {
  if (PROTOCOL_FAULTS.has(code)) return { reason: 'bad_request', retry: 'no', code, detail, stated: true };
  const reason = find((row) => row.code === code);
  if (reason) return { reason, retry: REASONS[reason].retry, code, detail, stated: true };
  return { reason: code === 1000 || code === 1001 ? 'ended' : 'network', retry: 'yes', code, detail };
}

/**
 * An HTTP answer that is not a success. The problem's own `reason` goes before the status.
 * @param {number} status
 * @param {any} problem          the body of `application/problem+json`, or null
 * @param {string | null} [retryAfter]  the `Retry-After` header: seconds or a date
 * @param {number} [now]         milliseconds since the Unix epoch, for a date in `retryAfter`
 * @returns {Failure}
 */
export function fromResponse(status, problem, retryAfter = null, now = Date.now()) {
  const named = typeof problem?.reason === 'string' && REASONS[problem.reason] ? problem.reason : undefined;
  const reason = named ?? find((row) => row.statuses?.includes(status)) ?? (status >= 500 ? 'internal' : 'bad_request');
  return {
    reason,
    retry: REASONS[reason].retry,
    retryAfterMs: positive(problem?.retry_after_ms) ?? readRetryAfter(retryAfter, now),
    detail: problem?.detail,
    status,
    // An answer that does not speak the protocol's words comes from something in between, not from the server.
    stated: named !== undefined,
  };
}

/**
 * @param {string | null} text
 * @param {number} now
 * @returns {number | undefined} milliseconds
 */
export function readRetryAfter(text, now) {
  if (!text) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

const positive = (value) => (typeof value === 'number' && value >= 0 ? value : undefined);
