// What lanes are called in a sentence. Pure.

/** The lanes' names; where two are on one transport, with their numbers. @param {{name: string}[]} lanes */
export function names(lanes) {
  return lanes.map(({ name }, i) => (lanes.filter((other) => other.name === name).length > 1 ? `${name} (${i + 1})` : name));
}
