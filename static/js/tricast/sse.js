// Server-Sent Events over fetch. EventSource would reconnect by its own rules and hides the status and the body of a
// refusal; a stream that is read here resumes, backs off and explains itself like the other two.

import { asFailure, refusal } from './http.js';
import { fromNotice } from './reasons.js';

/** One event of a stream may not grow beyond this many characters. */
export const MESSAGE_MAX = 16 * 1024 * 1024;

/**
 * Splits a stream of text into messages as the HTML standard has it (section 9.2.6): lines end with CR, LF or CRLF,
 * a blank line ends a message, and a message without data is none.
 */
export class SseParser {
  #rest = '';
  #type = '';
  #id = '';
  #data = '';
  #afterCr = false;

  /**
   * @param {string} text
   * @param {(message: {event: string, id: string, data: string}) => void} emit
   */
  feed(text, emit) {
    let input = this.#rest + (this.#afterCr && text.startsWith('\n') ? text.slice(1) : text);
    if (text !== '') this.#afterCr = false;
    if (input.length > MESSAGE_MAX) throw new RangeError('a line of the event stream is too long');
    let from = 0;
    for (;;) {
      const end = lineEnd(input, from);
      if (end < 0) break;
      this.#line(input.slice(from, end), emit);
      const cr = input[end] === '\r';
      from = end + 1;
      if (cr && from === input.length) this.#afterCr = true;
      else if (cr && input[from] === '\n') from += 1;
    }
    this.#rest = input.slice(from);
  }

  /** Whether a message is under way. */
  get partial() {
    return this.#rest !== '' || this.#data !== '';
  }

  #line(line, emit) {
    if (line === '') return this.#flush(emit);
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') this.#data += `${value}\n`;
    else if (field === 'event') this.#type = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    if (this.#data.length > MESSAGE_MAX) throw new RangeError('a message of the event stream is too long');
  }

  #flush(emit) {
    const data = this.#data;
    const event = this.#type || 'message';
    this.#data = '';
    this.#type = '';
    if (data !== '') emit({ event, id: this.#id, data: data.slice(0, -1) });
  }
}

function lineEnd(text, from) {
  const lf = text.indexOf('\n', from);
  const cr = text.indexOf('\r', from);
  if (lf < 0 || cr < 0) return Math.max(lf, cr);
  return Math.min(lf, cr);
}

/**
 * Opens the stream and reads it to its end.
 * @param {import('./http.js').Target} target
 * @param {import('./http.js').Sink} sink
 * @returns {() => void} lets go of the stream
 */
export function openSse(target, sink) {
  const control = new AbortController();
  read(target, sink, control.signal).catch((error) => {
    if (!control.signal.aborted) sink.lost(asFailure(error));
  });
  return () => control.abort();
}

async function read(target, sink, signal) {
  sink.requested();
  const response = await fetch(target.url('sse', { after: target.after, session: target.session, rooms: target.rooms, turn: target.turn }), {
    headers: { accept: 'text/event-stream' },
    cache: 'no-store',
    signal,
  });
  const type = response.headers.get('content-type') ?? '';
  if (!response.ok || !response.body || !type.startsWith('text/event-stream')) throw await refusal(response);
  sink.opened();
  const parser = new SseParser();
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (signal.aborted) return;
    if (done) return sink.lost({ reason: 'ended', retry: 'yes' });
    parser.feed(decoder.decode(value, { stream: true }), (message) => {
      if (!signal.aborted) deliver(message, sink);
    });
    if (parser.partial) sink.progress();
  }
}

function deliver({ event, data }, sink) {
  if (event === 'message') sink.event(JSON.parse(data), data);
  else if (event === 'close') sink.lost(fromNotice(JSON.parse(data)));
  else sink.notice({ ...JSON.parse(data), notice: event });
}
