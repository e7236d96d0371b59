/**
 * etcd's lock service. Whoever wants a lock creates a key of its own under the lock's name, attached to its lease,
 * and waits until every key there that was created earlier is gone. The keys are a queue; losing the lease is
 * leaving it. (Chubby's sequencers, Burrows 2006, become the key's create revision.)
 *
 * The wait needs no linearizable read: this member's store holds at least the revision of the own key, and keys
 * created before that can only vanish. The last look, that the own key still exists, must be linearizable.
 */
import type { KvRequest, KvResponses } from "../api.ts";
import type { Applied, Command } from "../kv/command.ts";
import { ErrLeaseNotFound } from "../kv/errors.ts";
import { NO_LEASE } from "../kv/lease-id.ts";
import type { Bytes, Caller, LeaseId, Revision, StatusError, WatchEvent } from "../kv/request.ts";
import type { Store } from "../kv/store.ts";
import type { ProposalDone } from "./proposals.ts";
import type { ReadReady } from "./reads.ts";

export const ErrSessionExpired: StatusError = {
  kind: "error",
  code: "UNKNOWN",
  message: "mutex: session is expired",
};

export interface LockHost {
  readonly store: Store;
  propose(command: Command, done: ProposalDone<Applied>): void;
  linearizable(ready: ReadReady): void;
  trace(
    kind: "lock-granted" | "lock-waits" | "lock-freed-by-lease",
    detail: { readonly key: string; readonly revision: number },
  ): void;
  readonly bug: string;
}

export type LockDone = (outcome: KvResponses["lock"] | StatusError) => void;

interface Attempt {
  readonly prefix: Bytes;
  readonly key: Bytes;
  readonly value: Bytes;
  readonly lease: LeaseId;
  readonly caller: Caller | undefined;
  readonly done: LockDone;
  /** Create revision of the own key; 0 before it exists. */
  revision: Revision;
  ended: boolean;
}

export class Locks {
  readonly #host: LockHost;
  /** Attempts by the key they wait for. */
  readonly #waiting = new Map<Bytes, Attempt[]>();

  constructor(host: LockHost) {
    this.#host = host;
  }

  /** Waits as long as it takes; the function returned gives up, and leaves the queue. */
  lock(
    request: Extract<KvRequest, { kind: "lock" }>,
    caller: Caller | undefined,
    done: LockDone,
  ): () => void {
    const { name, lease, value = "" } = request;
    if (lease === NO_LEASE) {
      done(ErrLeaseNotFound);
      return () => {};
    }
    const prefix = `${name}/`;
    const key = prefix + hexadecimal(lease);
    const attempt: Attempt = { prefix, key, value, lease, caller, done, revision: 0, ended: false };
    this.#enqueue(attempt);
    return () => this.#giveUp(attempt);
  }

