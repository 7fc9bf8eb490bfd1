// What the transports share: where to ask, where to put what comes, and how a refusal reads.

import { fromResponse } from './reasons.js';

/**
 * @typedef {object} Target
 * @property {(way: string, query: Record<string, string | number | undefined>) => string} url
 * @property {string} after
 * @property {string} [session]
 * @property {string} rooms        the rooms of the stream, with commas between them
 * @property {number} turn         grows with every connection: a late request of an older one ends no newer stream
 * @property {() => number} wait  how long the next poll may be parked, in seconds
 *
 * @typedef {object} Sink  where a transport puts what it gets; it may call none of these after it was let go
 * @property {() => void} requested                           a request goes out
 * @property {() => void} opened                              the answer's head is there, or the WebSocket is open
 * @property {() => void} progress                            a part of something that is not whole yet
 * @property {(event: any, text: string | null) => void} event  an event, with its own bytes where they are at hand
 * @property {(notice: any) => void} notice                   `sync`, `beat`, `gap` or one that is not known yet
 * @property {(sync: any, cursor: string, session?: string) => void} answered  a poll's answer is complete
 * @property {(failure: import('./reasons.js').Failure) => void} lost
 */

/** A refusal on its way up, or the end of a connection that was not asked for. */
export class Refused extends Error {
  /** @param {import('./reasons.js').Failure} failure */
  constructor(failure) {
    super(`${failure.reason}${failure.detail ? `: ${failure.detail}` : ''}`);
    this.failure = failure;
  }
}

/**
 * @param {Response} response
 * @returns {Promise<Refused>}
 */
export async function refusal(response) {
  const type = response.headers.get('content-type') ?? '';
  const problem = type.includes('json') ? await response.json().catch(() => null) : null;
  // A success of the wrong kind comes from something in between: a portal's login page, a proxy.
  const status = response.ok ? 502 : response.status;
  return new Refused(fromResponse(status, problem, response.headers.get('retry-after')));
}

/**
 * @param {unknown} error  what `fetch` or a parser threw
 * @returns {import('./reasons.js').Failure}
 */
export function asFailure(error) {
  if (error instanceof Refused) return error.failure;
  return { reason: 'network', retry: 'yes', detail: error instanceof Error ? error.message : String(error) };
}

/**
 * The address of a feed.
 * @param {string} url        the server's address
 * @param {string} namespace
 * @returns {string}
 */
export function feedUrl(url, namespace) {
  return new URL(`v1/feeds/${encodeURIComponent(namespace)}/`, url.endsWith('/') ? url : `${url}/`).href;
}

/**
 * Changes a session's rooms from beside its stream.
 * @param {string} base  of `feedUrl`
 * @param {string} session
 * @param {{join?: string[], leave?: string[]}} change
 * @returns {Promise<string[]>} the rooms that it has now
 */
export async function changeRooms(base, session, change) {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(change);
  const response = await fetch(`${base}sessions/${session}/rooms`, { method: 'PATCH', headers, body });
  if (!response.ok) throw await refusal(response);
  return (await response.json()).rooms;
}

/**
 * A page of the retained history.
 * @param {string} base  of `feedUrl`
 * @param {string} after  a cursor, `earliest`, or `tip` for where the feed stands now
 * @param {string[]} rooms  none: of every room
 * @param {AbortSignal} [signal]
 * @returns {Promise<{events: any[], cursor: string, more: boolean, notices?: any[], sync?: any}>}
 */
export async function historyPage(base, after, rooms, signal) {
  const query = rooms.length > 0 ? `&rooms=${rooms.map(encodeURIComponent).join(',')}` : '';
  const response = await fetch(`${base}events?after=${after}&limit=1000${query}`, { cache: 'no-store', signal });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/**
 * Publishes one event, or several that stay together.
 * @param {{url?: string, namespace?: string}} where
 * @param {object | object[]} events
 * @param {{idempotencyKey?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<{id: string}[]>}
 */
export async function publish({ url = location.origin, namespace = 'default' }, events, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { 'content-type': 'application/json' };
  if (options.idempotencyKey) headers['idempotency-key'] = options.idempotencyKey;
  const body = JSON.stringify(events);
  const response = await fetch(`${feedUrl(url, namespace)}events`, { method: 'POST', headers, body, signal: options.signal });
  if (!response.ok) throw await refusal(response);
  return (await response.json()).events;
}
