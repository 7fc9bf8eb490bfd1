// The page's words and numbers, in the language that the server chose.

const language = document.documentElement.lang;
const plural = new Intl.PluralRules(language);
let texts = {};

/** Loads the same texts that the server rendered with. */
export async function loadWords() {
  const response = await fetch(`/static/locales/${language}.json`);
  texts = await response.json();
}

/**
 * The text under a key, with its `{places}` filled in. Where `values.count` is given, the key's plural form.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const form = typeof values.count === 'number' ? `${key}.${plural.select(values.count)}` : key;
  const text = texts[form] ?? texts[`${key}.other`] ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === 'number' ? number(value) : String(value ?? '');
  });
}

const formats = [0, 1, 2].map((digits) => new Intl.NumberFormat(language, {
  minimumFractionDigits: digits,
  maximumFractionDigits: digits,
}));
const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false,
});

/** @param {number} value @param {0 | 1 | 2} [digits] */
export const number = (value, digits = 0) => formats[digits].format(value);

/** Milliseconds with about two figures that mean something. @param {number} ms */
export function millis(ms) {
  const size = Math.abs(ms);
  return number(ms, size < 0.995 ? 2 : size < 99.95 ? 1 : 0);
}

/** @param {number} ms */
export const seconds = (ms) => number(ms / 1000, 1);

/** Bytes as a person says them: `812 B`, `1.2 KB`, `41 MB`. @param {number} bytes */
export function bytesText(bytes) {
  const units = language === 'fr' ? ['o', 'Ko', 'Mo', 'Go'] : ['B', 'KB', 'MB', 'GB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= unit === 0 ? 1024 : 1024;
    unit += 1;
  }
  return `${number(value, unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** The time of day to the millisecond. @param {number} epochMs */
export const timeText = (epochMs) => clock.format(epochMs);

/** `00:01:12`. @param {number} ms */
export function durationText(ms) {
  const total = Math.floor(ms / 1000);
  return [total / 3600, (total / 60) % 60, total % 60].map((part) => String(Math.floor(part)).padStart(2, '0')).join(':');
}
