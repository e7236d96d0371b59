/**
 * Leases: alive as long as promised, dead soon after, and their keys with them.
 *
 * A lease is *sure to live* until its ttl after the invocation of the grant or of the last keepalive that
 * succeeded, unless its revocation was asked for before. It is *sure to be dead* once a revocation was
 * acknowledged. Keys are put once, each under one lease, so a missing key can only have gone with its lease;
 * reads carry the store's revision, and one revision must separate a lease's keys from their absence.
 * Times are those of the tester.
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import type { Nanos } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";

const SECOND = 1_000_000_000;

export type LeaseSignature = {
  /** `ttl` in seconds. The member chooses the id. */
  grant: { in: { readonly ttl: number }; out: { readonly lease: string; readonly ttl: number } };
  /** `ttl` 0: there is no such lease. */
  keepalive: { in: { readonly lease: string }; out: { readonly ttl: number } };
  /** `ttl` -1: there is no such lease. */
  inspect: {
    in: { readonly lease: string };
    out: { readonly ttl: number; readonly keys: readonly string[] };
  };
  /** `revision` is the store's after the revocation. */
  revoke: { in: { readonly lease: string }; out: { readonly revision: number } };
  /** Each key is put at most once. */
  put: {
    in: { readonly lease: string; readonly key: string };
    out: { readonly revision: number; readonly term: number };
  };
  /**
   * All keys with their leases, linearizable, and the revision of that state. `term` is that of the leader, who is
   * one member for a whole term. `settled`: the cluster had been left
   * in peace for the longest ttl and the slack, so that whatever nobody renewed must be gone.
   */
  read: {
    in: { readonly settled: boolean };
    out: {
      readonly revision: number;
      readonly term: number;
      readonly leases: { readonly [key: string]: string };
    };
  };
};

export interface LeaseCheckerOptions {
  /** How much earlier than promised a lease may expire: for servers whose clocks run fast. */
  readonly clockSlack: Nanos;
  /** How much later than its ttl a lease must have gone for a settled read. Elections start leases afresh. */
  readonly expirySlack: Nanos;
}

type Read = OperationOf<LeaseSignature, "read"> & { readonly type: "ok" };
type Put = OperationOf<LeaseSignature, "put"> & { readonly type: "ok" };

/** Invocation and completion of an operation, and who ran it. */
type Span = Pick<
  OperationOf<LeaseSignature, "grant">,
  "process" | "node" | "invokeIndex" | "completeIndex" | "invokeTime" | "completeTime"
>;

interface Lease {
  readonly id: string;
  readonly grant: Span;
  /** Sure to live until then, not counting revocations. */
  aliveUntil: Nanos;
  /** The grant or keepalive that makes it so. */
  renewal: Span;
  /** Cannot live longer than its ttl after this: the completion of the last grant or keepalive, successful or unknown. */
  lastRenewal: Nanos;
  ttl: number;
  /** Index of the first invocation of a revocation whose effect cannot be excluded. */
  revokeAsked: number;
  /** The first revocation that was acknowledged. */
  revoked: (Span & { readonly revision: number }) | undefined;
  readonly puts: Put[];
  /** Highest revision at which a read showed a key of it, and lowest at which one lacked a key. */
  present: { readonly revision: number; readonly key: string; readonly read: Read } | undefined;
  absent:
    | { readonly revision: number; readonly key: string; readonly read: Read; readonly put: Put }
    | undefined;
}

export function leaseChecker(options: LeaseCheckerOptions): Checker<LeaseSignature> {
  return {
    name: "lease",
    check(history: History<LeaseSignature>) {
      const findings = new Findings();
      const leases = collectLeases(history, findings);
      const evidence = { granted: leases.size, revoked: 0, seenExpired: 0 };
      judgeKeepalives(history, leases, options, findings);
      judgeInspections(history, leases, options, findings);
      judgeReads(history, leases, options, findings);
      for (const lease of leases.values()) {
        if (lease.revoked !== undefined) evidence.revoked++;
        else if (lease.absent !== undefined) evidence.seenExpired++;
        judgeTogether(lease, findings);
      }
      return findings.verdict("lease", leases.size, "leases", { evidence });
    },
  };
}

