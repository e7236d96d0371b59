/** Forgets old revisions by itself, as etcd does: the leader asks for a compaction when there is something to gain. */
import type { Nanos } from "../../src/history/op.ts";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import { compactGradually } from "../live/compaction.ts";
import type { LiveMember } from "../live/member.ts";
import { liveClock } from "../live/runtime.ts";

export type Retention =
  | { readonly mode: "periodic"; readonly time: Nanos }
  | { readonly mode: "revision"; readonly revisions: number };

/** How often to look. */
const REVISION_INTERVAL: Nanos = 300 * SECOND;
/** Samples of the revision within the time to keep. */
const SAMPLES = 10;
const MAX_INTERVAL: Nanos = 3600 * SECOND;

/** When the store was at which revision. */
interface Sample {
  readonly at: Nanos;
  readonly revision: number;
}

/** Decides what to compact: pure but for what it remembers. */
export class Compactor {
  readonly #retention: Retention;
  #samples: Sample[] = [];
  #compacted = 0;

  constructor(retention: Retention) {
    this.#retention = retention;
  }

  /** Time until the next look. */
  get interval(): Nanos {
    return this.#retention.mode === "revision"
      ? REVISION_INTERVAL
      : Math.min(MAX_INTERVAL, Math.ceil(this.#retention.time / SAMPLES));
  }

  /** The revision to compact at now, if any. To be called at every interval. */
  look(now: Nanos, revision: number, leading: boolean): number | undefined {
    const wanted = this.#wanted(now, revision);
    if (!leading || wanted <= Math.max(1, this.#compacted)) return undefined;
    this.#compacted = wanted;
    return wanted;
  }

  #wanted(now: Nanos, revision: number): number {
    if (this.#retention.mode === "revision") return revision - this.#retention.revisions;
    const { time } = this.#retention;
    this.#samples.push({ at: now, revision });
    // The newest sample that is old enough, and those after it.
    const old = this.#samples.findLastIndex((sample) => sample.at <= now - time);
    if (old < 0) return 0;
    this.#samples = this.#samples.slice(old);
    return this.#samples[0]?.revision ?? 0;
  }
}

/** Returns its end. */
export function compactAutomatically(member: LiveMember, retention: Retention): () => void {
  const compactor = new Compactor(retention);
  const client = member.connect();
  const timer = setInterval(() => {
    const { node, log } = member;
    const revision = compactor.look(liveClock.monotonic(), node.store.revision, node.raft.role === "leader");
    if (revision === undefined) return;
    compactGradually(node.store, revision, (step) =>
      client.request({ kind: "compact", revision: step }),
    ).then(
      () => log.info({ revision }, "compacted automatically"),
      (error: Error) => log.warn({ revision, reason: error.message }, "could not compact"),
    );
  }, compactor.interval / MILLISECOND);
  return () => {
    clearInterval(timer);
    client.close();
  };
}
