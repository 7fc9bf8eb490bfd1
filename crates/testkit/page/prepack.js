// Completes the npm package of the browser client before it is packed: the types that TypeScript reads from the comments, and the
// licences. Both are made from what the repository has anyway, and are not kept in it.

import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const client = '../../../static/js/';

rmSync(at(`${client}types`), { recursive: true, force: true });
const made = spawnSync(process.execPath, [
  at('node_modules/typescript/bin/tsc'), '--project', at(`${client}tsconfig.json`),
  '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', at(`${client}types`),
], { stdio: ['ignore', 2, 2] });
if (made.status !== 0) throw new Error('the types could not be made: run `make setup` first');
for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) copyFileSync(at(`../../../${name}`), at(client + name));