function collectLeases(history: History<LeaseSignature>, findings: Findings): ReadonlyMap<string, Lease> {
  const leases = new Map<string, Lease>();
  for (const grant of history.byFunction("grant")) {
    if (grant.type !== "ok") continue;
    const { lease: id, ttl } = grant.output;
    const twin = leases.get(id);
    if (twin !== undefined) {
      findings.add(
        "lease id given twice",
        "lease: ids are unique",
        [twin.grant.completeIndex, grant.completeIndex],
        () => `${who(twin.grant)} and ${who(grant)} were both granted a lease with id ${id}.`,
      );
      continue;
    }
    leases.set(id, {
      id,
      grant,
      aliveUntil: grant.invokeTime + ttl * SECOND,
      renewal: grant,
      lastRenewal: grant.completeTime,
      ttl,
      revokeAsked: Number.POSITIVE_INFINITY,
      revoked: undefined,
      puts: [],
      present: undefined,
      absent: undefined,
    });
  }
  for (const operation of history.client) {
    if (operation.f === "grant" || operation.f === "read") continue;
    const lease = leases.get(operation.input.lease);
    if (lease === undefined) continue;
    if (operation.f === "put" && operation.type === "ok") lease.puts.push(operation);
    else if (operation.f === "revoke" && operation.type !== "fail") {
      lease.revokeAsked = Math.min(lease.revokeAsked, operation.invokeIndex);
      if (operation.type === "ok" && operation.completeIndex < (lease.revoked?.completeIndex ?? Infinity))
        lease.revoked = { ...operation, revision: operation.output.revision };
    } else if (
      operation.f === "keepalive" &&
      (operation.type === "info" || (operation.output?.ttl ?? 0) > 0)
    ) {
      lease.lastRenewal = Math.max(lease.lastRenewal, operation.completeTime);
      if (operation.type !== "ok") continue;
      const until = operation.invokeTime + operation.output.ttl * SECOND;
      if (until <= lease.aliveUntil) continue;
      lease.aliveUntil = until;
      lease.renewal = operation;
    }
  }
  return leases;
}

/** Somebody learnt, by the completion of `observation`, that the lease is no more. */
function judgeDead(
  lease: Lease,
  observation: Span,
  how: string,
  { clockSlack }: LeaseCheckerOptions,
  findings: Findings,
): void {
  if (lease.revokeAsked < observation.completeIndex || lease.grant.completeIndex > observation.invokeIndex)
    return;
  const { renewal } = lease;
  if (renewal.invokeIndex > observation.completeIndex) {
    findings.add(
      "lease came back",
      "lease: dead for ever",
      [observation.completeIndex, renewal.invokeIndex, renewal.completeIndex],
      () => `${who(observation)} ${how}, and later ${who(renewal)} renewed lease ${lease.id}.`,
    );
    return;
  }
  const left = lease.aliveUntil - clockSlack - observation.completeTime;
  if (left <= 0) return;
  findings.add(
    "expired early",
    "lease: alive for its ttl",
    [renewal.invokeIndex, renewal.completeIndex, observation.completeIndex],
    () =>
      `Lease ${lease.id}, granted to ${who(lease.grant)} and last renewed by ${who(renewal)}, had to live ${(left / SECOND).toFixed(3)} s longer when ${who(observation)} ${how}.`,
  );
}

/**
 * Somebody learnt, after the invocation of `observation`, that the lease still lives. `since` is when the leader of
 * that time was first heard of: a new leader starts all leases afresh.
 */
function judgeAlive(
  lease: Lease,
  observation: Span,
  since: Nanos,
  how: string,
  { expirySlack }: LeaseCheckerOptions,
  findings: Findings,
): void {
  const over =
    observation.invokeTime - (Math.max(lease.lastRenewal, since) + lease.ttl * SECOND + expirySlack);
  if (over <= 0) return;
  findings.add(
    "expired late",
    "lease: gone after its ttl",
    [lease.grant.completeIndex, lease.renewal.completeIndex, observation.completeIndex],
    () =>
      `Lease ${lease.id} (ttl ${lease.ttl} s) was last renewed by ${who(lease.renewal)}, and with all slack it should have been gone for ${(over / SECOND).toFixed(3)} s when ${who(observation)} ${how}.`,
  );
}

function judgeKeepalives(
  history: History<LeaseSignature>,
  leases: ReadonlyMap<string, Lease>,
  options: LeaseCheckerOptions,
  findings: Findings,
): void {
  for (const keepalive of history.byFunction("keepalive")) {
    const lease = leases.get(keepalive.input.lease);
    if (lease === undefined || keepalive.type !== "ok") continue;
    if (keepalive.output.ttl <= 0) {
      judgeDead(lease, keepalive, "was told, asking to renew it, that it does not exist", options, findings);
      continue;
    }
    // Success renews: only what was known before it can prove that it came too late.
    const { revoked } = lease;
    if (revoked !== undefined && revoked.completeIndex < keepalive.invokeIndex)
      findings.add(
        "keepalive of a revoked lease",
        "lease: dead once revoked",
        [revoked.completeIndex, keepalive.invokeIndex, keepalive.completeIndex],
        () =>
          `${who(revoked)} had revoked lease ${lease.id}, and later ${who(keepalive)} renewed it for ${keepalive.output.ttl} s.`,
      );
  }
}

function judgeInspections(
  history: History<LeaseSignature>,
  leases: ReadonlyMap<string, Lease>,
  options: LeaseCheckerOptions,
  findings: Findings,
): void {
  for (const inspect of history.byFunction("inspect")) {
    const lease = leases.get(inspect.input.lease);
    if (lease !== undefined && inspect.type === "ok" && inspect.output.ttl < 0)
      judgeDead(
        lease,
        inspect,
        "was told, asking for its time to live, that it does not exist",
        options,
        findings,
      );
  }
}