  /** To be called after each apply that changed something. `expired`: a lease took its keys along. */
  notify(events: readonly WatchEvent[], expired: boolean): void {
    if (this.#waiting.size === 0) return;
    for (const { type, kv } of events) {
      if (type !== "delete") continue;
      const freed = this.#waiting.get(kv.key);
      if (freed === undefined) continue;
      this.#waiting.delete(kv.key);
      if (expired) this.#host.trace("lock-freed-by-lease", { key: kv.key, revision: kv.modRevision });
      for (const attempt of freed)
        if (this.#host.bug === "lock-skips-queue") this.#confirm(attempt);
        else this.#wait(attempt);
    }
  }

  /** The store was replaced: keys may have vanished unseen. */
  restored(): void {
    const attempts = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const attempt of attempts) this.#wait(attempt);
  }

  #enqueue(attempt: Attempt): void {
    const { key, value, lease } = attempt;
    const command: Command = {
      kind: "txn",
      compare: [{ key, target: "create", result: "equal", operand: 0 }],
      success: [{ kind: "put", key, value, lease }],
      failure: [{ kind: "range", key }],
    };
    this.#propose(attempt, command, (outcome) => {
      if (!("response" in outcome)) {
        this.#end(attempt, outcome);
        return;
      }
      const { response, revision } = outcome;
      if (response.kind !== "txn") {
        if (response.kind === "error") this.#end(attempt, response);
        return;
      }
      const [first] = response.responses;
      const found = first?.kind === "range" ? first.kvs[0] : undefined;
      attempt.revision = first?.kind === "range" ? (found?.createRevision ?? 0) : revision;
      if (attempt.ended) this.#leave(attempt);
      else if (found !== undefined && found.value !== value) this.#restate(attempt);
      else this.#wait(attempt);
    });
  }

  /** Stands already, for another value. */
  #restate(attempt: Attempt): void {
    const { key, value, lease, revision } = attempt;
    const command: Command = {
      kind: "txn",
      compare: [{ key, target: "create", result: "equal", operand: revision }],
      success: [{ kind: "put", key, value, lease }],
      failure: [],
    };
    this.#propose(attempt, command, (outcome) => {
      if (!("response" in outcome)) this.#end(attempt, outcome);
      else if (outcome.response.kind === "error") this.#end(attempt, outcome.response);
      else if (attempt.ended) this.#leave(attempt);
      else this.#wait(attempt);
    });
  }

  #wait(attempt: Attempt): void {
    if (attempt.ended) return;
    const { prefix, revision } = attempt;
    const found = this.#host.store.range({
      kind: "range",
      key: prefix,
      rangeEnd: after(prefix),
      sortTarget: "create",
      sortOrder: "descend",
      limit: 1,
      maxCreateRevision: revision - 1,
      keysOnly: true,
    });
    const predecessor = revision > 1 && found.kind === "range" ? found.kvs[0] : undefined;
    if (predecessor === undefined) {
      this.#confirm(attempt);
      return;
    }
    this.#host.trace("lock-waits", { key: attempt.key, revision });
    const peers = this.#waiting.get(predecessor.key);
    if (peers === undefined) this.#waiting.set(predecessor.key, [attempt]);
    else peers.push(attempt);
  }

  #confirm(attempt: Attempt): void {
    this.#host.linearizable((error) => {
      if (attempt.ended) return;
      if (error !== undefined) {
        this.#leave(attempt);
        this.#end(attempt, error);
        return;
      }
      const { key, revision } = attempt;
      const found = this.#host.store.range({ kind: "range", key });
      if (found.kind !== "range" || found.kvs[0]?.createRevision !== revision) {
        this.#end(attempt, ErrSessionExpired);
        return;
      }
      this.#host.trace("lock-granted", { key, revision });
      this.#end(attempt, { kind: "lock", key, revision });
    });
  }

  #end(attempt: Attempt, outcome: Parameters<LockDone>[0]): void {
    if (attempt.ended) return;
    attempt.ended = true;
    attempt.done(outcome);
  }

  #giveUp(attempt: Attempt): void {
    if (attempt.ended) return;
    attempt.ended = true;
    for (const [key, peers] of this.#waiting) {
      const others = peers.filter((other) => other !== attempt);
      if (others.length === 0) this.#waiting.delete(key);
      else if (others.length < peers.length) this.#waiting.set(key, others);
    }
    // If the own key is still on its way, its arrival ends this.
    if (attempt.revision > 0) this.#leave(attempt);
  }

  #leave(attempt: Attempt): void {
    this.#propose(attempt, { kind: "delete-range", key: attempt.key }, () => {});
  }

  #propose({ caller }: Attempt, command: Command, done: ProposalDone<Applied>): void {
    this.#host.propose(caller === undefined ? command : { ...command, caller }, done);
  }
}

/** The smallest key after all keys with this prefix, which ends in "/". */
function after(prefix: Bytes): Bytes {
  return `${prefix.slice(0, -1)}0`;
}

function hexadecimal(lease: LeaseId): string {
  return BigInt(lease).toString(16);
}
