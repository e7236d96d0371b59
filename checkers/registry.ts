/**
 * A registry of services: instances that keep an entry alive by a lease, and clients that discover them.
 *
 * Every entry is made once and is gone once, so each list, and each change that a follower was told, is a claim that
 * an entry is there, or is gone, at a revision of the store. Judged is
 *  - that the claims agree: whoever looks at one revision sees the same, and an entry that is gone stays gone;
 *  - that no entry vanishes while its lease is sure to live and nobody asked for its end (checkers/tenure.ts);
 *  - that none lingers: not at the revision at which its end was acknowledged, and not in peace, long after its ttl.
 * O(n log n) in what was told.
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import type { Nanos, Process } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";
import { type Act, begin, renew, seconds, type Tenure } from "./tenure.ts";

const SECOND = 1_000_000_000;

/** An entry came or went. */
export type EntryChange = { readonly revision: number; readonly id: number; readonly present: boolean };

export type RegistrySignature = {
  /** Every id is used once; `ttl` in seconds, asked for and granted. `term` is that of the leader. */
  register: {
    in: { readonly id: number; readonly ttl: number };
    out: { readonly revision: number; readonly ttl: number; readonly term: number };
  };
  /** Of the entry that the process made last. `ttl` 0: its lease is gone. */
  keepalive: { in: null; out: { readonly ttl: number } };
  /** The entry is gone at `revision`. */
  deregister: { in: null; out: { readonly revision: number } };
  /**
   * All entries, linearizable. `settled`: the cluster had been left in peace for the longest ttl and the slack, so
   * that whatever nobody renewed must be gone.
   */
  list: {
    in: { readonly settled: boolean };
    out: { readonly revision: number; readonly term: number; readonly ids: readonly number[] };
  };
  /** Lists the entries at `revision`, then follows the changes with a watch; `reached` is the last one's revision. */
  follow: {
    in: { readonly lifetime: Nanos };
    out: {
      readonly revision: number;
      readonly ids: readonly number[];
      readonly changes: readonly EntryChange[];
      readonly reached: number;
    };
  };
};

export interface RegistryOptions {
  /** How much earlier than promised a lease may expire: for servers whose clocks run fast. */
  readonly clockSlack: Nanos;
  /** How much later than its ttl an entry must have gone for a settled list. Elections start leases afresh. */
  readonly expirySlack: Nanos;
}

type Register = OperationOf<RegistrySignature, "register">;
type Look = OperationOf<RegistrySignature, "list" | "follow"> & { readonly type: "ok" };

interface Claim {
  readonly revision: number;
  readonly by: Act;
}

interface Entry {
  readonly id: number;
  readonly register: Register;
  /** Undefined if it is not known whether it was made. */
  readonly tenure: Tenure | undefined;
  readonly ttl: number;
  /** Cannot live longer than its ttl after this. */
  lastRenewal: Nanos;
  deregistered: (OperationOf<RegistrySignature, "deregister"> & { readonly type: "ok" }) | undefined;
  /** The greatest revision at which it is claimed to be there, the least at which it is claimed to be gone. */
  there: Claim | undefined;
  gone: Claim | undefined;
  /** Who learnt first that it was gone. */
  missed: Look | undefined;
}

/** The entries at one revision, as somebody held them. */
interface Holding {
  readonly revision: number;
  readonly ids: ReadonlySet<number>;
  readonly by: Look;
}

export function registryChecker(options: RegistryOptions): Checker<RegistrySignature> {
  return {
    name: "registry",
    check: (history: History<RegistrySignature>) => new RegistryCheck(history, options).verdict(),
  };
}

class RegistryCheck {
  readonly #options: RegistryOptions;
  readonly #findings = new Findings();
  readonly #entries = new Map<number, Entry>();
  readonly #holdings: Holding[] = [];
  #vanished = 0;

  constructor(history: History<RegistrySignature>, options: RegistryOptions) {
    this.#options = options;
    this.#collectEntries(history);
    for (const f of ["list", "follow"] as const)
      for (const look of history.byFunction(f)) if (look.type === "ok") this.#collectClaims(look);
    this.#claimAbsences();
    for (const entry of this.#entries.values()) this.#judge(entry);
    this.#judgeSettled(history);
  }

  verdict() {
    const blind = this.#holdings.length === 0 ? "nobody looked at the registry" : undefined;
    return this.#findings.verdict("registry", this.#entries.size, "entries", {
      doubt: blind,
      evidence: { entries: this.#entries.size, looks: this.#holdings.length, seenToEnd: this.#vanished },
    });
  }

