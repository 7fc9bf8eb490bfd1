// The client's npm package: what is in it, and that its types are true and of use.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const CLIENT = at('../../../../static/js');
const TSC = at('../node_modules/typescript/bin/tsc');

const run = (command, args, cwd) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return { status, said: stdout + stderr, stdout };
};

test('the client keeps to its own types', () => {
  const { status, said } = run(process.execPath, [TSC, '--checkJs', '--noEmit', '--project', join(CLIENT, 'tsconfig.json')]);
  assert.equal(status, 0, said);
});

test('the package has the modules, their types and the licences, and nothing else', () => {
  const { status, stdout, said } = run('npm', ['pack', '--dry-run', '--json'], CLIENT);
  assert.equal(status, 0, said);
  const [{ files, name, version }] = JSON.parse(stdout.slice(stdout.indexOf('[')));
  const paths = files.map(({ path }) => path);
  const cargo = readFileSync(at('../../../../Cargo.toml'), 'utf8');
  assert.deepEqual([name, version], ['tricast', /^version = "(.+)"$/m.exec(cargo)?.[1]]);
  for (const path of ['package.json', 'README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'tricast.js', 'tricast/worker.js', 'types/tricast.d.ts', 'types/tricast/connection.d.ts']) {
    assert.ok(paths.includes(path), `${path} is missing in ${paths}`);
  }
  const strange = paths.filter((path) => !/^(tricast(\/\w+)?\.js|types\/tricast(\/\w+)?\.d\.ts|package\.json|README\.md|LICENSE-\w+)$/.test(path));
  assert.deepEqual(strange, []);

  const { exports } = JSON.parse(readFileSync(join(CLIENT, 'package.json'), 'utf8'));
  for (const path of [exports['.'].types, exports['.'].default, exports['./worker.js']]) assert.ok(paths.includes(path.slice(2)), path);
});

test('a program in TypeScript is helped by the types', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tricast-types-'));
  const compile = (body) => {
    writeFileSync(join(folder, 'consumer.ts'), `import { connect, publish, REASONS } from '${CLIENT}/types/tricast.js';\n${body}\n`);
    return run(process.execPath, [TSC, '--noEmit', '--strict', '--target', 'es2022', '--module', 'es2022', '--moduleResolution', 'bundler', '--lib', 'es2023,dom', join(folder, 'consumer.ts')]);
  };
  try {
    const good = compile(`
      const feed = connect({ transport: 'sse', rooms: ['a'], after: 'earliest', shared: false });
      const stop: () => void = feed.on('order.created', (event, meta) => console.log(event.id, meta.transport));
      feed.watch('gap', (gap) => console.log(gap.from));
      const state: 'idle' | 'connecting' | 'live' | 'waiting' | 'paused' | 'closed' = feed.state;
      async function all() { for await (const event of feed) console.log(event.id); await feed.join(['b']); }
      publish({}, { data: 1 }).then(([{ id }]) => id.length);
      console.log(stop, state, all, REASONS.draining.retry);`);
    assert.equal(good.status, 0, good.said);
    for (const bad of ["connect({ transport: 'carrier-pigeon' });", "connect().watch('gaps', () => {});", 'connect({ rooms: 1 });']) {
      assert.notEqual(compile(bad).status, 0, bad);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
