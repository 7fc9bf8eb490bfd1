// A clock that goes on while the computer sleeps. `performance.now` may stand still meanwhile, and the wall clock may be
// set; a leap of the one against the other is taken for sleep.

/** Leaps below this are a clock that is being corrected, in milliseconds. */
export const LEAP_MS = 2_000;

export class Clock {
  #steady;
  #wall;
  #lead;
  #slept = 0;
  #leapt = false;

  /**
   * @param {() => number} [steady]  milliseconds that never run backwards
   * @param {() => number} [wall]    milliseconds since the Unix epoch
   */
  constructor(steady = () => performance.now(), wall = () => Date.now()) {
    this.#steady = steady;
    this.#wall = wall;
    this.#lead = wall() - steady();
  }

  /** @returns {number} milliseconds since some moment, sleep included; never less than before */
  now() {
    const steady = this.#steady();
    const lead = this.#wall() - steady;
    if (lead - this.#lead > LEAP_MS) {
      this.#slept += lead - this.#lead;
      this.#leapt = true;
    }
    this.#lead = lead;
    return steady + this.#slept;
  }

  /** @returns {boolean} whether there was a sleep since this was last asked */
  takeLeap() {
    this.now();
    const leapt = this.#leapt;
    this.#leapt = false;
    return leapt;
  }
}