  #collectEntries(history: History<RegistrySignature>): void {
    const { clockSlack } = this.#options;
    const current = new Map<Process, Entry>();
    for (const operation of history.client) {
      const { process, f } = operation;
      if (f === "register") {
        const { id, ttl: asked } = operation.input;
        const { revision: token, ttl } = operation.output ?? { revision: 0, ttl: asked };
        const made = operation.type === "ok";
        const tenure = made ? begin(operation, { token, ttl, renewed: 0 }, clockSlack) : undefined;
        const entry: Entry = {
          id,
          register: operation,
          tenure,
          ttl,
          lastRenewal: operation.completeTime,
          deregistered: undefined,
          there: made ? { revision: token, by: operation } : undefined,
          gone: undefined,
          missed: undefined,
        };
        this.#entries.set(id, entry);
        current.set(process, entry);
        continue;
      }
      const entry = current.get(process);
      if (entry?.tenure === undefined || operation.type === "fail") continue;
      if (f === "keepalive") {
        entry.lastRenewal = Math.max(entry.lastRenewal, operation.completeTime);
        if (operation.type === "ok") renew(entry.tenure, operation, operation.output.ttl, clockSlack);
      } else if (f === "deregister") {
        entry.tenure.endAsked = Math.min(entry.tenure.endAsked, operation.invokeIndex);
        if (operation.type === "ok") entry.deregistered = operation;
      }
    }
  }

  #collectClaims(by: Look): void {
    const { revision } = by.output;
    const ids = new Set(by.output.ids);
    this.#holdings.push({ revision, ids, by });
    for (const id of ids) this.#claimThere(id, revision, by);
    if (by.f === "list") return;
    const { changes, reached } = by.output;
    if (changes.length === 0) return;
    const held = new Set(ids);
    for (const { id, present, revision: at } of changes) {
      if (present) {
        held.add(id);
        this.#claimThere(id, at, by);
      } else {
        held.delete(id);
        this.#claimGone(id, at, by);
      }
    }
    for (const id of held) this.#claimThere(id, reached, by);
    this.#holdings.push({ revision: reached, ids: held, by });
  }

  #claimThere(id: number, revision: number, by: Look): void {
    const entry = this.#entries.get(id);
    const asked = entry !== undefined && entry.register.invokeIndex < by.completeIndex;
    if (!asked || entry.register.type === "fail") {
      this.#findings.add("entry from nowhere", "registry: entries are registered", [by.completeIndex], () => {
        const why = asked
          ? `whose registration had failed (${entry.register.error})`
          : "which nobody had registered";
        return `${who(by)} found entry ${id} at revision ${revision}, ${why}.`;
      });
      return;
    }
    if (entry.there === undefined || revision > entry.there.revision) entry.there = { revision, by };
  }

  #claimGone(id: number, revision: number, by: Look): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (entry.gone === undefined || revision < entry.gone.revision) entry.gone = { revision, by };
    if (entry.missed === undefined || by.completeTime < entry.missed.completeTime) entry.missed = by;
  }

  /**
   * Entries that a holding lacks although they had been registered. Holdings are taken by revision: the first that
   * lacks an entry tells all that later ones could; but who learnt first is not always who looked at the least
   * revision, so each holding asks for the entries of which it is the first to tell.
   */
  #claimAbsences(): void {
    const registered = [...this.#entries.values()].filter(({ tenure }) => tenure !== undefined);
    const token = ({ tenure }: Entry) => (tenure as Tenure).token;
    registered.sort((a, b) => token(a) - token(b));
    for (const order of [
      (a: Holding, b: Holding) => a.revision - b.revision,
      (a: Holding, b: Holding) => a.by.completeTime - b.by.completeTime,
    ]) {
      let open = [...registered];
      for (const { revision, ids, by } of [...this.#holdings].sort(order)) {
        const next: Entry[] = [];
        for (const entry of open)
          if (token(entry) > revision || ids.has(entry.id)) next.push(entry);
          else this.#claimGone(entry.id, revision, by);
        open = next;
      }
    }
  }

  #judge(entry: Entry): void {
    const { id, there, gone, missed, tenure, deregistered } = entry;
    if (gone !== undefined) this.#vanished++;
    if (there !== undefined && gone !== undefined && there.revision >= gone.revision)
      this.#findings.add(
        "diverging views",
        "registry: all see the same",
        [gone.by.completeIndex, there.by.completeIndex],
        () =>
          `For ${who(gone.by)} entry ${id} was gone at revision ${gone.revision}, but ${who(there.by)} held it at revision ${there.revision}.`,
      );
    if (there !== undefined && deregistered !== undefined && there.revision >= deregistered.output.revision)
      this.#findings.add(
        "lingering entry",
        "registry: what ended is gone",
        [deregistered.completeIndex, there.by.completeIndex],
        () =>
          `${who(deregistered)} had deregistered entry ${id} at revision ${deregistered.output.revision}, but ${who(there.by)} held it at revision ${there.revision}.`,
      );
    if (missed === undefined || tenure === undefined || tenure.endAsked < missed.completeIndex) return;
    const left = tenure.guaranteedUntil - missed.completeTime;
    if (left <= 0) return;
    this.#findings.add(
      "vanished entry",
      "registry: entries stay while their lease lives",
      [tenure.begun.completeIndex, ...tenure.renewal, missed.completeIndex],
      () =>
        `Entry ${id} of ${who(tenure.begun)} was sure to live ${seconds(left)} longer and nobody had asked for its end, but ${who(missed)} found it gone.`,
    );
  }

  /** In peace, entries that nobody renews are gone soon. A new leader starts all leases afresh. */
  #judgeSettled(history: History<RegistrySignature>): void {
    const began = new Map<number, Nanos>();
    for (const f of ["register", "list"] as const)
      for (const operation of history.byFunction(f)) {
        if (operation.type !== "ok") continue;
        const { term } = operation.output;
        began.set(term, Math.min(began.get(term) ?? operation.completeTime, operation.completeTime));
      }
    for (const list of history.byFunction("list")) {
      if (list.type !== "ok" || !list.input.settled) continue;
      for (const id of list.output.ids) {
        const entry = this.#entries.get(id);
        if (entry === undefined) continue;
        const since = Math.max(entry.lastRenewal, began.get(list.output.term) as Nanos);
        const over = list.invokeTime - (since + entry.ttl * SECOND + this.#options.expirySlack);
        if (over <= 0) continue;
        this.#findings.add(
          "lingering entry",
          "registry: what ended is gone",
          [entry.register.completeIndex, list.completeIndex],
          () =>
            `Entry ${id} of ${who(entry.register)} (ttl ${entry.ttl} s) should have been gone for ${seconds(over)}, with all slack, when ${who(list)} still found it.`,
        );
      }
    }
  }
}