/**
 * Reads are taken by revision: the first that lacks a key of a lease tells all there is to learn from absences,
 * so that each read looks only at the leases that still had their keys before.
 */
function judgeReads(
  history: History<LeaseSignature>,
  leases: ReadonlyMap<string, Lease>,
  options: LeaseCheckerOptions,
  findings: Findings,
): void {
  const attachedTo = new Map<string, string>();
  for (const put of history.byFunction("put")) attachedTo.set(put.input.key, put.input.lease);
  const firstHeard = firstHeardOf(history);
  const reads = history.byFunction("read").filter((read) => read.type === "ok");
  reads.sort((a, b) => a.output.revision - b.output.revision || a.completeIndex - b.completeIndex);

  const waiting = [...leases.values()].filter((lease) => lease.puts.length > 0);
  for (const { puts } of waiting) puts.sort((a, b) => a.output.revision - b.output.revision);
  waiting.sort((a, b) => firstRevision(b) - firstRevision(a));
  let attached: Lease[] = [];
  for (const read of reads) {
    judgePresent(read, leases, attachedTo, firstHeard, options, findings);
    const { revision, leases: present } = read.output;
    for (
      let next = waiting.at(-1);
      next !== undefined && firstRevision(next) <= revision;
      next = waiting.at(-1)
    )
      attached.push(waiting.pop() as Lease);
    attached = attached.filter((lease) => {
      const put = lease.puts.find((p) => p.output.revision <= revision && present[p.input.key] === undefined);
      if (put === undefined) return true;
      const { key } = put.input;
      lease.absent = { revision, key, read, put };
      judgeDead(lease, read, `read all keys at revision ${revision} and ${key} was gone`, options, findings);
      return false;
    });
  }
}

function firstRevision(lease: Lease): number {
  return lease.puts[0]?.output.revision ?? Number.POSITIVE_INFINITY;
}

function judgePresent(
  read: Read,
  leases: ReadonlyMap<string, Lease>,
  attachedTo: ReadonlyMap<string, string>,
  firstHeard: ReadonlyMap<number, Nanos>,
  options: LeaseCheckerOptions,
  findings: Findings,
): void {
  const { revision } = read.output;
  for (const [key, owner] of Object.entries(read.output.leases)) {
    const asked = attachedTo.get(key);
    if (owner !== asked)
      findings.add(
        "wrong lease",
        "lease: keys stay attached",
        [read.completeIndex],
        () =>
          `${who(read)} found ${key} under lease ${owner}, but it was ${asked === undefined ? "never put" : `put under ${asked}`}.`,
      );
    const lease = leases.get(owner);
    if (lease === undefined) continue;
    lease.present = { revision, key, read };
    if (read.input.settled)
      judgeAlive(
        lease,
        read,
        firstHeard.get(read.output.term) ?? read.completeTime,
        `still read its key ${key} at revision ${revision}`,
        options,
        findings,
      );
  }
}

/** When each term was first heard of; it began no later. */
function firstHeardOf(history: History<LeaseSignature>): Map<number, Nanos> {
  const heard = new Map<number, Nanos>();
  for (const operation of history.client) {
    if (operation.type !== "ok" || (operation.f !== "read" && operation.f !== "put")) continue;
    const { term } = operation.output;
    const before = heard.get(term);
    if (before === undefined || operation.completeTime < before) heard.set(term, operation.completeTime);
  }
  return heard;
}

/** All keys of a lease go at one revision: no key is seen at or after a revision at which another was missing. */
function judgeTogether(lease: Lease, findings: Findings): void {
  const { present, absent, revoked } = lease;
  if (present !== undefined && absent !== undefined && present.revision >= absent.revision)
    findings.add(
      "keys parted from their lease",
      "lease: all keys go at once",
      [absent.put.completeIndex, absent.read.completeIndex, present.read.completeIndex],
      () =>
        `Key ${absent.key} of lease ${lease.id} was gone for ${who(absent.read)} at revision ${absent.revision}, but key ${present.key} of the same lease was there for ${who(present.read)} at revision ${present.revision}.`,
    );
  if (revoked === undefined) return;
  if (present !== undefined && present.revision >= revoked.revision)
    findings.add(
      "key outlived its lease",
      "lease: all keys go at once",
      [revoked.completeIndex, present.read.completeIndex],
      () =>
        `${who(revoked)} revoked lease ${lease.id} at revision ${revoked.revision}, but ${who(present.read)} read its key ${present.key} at revision ${present.revision}.`,
    );
  for (const put of lease.puts) {
    if (put.output.revision <= revoked.revision && put.invokeIndex < revoked.completeIndex) continue;
    findings.add(
      "put under a revoked lease",
      "lease: dead once revoked",
      [revoked.completeIndex, put.invokeIndex, put.completeIndex],
      () =>
        `${who(revoked)} had revoked lease ${lease.id} at revision ${revoked.revision}, but ${who(put)} put ${put.input.key} under it at revision ${put.output.revision}.`,
    );
  }
}
