// Long polling: ask, take everything that is pending, ask again at once. The first question of a stream does not
// wait, so that the client knows at once whether it is connected and what it missed.

import { parseCursor } from './cursor.js';
import { asFailure, refusal } from './http.js';
import { fromNotice } from './reasons.js';

/** How long a client pauses whose poll was answered empty before its time: another one has its session. */
const PAUSE_MS = 1000;

/**
 * @param {import('./http.js').Target} target
 * @param {import('./http.js').Sink} sink
 * @returns {() => void} lets go of the stream
 */
export function openPoll(target, sink) {
  const control = new AbortController();
  turn(target, sink, control.signal).catch((error) => {
    if (!control.signal.aborted) sink.lost(asFailure(error));
  });
  return () => control.abort();
}

async function turn(target, sink, signal) {
  let { after, session } = target;
  // The rooms are said once: a request that is overtaken by a change of them would undo it.
  let rooms = target.rooms;
  for (let wait = 0; !signal.aborted; wait = target.wait()) {
    sink.requested();
    const asked = performance.now();
    const response = await fetch(target.url('poll', { after, session, rooms, turn: target.turn, wait }), { cache: 'no-store', signal });
    if (!response.ok) throw await refusal(response);
    const answer = JSON.parse(await whole(response, sink));
    if (signal.aborted) return;
    // The session ran out, and its rooms with it: what this answer leaves out comes when they are said again.
    if (rooms === undefined && answer.sync && answer.sync.session !== session) return sink.lost({ reason: 'session_expired', retry: 'yes', stated: true });
    rooms = undefined;
    sink.answered(answer.sync ?? null, answer.cursor);
    deliver(answer, sink, signal);
    session = answer.sync?.session ?? session;
    after = answer.cursor ?? after;
    const empty = !answer.sync && !answer.events?.length && !answer.notices?.length;
    if (empty && performance.now() - asked < Math.max(wait, 1) * 500) await pause(PAUSE_MS, signal);
  }
}

// An answer of some megabytes takes its time on a thin line, and is alive as long as more of it comes.
async function whole(response, sink) {
  if (!response.body) return response.text();
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    sink.progress();
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(undefined); }, { once: true });
  });
}

function deliver(answer, sink, signal) {
  const notices = [...answer.notices ?? []];
  for (const event of answer.events ?? []) {
    if (signal.aborted) return;
    // A gap is told in its place.
    const { offset = 0 } = parseCursor(event.id) ?? {};
    while (notices[0]?.notice === 'gap' && notices[0].to < offset) sink.notice(notices.shift());
    if (!signal.aborted) sink.event(event, null);
  }
  for (const notice of notices) {
    if (signal.aborted) return;
    if (notice.notice === 'close') return sink.lost(fromNotice(notice));
    sink.notice(notice);
  }
  // Only now is everything in hand that the answer's cursor stands for.
  if (!signal.aborted) sink.notice({ notice: 'beat', cursor: answer.cursor, implied: true });
}
