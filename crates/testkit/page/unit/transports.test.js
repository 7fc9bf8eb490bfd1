// What the transports are made of: the event stream's parser, the table of reasons, cursors.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseCursor } from '../../../../static/js/tricast/cursor.js';
import { fromCloseCode, fromNotice, fromResponse, readRetryAfter, REASONS } from '../../../../static/js/tricast/reasons.js';
import { SseParser } from '../../../../static/js/tricast/sse.js';

function parse(...chunks) {
  const parser = new SseParser();
  const messages = [];
  for (const chunk of chunks) parser.feed(chunk, (message) => messages.push(message));
  return messages.map(({ event, id, data }) => [event, id, data]);
}

const STREAM = 'retry: 1000\n\nevent: sync\nid: a-1\ndata: {"x":1}\n\nid: a-2\ndata: one\ndata: two\n\n: note\n\nevent: beat\ndata\n\n';
const MESSAGES = [['sync', 'a-1', '{"x":1}'], ['message', 'a-2', 'one\ntwo'], ['beat', 'a-2', '']];

test('a stream reads the same wherever it is cut, with every kind of line end', () => {
  for (const end of ['\n', '\r', '\r\n']) {
    const text = STREAM.replaceAll('\n', end);
    assert.deepEqual(parse(text), MESSAGES, JSON.stringify(end));
    for (let cut = 1; cut < text.length; cut += 1) {
      assert.deepEqual(parse(text.slice(0, cut), text.slice(cut)), MESSAGES, `${JSON.stringify(end)} cut at ${cut}`);
    }
    assert.deepEqual(parse(...text), MESSAGES, `${JSON.stringify(end)} one by one`);
  }
});

test('a message that is not finished is not handed over', () => {
  assert.deepEqual(parse('data: half'), []);
  assert.deepEqual(parse('data: half\n'), []);
});

test('an id with NUL is ignored and a type alone is no message', () => {
  assert.deepEqual(parse('id: a\0b\ndata: x\n\n'), [['message', '', 'x']]);
  assert.deepEqual(parse('event: lonely\n\ndata: x\n\n'), [['message', '', 'x']]);
});

test('only the first space after the colon is dropped', () => {
  assert.deepEqual(parse('data:  x\n\ndata:y\n\n'), [['message', '', ' x'], ['message', '', 'y']]);
});

test('cursors outside the grammar are none', () => {
  assert.deepEqual(parseCursor('k3f4a2bq-1042'), { epoch: 'k3f4a2bq', offset: 1042 });
  for (const text of ['k3f4a2bq-01', 'k3f4a2bq-', 'k3f4a2b1-3', 'K3F4A2BQ-3', 'k3f4a2bq-1.5', 'k3f4a2bq--1', 'tip', '', null, 7]) {
    assert.equal(parseCursor(text), null, String(text));
  }
});

test('every close code of the table gives its reason back', () => {
  for (const [reason, { code, retry }] of Object.entries(REASONS)) {
    const failure = fromCloseCode(code);
    assert.deepEqual([failure.reason, failure.retry, failure.stated], [reason, retry, true], reason);
  }
  assert.equal(fromCloseCode(1006).reason, 'network');
  assert.equal(fromCloseCode(1006).retry, 'yes');
  assert.equal(fromCloseCode(1002).retry, 'no');
});

test('a problem names its reason; without one the status does', () => {
  const check = (status, problem, reason, retry, stated) => {
    const failure = fromResponse(status, problem);
    assert.deepEqual([failure.reason, failure.retry, failure.stated], [reason, retry, stated]);
  };
  check(503, { reason: 'draining' }, 'draining', 'yes', true);
  check(401, { reason: 'token_expired' }, 'token_expired', 'token', true);
  check(404, null, 'not_found', 'no', false);
  check(502, null, 'internal', 'yes', false);
  check(429, null, 'rate_limited', 'yes', false);
  check(400, { reason: 'made_up' }, 'bad_request', 'no', false);
});

test('Retry-After is seconds or a date, and nothing else', () => {
  assert.equal(readRetryAfter('3', 0), 3000);
  assert.equal(readRetryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 4000), 6000);
  assert.equal(readRetryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 60_000), 0);
  assert.equal(readRetryAfter('soon', 0), undefined);
  assert.equal(readRetryAfter(null, 0), undefined);
});

test('a close notice keeps the delay it names', () => {
  assert.equal(fromNotice({ reason: 'draining', retry_after_ms: 250 }).retryAfterMs, 250);
  assert.equal(fromNotice({ reason: 'draining', retry_after_ms: -1 }).retryAfterMs, undefined);
  assert.equal(fromNotice(null).reason, 'ended');
});
