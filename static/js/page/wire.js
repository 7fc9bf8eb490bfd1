// Names the bytes of a lane: which are the event and which are the price of the way it came. Pure.
//
// TCP cuts where it likes, so each direction of a lane keeps what it was in the middle of: a line of a head, a chunk, a field,
// a frame's head. A head at the start of a piece begins anew, as a new connection does. After bytes were skipped the middle is
// unknown, and what is not known has no name.

/**
 * @typedef {'line' | 'header' | 'chunk' | 'field' | 'frame' | 'mask' | 'payload' | 'raw'} Part
 *   `payload` is what the subscriber wanted; everything else is overhead
 * @typedef {{part: Part, text: string, hex: string, bytes: number, note?: string}} Span
 */

const text = new TextDecoder('utf-8', { fatal: false });
const HEAD = /^(?:[A-Z]+ \/\S* HTTP\/1\.[01]|HTTP\/1\.[01] \d{3})/;

/** What is kept of a line of a head: enough for the headers that say how the body goes. */
const LINE_CHARS_MAX = 8192;

/** One direction of one lane. */
export class Dissector {
  #way;
  /** What the next bytes are. @type {'head' | 'counted' | 'chunked' | 'endless' | 'frames' | 'lost'} */
  #mode = 'head';
  #line = '';
  #head = newHead();
  /** Bytes that are left of a counted body, a chunk or a frame's payload. */
  #left = 0;
  /** @type {'size' | 'data' | 'end' | 'trailer'} */
  #chunk = 'size';
  #fields = new Fields();
  /** The bytes of a frame's head so far. @type {number[]} */
  #frame = [];

  /** @param {'poll' | 'sse' | 'ws'} way */
  constructor(way) {
    this.#way = way;
  }

  /** Bytes were left out; what follows may start anywhere. */
  skipped() {
    this.#begin('lost');
  }

  /** @param {Uint8Array} bytes @returns {Span[]} */
  split(bytes) {
    const spans = [];
    if (HEAD.test(ascii(bytes.subarray(0, 4096)))) this.#begin('head');
    for (let at = 0; at < bytes.length;) at += this.#step(bytes.subarray(at), spans);
    return spans;
  }

