// The six connections of a browser to one host, and who is free of them: by `tricast lab browser`, which starts a server
// without TLS and one with it, and lets Chromium open seven streams to each.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const BINARY = process.env.TRICAST_BIN ?? fileURLToPath(new URL('../../../target/debug/tricast', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));
// Four pages, each of which waits at most three times for two seconds.
const PATIENCE_MS = 90_000;

test('the seventh EventSource waits over HTTP/1.1, and neither over HTTP/2 nor as a WebSocket', { timeout: PATIENCE_MS }, async () => {
  const out = await mkdtemp(join(tmpdir(), 'tricast-limits-'));
  try {
    await promisify(execFile)(BINARY, ['lab', 'browser', '--quiet', '--out', out, '--scripts', HERE]);
    const { browser } = JSON.parse(await readFile(join(out, 'latest', 'run.json'), 'utf8'));
    assert.equal(browser.not_measured, undefined);
    const seen = browser.tries.map((one) =>
      [one.transport, one.carriage, one.stood, one.request_answered, one.stood_after_one_closed]);
    assert.deepEqual(seen, [
      ['sse', 'h1_plain', 6, false, 7],
      ['sse', 'h2_tls', 7, true, 7],
      ['websocket', 'h1_plain', 7, true, 7],
      ['websocket', 'h1_tls', 7, true, 7],
    ]);
  } finally {
    await rm(out, { recursive: true });
  }
});
