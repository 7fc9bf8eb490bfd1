// What the server said will not come, in words with the exact offsets.

import { number, t } from './words.js';

const n = (offset) => `#${number(offset)}`;

/** @param {import('./integrity.js').Telling} telling */
export function tellingText({ kind, from, to, reason }) {
  if (kind === 'gap') return t('told.gap', { from: n(from), to: n(to), reason: reason ?? '' });
  if (kind === 'reset') return t('told.reset', { from: n(from), to: n(to) });
  return t('told.epoch', { from: n(from - 1) });
}
