// WebSocket: one JSON text a frame. Commands carry a `ref`, their answers the same number as `reply`.

import { asFailure } from './http.js';
import { fromCloseCode, fromNotice } from './reasons.js';

/** Commands whose answer is awaited at once. */
export const COMMANDS_MAX = 1000;

/**
 * @param {import('./http.js').Target} target
 * @param {import('./http.js').Sink} sink
 * @returns {{leave: () => void, command: (command: object) => Promise<any>}}
 */
export function openWs(target, sink) {
  const address = target.url('ws', { after: target.after, session: target.session, rooms: target.rooms, turn: target.turn }).replace(/^http/, 'ws');
  const pending = new Map();
  let refs = 0;
  let gone = false;
  sink.requested();
  const socket = new WebSocket(address, 'tricast.v1');

  const end = (failure) => {
    if (gone) return;
    leave();
    sink.lost(failure);
  };
  const leave = () => {
    gone = true;
    for (const { reject } of pending.values()) reject(new Error('the connection went away before the answer'));
    pending.clear();
    socket.close();
  };

  socket.onopen = () => { if (!gone) sink.opened(); };
  socket.onmessage = ({ data }) => {
    if (gone) return;
    if (typeof data !== 'string') return end(fromCloseCode(1003));
    let message;
    try {
      message = JSON.parse(data);
    } catch (error) {
      // Going on would move the cursor past what could not be read.
      return end(asFailure(error));
    }
    if (message.id !== undefined) sink.event(message, data);
    else if (message.reply !== undefined) answer(pending, message);
    else if (message.notice === 'close') end(fromNotice(message));
    else sink.notice(message);
  };
  socket.onclose = ({ code, reason }) => end(fromCloseCode(code, reason || undefined));

  const command = (fields) => new Promise((resolve, reject) => {
    if (gone || socket.readyState !== WebSocket.OPEN) return reject(new Error('not connected'));
    if (pending.size >= COMMANDS_MAX) return reject(new Error(`more than ${COMMANDS_MAX} commands without an answer`));
    refs += 1;
    pending.set(refs, { resolve, reject });
    socket.send(JSON.stringify({ ...fields, ref: refs }));
  });
  return { leave, command };
}

function answer(pending, message) {
  const waiting = pending.get(message.reply);
  pending.delete(message.reply);
  if (!waiting) return;
  if (message.ok) waiting.resolve(message);
  else waiting.reject(Object.assign(new Error(message.detail ?? message.reason), { reason: message.reason }));
}
