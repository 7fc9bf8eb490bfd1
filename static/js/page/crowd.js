// How many bots the positions of their slider stand for. Pure.

const COUNTS = [0, 15, 30, 60, 150, 300, 1000, 3000, 10_000, 20_000];

/** @param {number} place @param {number} max  as many as there can be */
export const countAt = (place, max) => Math.min(COUNTS[place] ?? 0, max);

/** The first position that has so many; the last one has no more. @param {number} count */
export function placeOf(count) {
  const place = COUNTS.findIndex((each) => each >= count);
  return place < 0 ? COUNTS.length - 1 : place;
}
