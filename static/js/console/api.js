// The console's questions. Its token, where the server asks for one, is kept for this tab alone.

const KEY = 'tricast.admin';

/** What the server refused, and why. */
export class Refused extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

let token = stored();

function stored() {
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

/** @param {string} text  none forgets it */
export function useToken(text) {
  token = text;
  try {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage is off: until the tab is closed it is.
  }
}

export const hasToken = () => token !== '';

// Longer than a server that is asked needs, shorter than a person waits.
const PATIENCE_MS = 10_000;

/**
 * @param {string} path
 * @param {{method?: string, body?: unknown}} [request]
 */
async function ask(path, { method = 'GET', body } = {}) {
  const response = await fetch(path, {
    method,
    cache: 'no-store',
    signal: AbortSignal.timeout(PATIENCE_MS),
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...(body !== undefined && { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, answer?.detail ?? `${response.status}`);
  return answer;
}

const query = (parameters) => new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== '')).toString();

export const api = {
  state: () => ask('/v1/admin/state'),
  rooms: (namespace, limit) => ask(`/v1/admin/feeds/${namespace}/rooms?${query({ limit })}`),
  connections: (namespace, choice) => ask(`/v1/admin/feeds/${namespace}/connections?${query(choice)}`),
  kick: (namespace, member) => ask(`/v1/admin/feeds/${namespace}/sessions/${member}`, { method: 'DELETE' }),
  publish: (namespace, event) => ask(`/v1/feeds/${namespace}/events`, { method: 'POST', body: event }),
  history: (namespace, after, limit) => ask(`/v1/feeds/${namespace}/events?${query({ after, limit })}`),
  why: (namespace, id, member) => ask(`/v1/feeds/${namespace}/events/${id}?${query({ debug: member })}`),
};
