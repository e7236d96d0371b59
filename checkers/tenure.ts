/**
 * An office that hangs on a lease: a lock that is held, a leadership. The *guaranteed life* of the lease reaches from
 * the answer that gave the office to the granted ttl after the last successful renewal was sent: a lease that could
 * be renewed had been alive all along. Times are those of the tester.
 */
import type { Nanos, NodeId, Process } from "../src/history/op.ts";
import { type Findings, who } from "./findings.ts";
import { type Interval, visitPrecedents } from "./precedence.ts";

const SECOND = 1_000_000_000;

/** The operation that gave the office, or one that learnt of another's. */
export interface Act extends Interval {
  readonly process: Process;
  readonly node: NodeId | undefined;
  readonly invokeTime: Nanos;
  readonly completeTime: Nanos;
}

export interface Tenure {
  readonly begun: Act;
  /** The fencing token: the create revision of the key that stands for the office. */
  readonly token: number;
  /** Index of the invocation of what gives the office up; Infinity if never asked for. */
  endAsked: number;
  /** The end of the lease's guaranteed life. */
  guaranteedUntil: Nanos;
  /** Invocation and completion of the renewal that guarantees most. */
  renewal: readonly [invoked: number, completed: number];
}

/**
 * `ttl` as granted, in seconds; `renewed`: when the last successful renewal (or the grant) was sent, since the
 * invocation. `clockSlack` shortens each guaranteed life for servers whose clocks run fast.
 */
export function begin(
  begun: Act,
  { token, ttl, renewed }: { readonly token: number; readonly ttl: number; readonly renewed: Nanos },
  clockSlack: Nanos,
): Tenure {
  return {
    begun,
    token,
    endAsked: Number.POSITIVE_INFINITY,
    guaranteedUntil: begun.invokeTime + renewed + ttl * SECOND - clockSlack,
    renewal: [begun.invokeIndex, begun.completeIndex],
  };
}

/** A keepalive succeeded for `ttl` seconds; 0: the lease was lost. */
export function renew(tenure: Tenure, keepalive: Act, ttl: number, clockSlack: Nanos): void {
  const until = keepalive.invokeTime + ttl * SECOND - clockSlack;
  if (ttl <= 0 || until <= tenure.guaranteedUntil) return;
  tenure.guaranteedUntil = until;
  tenure.renewal = [keepalive.invokeIndex, keepalive.completeIndex];
}

/** A tenure that was not given up, and what told somebody that it was over. */
export interface Overlap<T extends Tenure, N> {
  readonly earlier: T;
  readonly news: N;
}

/**
 * For each piece of news that a tenure is over (a later tenure, or a look that found it gone), the tenures not given
 * up by its completion: `early` if their lease was sure to live then, `outlived` (once each) if it may have expired.
 * `ends` says whether the news is of the end of a tenure with this token.
 */
export function overlaps<T extends Tenure, N extends { readonly begun: Act }>(
  tenures: readonly T[],
  news: readonly N[],
  ends: (news: N, token: number) => boolean,
): { readonly early: readonly Overlap<T, N>[]; readonly outlived: readonly Overlap<T, N>[] } {
  const early: Overlap<T, N>[] = [];
  const outlived: Overlap<T, N>[] = [];
  const beginnings = [...tenures].sort(byCompletion);
  let begun = 0;
  let open: T[] = [];
  for (const one of [...news].sort(byCompletion)) {
    const { completeIndex, completeTime } = one.begun;
    for (; begun < beginnings.length; begun++) {
      const next = beginnings[begun] as T;
      if (next.begun.completeIndex >= completeIndex) break;
      open.push(next);
    }
    open = open.filter((earlier) => {
      if (earlier.endAsked < completeIndex) return false;
      if (!ends(one, earlier.token)) return true;
      const alive = earlier.guaranteedUntil > completeTime;
      (alive ? early : outlived).push({ earlier, news: one });
      return alive;
    });
  }
  return { early, outlived };
}

/** The tokens of tenures grow, if one ended its beginning before the other asked for its own. */
export function judgeTokens(
  tenures: readonly Tenure[],
  findings: Findings,
  { name, guarantee, office }: { readonly name: string; readonly guarantee: string; readonly office: string },
): void {
  visitPrecedents(
    tenures.map(({ begun, token }) => ({ ...begun, token })),
    ({ token }) => token,
    (later, earlier) => {
      if (later.token > earlier.token) return;
      findings.add(
        name,
        guarantee,
        [earlier.completeIndex, later.invokeIndex, later.completeIndex],
        () =>
          `${who(earlier)} was given the ${office} with token ${earlier.token}, then ${who(later)} with token ${later.token}, which is not greater.`,
      );
    },
  );
}

export function seconds(time: Nanos): string {
  return `${(Math.max(0, time) / SECOND).toFixed(3)} s`;
}

function byCompletion(a: { readonly begun: Act }, b: { readonly begun: Act }): number {
  return a.begun.completeIndex - b.begun.completeIndex;
}
