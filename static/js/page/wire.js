// Names the bytes of a lane: which are the event and which are the price of the way it came. Pure.
//
// TCP cuts where it likes, so each direction of a lane keeps what it was in the middle of. After bytes were skipped the
// middle is unknown: the rest of that piece is shown without names.

/**
 * @typedef {'line' | 'header' | 'chunk' | 'field' | 'frame' | 'mask' | 'payload' | 'raw'} Part
 *   `payload` is what the subscriber wanted; everything else is overhead
 * @typedef {{part: Part, text: string, hex: string, bytes: number, note?: string}} Span
 */

const text = new TextDecoder('utf-8', { fatal: false });
const HEAD = /^(?:[A-Z]+ \/\S* HTTP\/1\.[01]|HTTP\/1\.[01] \d{3})/;
const HEAD_END = [13, 10, 13, 10];

/** One direction of one lane. */
export class Dissector {
  #way;
  /** What the next bytes are: a head, an HTTP body, frames, or the rest of a frame's payload. */
  #mode = 'head';
  #frameLeft = 0;

  /** @param {'poll' | 'sse' | 'ws'} way */
  constructor(way) {
    this.#way = way;
  }

  /** Bytes were left out; what follows may start anywhere. */
  skipped() {
    this.#mode = this.#way === 'ws' ? 'frames' : 'body';
    this.#frameLeft = 0;
  }

  /** @param {Uint8Array} bytes @returns {Span[]} */
  split(bytes) {
    const spans = [];
    let at = 0;
    if (HEAD.test(ascii(bytes.subarray(0, 16)) + ascii(bytes.subarray(16, 4096)))) {
      at = headLength(bytes);
      heads(bytes.subarray(0, at), spans);
      this.#mode = this.#way === 'ws' ? 'frames' : 'body';
      this.#frameLeft = 0;
    }
    const rest = bytes.subarray(at);
    if (rest.length === 0) return spans;
    if (this.#mode === 'frames') this.#frames(rest, spans);
    else if (this.#way === 'sse') stream(rest, spans);
    else spans.push(span('payload', rest));
    return spans;
  }

  #frames(bytes, spans) {
    let at = 0;
    while (at < bytes.length) {
      if (this.#frameLeft === 0) {
        const head = frameHead(bytes.subarray(at));
        if (!head) {
          spans.push(span('raw', bytes.subarray(at)));
          return;
        }
        spans.push({ ...span('frame', bytes.subarray(at, at + head.plain)), text: head.name, note: head.note });
        if (head.masked) spans.push(span('mask', bytes.subarray(at + head.plain, at + head.plain + 4), 'mask'));
        at += head.plain + (head.masked ? 4 : 0);
        this.#frameLeft = head.length;
        if (head.length === 0) continue;
      }
      const part = bytes.subarray(at, at + this.#frameLeft);
      if (part.length === 0) return;
      spans.push(span('payload', part));
      this.#frameLeft -= part.length;
      at += part.length;
    }
  }
}

const OPCODES = { 0: 'continuation', 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' };

/** RFC 6455, section 5.2. Null where these bytes cannot be the start of a frame. */
function frameHead(bytes) {
  if (bytes.length < 2) return null;
  const name = OPCODES[bytes[0] & 15];
  if (!name || (bytes[0] & 0x70) !== 0) return null;
  const masked = (bytes[1] & 0x80) !== 0;
  const short = bytes[1] & 0x7f;
  const plain = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < plain) return null;
  let length = short;
  if (short >= 126) length = bytes.subarray(2, plain).reduce((sum, byte) => sum * 256 + byte, 0);
  const fin = (bytes[0] & 0x80) !== 0 ? 'FIN ' : '';
  return { plain, masked, length, name: `${name} ${length}`, note: `${fin}${name}, ${length} B${masked ? ', masked' : ''}` };
}

function heads(bytes, spans) {
  let at = 0;
  let part = /** @type {Part} */ ('line');
  while (at < bytes.length) {
    const lf = bytes.indexOf(10, at);
    const end = lf < 0 ? bytes.length : lf + 1;
    spans.push(span(part, bytes.subarray(at, end)));
    part = 'header';
    at = end;
  }
}

// A chunk size is a line of hex; a field name is what stands before the first colon; the value of `data:` is the event.
function stream(bytes, spans) {
  let at = 0;
  while (at < bytes.length) {
    const lf = bytes.indexOf(10, at);
    const end = lf < 0 ? bytes.length : lf + 1;
    const line = bytes.subarray(at, end);
    const start = ascii(line.subarray(0, 20));
    if (/^[0-9a-f]{1,8}\r\n/i.test(start)) spans.push(span('chunk', line, 'chunk size'));
    else if (start.startsWith('data: ')) spans.push(span('field', line.subarray(0, 6)), span('payload', line.subarray(6)));
    else if (/^[a-z]+:/.test(start) || start.trim() === '') spans.push(span('field', line));
    else spans.push(span('payload', line));
    at = end;
  }
}

function headLength(bytes) {
  for (let i = 0; i + 3 < bytes.length; i += 1) {
    if (HEAD_END.every((byte, k) => bytes[i + k] === byte)) return i + 4;
  }
  return bytes.length;
}

const ascii = (bytes) => String.fromCharCode(...bytes);
const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');

/** Long payloads are shown by their beginning. */
const SHOWN_BYTES = 700;

/** @returns {Span} */
function span(part, bytes, note) {
  const shown = bytes.subarray(0, SHOWN_BYTES);
  const more = bytes.length > SHOWN_BYTES ? '…' : '';
  return { part, text: visible(text.decode(shown)) + more, hex: hexOf(shown) + more, bytes: bytes.length, note };
}

// Control characters other than line ends become their pictures.
const visible = (value) => value.replace(/\r\n/g, '\n').replace(/[\0-\x08\x0b-\x1f\x7f]/g, (c) => String.fromCharCode(c === '\x7f' ? 0x2421 : 0x2400 + c.charCodeAt(0)));

/** @param {string} base64 @returns {Uint8Array} */
export function fromBase64(base64) {
  const binary = atob(base64);
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}
