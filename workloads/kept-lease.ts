/** A lease that is renewed while its owner waits for something that hangs on it. */
import type { KvApi } from "../cluster/api.ts";
import type { Nanos } from "../src/history/op.ts";
import { type Runtime, SECOND, type Timer } from "../src/runtime/runtime.ts";

export interface KeptLease {
  readonly id: string;
  /** Seconds, as granted. */
  readonly ttl: number;
  /**
   * How long after the beginning the last renewal that succeeded was sent: from then on the lease lives for a ttl at
   * least. 0 before the first.
   */
  readonly renewed: Nanos;
  stop(): void;
}

/** Grants a lease of `ttl` seconds and renews it three times per ttl, until stopped. Rejects if the grant does. */
export async function grantKept(api: KvApi, runtime: Runtime, ttl: number): Promise<KeptLease> {
  const began = runtime.clock.monotonic();
  const granted = await api.request({ kind: "lease-grant", id: "0", ttl });
  const period = Math.round((granted.ttl * SECOND) / 3);
  let renewed: Nanos = 0;
  const renew = (): void => {
    const sent = runtime.clock.monotonic() - began;
    api.request({ kind: "lease-keep-alive", id: granted.id }).then(
      (answer) => {
        if (answer.ttl > 0) renewed = Math.max(renewed, sent);
      },
      () => undefined,
    );
    next = runtime.timer(period, renew);
  };
  let next: Timer = runtime.timer(period, renew);
  return {
    id: granted.id,
    ttl: granted.ttl,
    get renewed() {
      return renewed;
    },
    stop: () => next.cancel(),
  };
}