  #begin(mode) {
    this.#mode = mode;
    this.#line = '';
    this.#head = newHead();
    this.#left = 0;
    this.#chunk = 'size';
    this.#fields = new Fields();
    this.#frame = [];
  }

  /** Names at least one byte of those; how many. */
  #step(bytes, spans) {
    switch (this.#mode) {
      case 'head': return this.#heads(bytes, spans);
      case 'frames': return this.#left > 0 ? this.#payload(bytes, spans) : this.#frameHead(bytes, spans);
      case 'counted': return this.#counted(bytes, spans);
      case 'chunked': return this.#chunks(bytes, spans);
      case 'endless': return this.#content(bytes, spans);
      default: return this.#lost(bytes, spans);
    }
  }

  /** Nothing is known but what the way allows to see: whole lines of an event stream. */
  #lost(bytes, spans) {
    if (this.#way === 'sse') stream(bytes, spans);
    else spans.push(span(this.#way === 'ws' ? 'raw' : 'payload', bytes));
    return bytes.length;
  }

  #heads(bytes, spans) {
    const { end, whole } = lineEnd(bytes);
    spans.push(span(this.#head.lines === 0 ? 'line' : 'header', bytes.subarray(0, end)));
    if (this.#line.length < LINE_CHARS_MAX) this.#line += ascii(bytes.subarray(0, end));
    if (!whole) return end;
    const line = this.#line.trimEnd();
    this.#line = '';
    if (line === '' && this.#head.lines > 0) this.#headEnds();
    else this.#headLine(line);
    return end;
  }

  #headLine(line) {
    const head = this.#head;
    head.lines += 1;
    if (head.lines === 1) {
      head.status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1] ?? 0);
      return;
    }
    const [name, value = ''] = line.toLowerCase().split(/:\s*/, 2);
    if (name === 'content-length') head.length = Number(value) || 0;
    if (name === 'transfer-encoding') head.chunked = value.endsWith('chunked');
    if (name === 'upgrade') head.upgrade = value === 'websocket';
  }

  /** How the body goes that follows this head (RFC 9112, section 6.3). */
  #headEnds() {
    const { status, length, chunked, upgrade } = this.#head;
    const isRequest = status === 0;
    const empty = isRequest ? !chunked && !length : status < 200 || status === 204 || status === 304;
    let mode = 'endless';
    if (status === 101 || (isRequest && upgrade)) mode = 'frames';
    else if (empty || (!chunked && length === 0)) mode = 'head';
    else if (chunked) mode = 'chunked';
    else if (length !== null) mode = 'counted';
    this.#begin(mode);
    if (mode === 'counted') this.#left = length ?? 0;
  }

  #counted(bytes, spans) {
    const used = this.#content(bytes.subarray(0, this.#left), spans);
    this.#left -= used;
    if (this.#left === 0) this.#begin('head');
    return used;
  }

  #chunks(bytes, spans) {
    if (this.#chunk === 'data') {
      const used = this.#content(bytes.subarray(0, this.#left), spans);
      this.#left -= used;
      if (this.#left === 0) this.#chunk = 'end';
      return used;
    }
    const { end, whole } = lineEnd(bytes);
    spans.push(span('chunk', bytes.subarray(0, end), this.#chunk === 'size' ? 'chunk size' : 'chunk end'));
    this.#line += ascii(bytes.subarray(0, end)).slice(0, LINE_CHARS_MAX);
    if (!whole) return end;
    const line = this.#line.trim();
    this.#line = '';
    if (this.#chunk === 'size') this.#chunkBegins(line);
    else if (this.#chunk === 'end') this.#chunk = 'size';
    else if (line === '') this.#begin('head');
    return end;
  }

  #chunkBegins(line) {
    this.#left = Number.parseInt(line, 16);
    if (Number.isNaN(this.#left)) this.#begin('lost');
    else this.#chunk = this.#left === 0 ? 'trailer' : 'data';
  }

  #content(bytes, spans) {
    if (this.#way === 'sse') this.#fields.split(bytes, spans);
    else spans.push(span('payload', bytes));
    return bytes.length;
  }

  #payload(bytes, spans) {
    const part = bytes.subarray(0, this.#left);
    spans.push(span('payload', part));
    this.#left -= part.length;
    return part.length;
  }

  #frameHead(bytes, spans) {
    const had = this.#frame.length;
    let used = 0;
    let head = frameHead(this.#frame);
    while (head === 'short' && used < bytes.length) {
      this.#frame.push(bytes[used]);
      used += 1;
      head = frameHead(this.#frame);
    }
    if (head === 'none') {
      this.#begin('lost');
      spans.push(span('raw', bytes));
      return bytes.length;
    }
    const plain = Math.max(0, Math.min(used, plainLength(this.#frame) - had));
    if (plain > 0) {
      const named = head === 'short' ? {} : { text: head.name, note: head.note };
      spans.push({ ...span('frame', bytes.subarray(0, plain)), ...named });
    }
    if (plain < used) spans.push(span('mask', bytes.subarray(plain, used), 'mask'));
    if (head !== 'short') {
      this.#left = head.length;
      this.#frame = [];
    }
    return used;
  }
}

const newHead = () => ({ lines: 0, status: 0, length: /** @type {number | null} */ (null), chunked: false, upgrade: false });

/** The bytes of an event stream, wherever they are cut: the value of `data` is the event, all else is its price. */
class Fields {
  #name = '';
  #inName = true;
  #spaceNext = false;

  /** @param {Uint8Array} bytes @param {Span[]} spans */
  split(bytes, spans) {
    let from = 0;
    let before = '';
    let note = '';
    const flush = (to) => { if (to > from) spans.push(span(/** @type {Part} */ (before), bytes.subarray(from, to), note)); from = to; };
    for (let at = 0; at < bytes.length; at += 1) {
      const part = this.#part(bytes[at]);
      if (part !== before) flush(at);
      before = part;
      note = this.#note(part);
      if (bytes[at] === 10) {
        flush(at + 1);
        this.#begin();
      }
    }
    flush(bytes.length);
  }

  #begin() {
    this.#name = '';
    this.#inName = true;
    this.#spaceNext = false;
  }

  #note(part) {
    if (part === 'payload') return undefined;
    return this.#inName || this.#name === '' ? undefined : `${this.#name}:`;
  }

  #part(byte) {
    if (this.#inName) {
      if (byte === 58) {
        this.#inName = false;
        this.#spaceNext = true;
      } else if (byte !== 10 && this.#name.length < 16) this.#name += String.fromCharCode(byte);
      return 'field';
    }
    const isSpace = this.#spaceNext && byte === 32;
    this.#spaceNext = false;
    return this.#name === 'data' && !isSpace ? 'payload' : 'field';
  }
}

const OPCODES = { 0: 'continuation', 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' };

/**
 * RFC 6455, section 5.2.
 * @param {number[]} bytes
 * @returns {'short' | 'none' | {plain: number, length: number, name: string, note: string}} `none`: no frame begins so
 */
function frameHead(bytes) {
  if (bytes.length === 0) return 'short';
  const name = OPCODES[bytes[0] & 15];
  if (!name || (bytes[0] & 0x70) !== 0) return 'none';
  if (bytes.length < 2) return 'short';
  const masked = (bytes[1] & 0x80) !== 0;
  const short = bytes[1] & 0x7f;
  const plain = plainLength(bytes);
  if (bytes.length < plain + (masked ? 4 : 0)) return 'short';
  const length = short < 126 ? short : bytes.slice(2, plain).reduce((sum, byte) => sum * 256 + byte, 0);
  const fin = (bytes[0] & 0x80) !== 0 ? 'FIN ' : '';
  return { plain, length, name: `${name} ${length}`, note: `${fin}${name}, ${length} B${masked ? ', masked' : ''}` };
}

/** How long a frame's head is without its mask. @param {number[]} bytes */
function plainLength(bytes) {
  const short = (bytes[1] ?? 0) & 0x7f;
  return short < 126 ? 2 : short === 126 ? 4 : 10;
}

/** Where the line ends that begins here, and whether its end is among the bytes. */
function lineEnd(bytes) {
  const lf = bytes.indexOf(10);
  return { end: lf < 0 ? bytes.length : lf + 1, whole: lf >= 0 };
}

// Where the middle is unknown: a chunk size is a line of hex; a field's name is what stands before the first colon.
function stream(bytes, spans) {
  let at = 0;
  while (at < bytes.length) {
    const line = bytes.subarray(at, at + lineEnd(bytes.subarray(at)).end);
    const start = ascii(line.subarray(0, 20));
    if (/^[0-9a-f]{1,8}\r\n/i.test(start)) spans.push(span('chunk', line, 'chunk size'));
    else if (start.startsWith('data: ')) spans.push(span('field', line.subarray(0, 6)), span('payload', line.subarray(6)));
    else if (/^[a-z]+:/.test(start) || start.trim() === '') spans.push(span('field', line));
    else spans.push(span('payload', line));
    at += line.length;
  }
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
