/**
 * Distributions to draw values, keys and gaps from. A distribution is a function of a random stream; in a generator
 * that is `context.random.fork(label)`.
 *
 * ```ts
 * const value = boundary(0, 1000);
 * const writes = ({ random }: Context) => ({ f: "write", value: value(random.fork("value")) });
 * ```
 */
import type { Random } from "../runtime/random.ts";

export type Distribution<T = number> = (random: Random) => T;

function requireThat(holds: boolean, what: string): asserts holds {
  if (!holds) throw new RangeError(what);
}

/** Integers from `low` to `high`, both included, equally likely. */
export function uniform(low: number, high: number): Distribution {
  requireThat(
    Number.isSafeInteger(low) && Number.isSafeInteger(high) && low <= high,
    `uniform takes integers low <= high, not ${low} and ${high}`,
  );
  return (random) => random.between(low, high);
}

/**
 * Ranks from 0 to `count` - 1, where rank k is drawn in proportion to 1 / (k + 1)^exponent: few values are hot, most
 * are cold, as with keys in practice. Costs memory for `count` numbers once, and a binary search per draw.
 */
export function zipf(count: number, exponent = 1): Distribution {
  requireThat(Number.isSafeInteger(count) && count >= 1, `zipf takes a count of at least 1, not ${count}`);
  requireThat(exponent >= 0, `zipf takes an exponent of at least 0, not ${exponent}`);
  // x^-s as exp(-s log x); shares are rounded to integers below, so that a last digit cannot change a draw.
  const shares = Array.from({ length: count }, (_, k) => Math.exp(-exponent * Math.log(k + 1)));
  return ranked(shares);
}

/** Position of a share, drawn in proportion to it. */
function ranked(shares: readonly number[]): Distribution {
  let total = 0;
  for (const share of shares) total += share;
  const RESOLUTION = 0x1_0000_0000;
  const cumulative = new Float64Array(shares.length);
  let sum = 0;
  for (let k = 0; k < shares.length; k++) {
    sum += shares[k] as number;
    cumulative[k] = Math.round((sum / total) * RESOLUTION);
  }
  return (random) => {
    const point = random.below(RESOLUTION);
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cumulative[middle] as number) > point) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Waiting times of a process without memory: real numbers of at least 0 with the given mean. */
export function exponential(mean: number): Distribution {
  requireThat(
    mean >= 0 && Number.isFinite(mean),
    `exponential takes a finite mean of at least 0, not ${mean}`,
  );
  return (random) => random.exponential(mean);
}

/** How many failures come before the first success, each try succeeding with `probability`: 0, 1, 2, … */
export function geometric(probability: number): Distribution {
  requireThat(
    probability > 0 && probability <= 1,
    `geometric takes a probability in (0, 1], not ${probability}`,
  );
  if (probability === 1) return () => 0;
  const scale = Math.log(1 - probability);
  return (random) => Math.floor(Math.log(1 - random.next()) / scale);
}

/** One of the values, in proportion to its weight. Weights are at least 0, and not all 0. */
export function weighted<T>(...choices: readonly (readonly [weight: number, value: T])[]): Distribution<T> {
  const weights = choices.map(([weight]) => weight);
  requireThat(
    weights.every((weight) => weight >= 0 && Number.isFinite(weight)) && weights.some((weight) => weight > 0),
    `weighted takes weights of at least 0, one of them above, not [${weights}]`,
  );
  const position = ranked(weights);
  return (random) => (choices[position(random)] as readonly [number, T])[1];
}

/**
 * Integers from `low` to `high` with a preference for those at which programs break: half of the draws are one of
 * the ends, their neighbours, 0, ±1, or a power of two and its neighbours; the other half are uniform.
 */
export function boundary(low: number, high: number): Distribution {
  const any = uniform(low, high);
  const candidates = [low, low + 1, high - 1, high, -1, 0, 1];
  for (let power = 2; power <= Number.MAX_SAFE_INTEGER; power *= 2)
    candidates.push(power - 1, power, power + 1, 1 - power, -power, -1 - power);
  const edges = [...new Set(candidates)].filter((value) => value >= low && value <= high);
  return (random) => (random.chance(0.5) ? random.pick(edges) : any(random));
}
