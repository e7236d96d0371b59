/**
 * Counts what a run reached: every kind of event that is traced, and the "sometimes" sites that only show from
 * outside, in the states of several members or in what was before.
 */
import type { ClusterEvent } from "../../src/cluster.ts";
import type { Json, Nanos, NodeId } from "../../src/history/op.ts";
import { MILLISECOND } from "../../src/runtime/runtime.ts";
import type { World } from "../../src/runtime/world.ts";
import type { Applied, Command } from "../kv/command.ts";
import type { NodeObserver } from "../node/observer.ts";
import type { Configuration, Index, MemberId, Message, Term } from "../raft/message.ts";
import type { SiteName } from "../sites.ts";

type Start = Parameters<NodeObserver["started"]>[0];

const QUICK: Nanos = 50 * MILLISECOND;
/** Every so many heartbeats, a leader's windows are looked at. */
const SAMPLE = 64;
/** Index of the state that founders begin with. */
const FOUNDED: Index = 1;

/** One incarnation of a member. */
interface Incarnation extends Start {
  readonly member: MemberId;
  readonly node: NodeId;
}

interface Options {
  readonly maxInflight: number;
  /** Whether the link from one node to another is cut. */
  readonly cut: (from: NodeId, to: NodeId) => boolean;
}

export class SiteWatch {
  readonly #options: Options;
  readonly #reached = new Map<string, number>();
  /** Every node that was ever started. */
  readonly #nodes: NodeId[] = [];
  readonly #running = new Map<NodeId, Incarnation | undefined>();
  readonly #endedAt = new Map<NodeId, Nanos>();
  /** The newest term that each node led, in any incarnation. */
  readonly #led = new Map<NodeId, Term>();
  readonly #learners = new Set<MemberId>();
  #transfer: { readonly to: MemberId; readonly term: Term } | undefined;
  #heartbeats = 0;

  constructor(world: World, options: Options) {
    this.#options = options;
    world.onTrace((event) => this.#traced(event));
  }

  /** How often each site and each kind of event was reached, by name. */
  get reached(): { readonly [site: string]: number } {
    return Object.fromEntries([...this.#reached].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  reach(site: SiteName): void {
    this.#count(site);
  }

  started(member: MemberId, node: NodeId, start: Start): void {
    this.#running.set(node, { ...start, member, node });
    if (start.applied > FOUNDED) this.reach("restarted-from-snapshot");
  }

  sent(node: NodeId, message: Message): void {
    switch (message.type) {
      case "read-index":
        this.reach("read-forwarded");
        return;
      case "append-response":
        if (!message.reject) return;
        this.reach("append-rejected");
        if (message.hintIndex < message.index - 1) this.reach("append-hint-skips");
        return;
      case "heartbeat":
        if (++this.#heartbeats % SAMPLE === 0) this.#lookAtWindows(node);
        return;
      case "snapshot":
        if (this.#running.get(node)?.core.configuration.learners.includes(message.to))
          this.reach("snapshot-to-learner");
    }
  }

  commandApplied(command: Command, { response, events }: Applied): void {
    switch (command.kind) {
      case "txn":
        if (response.kind !== "txn") return;
        if (!response.succeeded) this.reach("txn-failed-branch");
        return;
      case "compact":
        if (response.kind === "compact") this.reach("history-compacted");
        return;
      case "lease-revoke":
        if (events.length > 0) this.reach("lease-revoked");
    }
  }

  configurationApplied(configuration: Configuration): void {
    for (const member of configuration.learners) this.#learners.add(member);
    for (const member of configuration.voters) {
      if (!this.#learners.delete(member)) continue;
      this.reach("learner-promoted");
      if (this.#anyCut(false)) this.reach("learner-promoted-under-cut");
    }
  }

  #traced({ node, kind, detail, time }: ClusterEvent): void {
    this.#count(kind);
    switch (kind) {
      case "become-leader":
        this.#elected(node, Number(field(detail, "term")));
        return;
      case "become-pre-candidate":
      case "become-candidate":
        if (this.#anyCut(true)) this.reach("election-under-one-way-cut");
        return;
      case "first-commit-of-term":
        if (this.#running.size < this.#nodes.length) this.reach("commit-without-everybody");
        return;
      case "log-truncated":
        this.#truncated(node, Number(field(detail, "from")), Number(field(detail, "previousLast")));
        return;
      case "config-applied":
        this.#configured(node);
        return;
      case "transfer-started":
        this.#transfer = { to: Number(field(detail, "to")), term: Number(field(detail, "term")) };
        return;
      case "lease-promoted":
        if (Number(field(detail, "leases")) > 0) this.reach("leases-inherited");
        return;
      case "restored":
        if (Number(field(detail, "watches")) > 0) this.reach("watch-restored");
        return;
      case "exit":
        if (field(detail, "reason") === "removed from the cluster") this.reach("member-said-farewell");
        return;
      case "process-started":
        if (!this.#nodes.includes(node)) this.#nodes.push(node);
        this.#running.set(node, undefined);
        if (time - (this.#endedAt.get(node) ?? -Infinity) <= QUICK) this.reach("restarted-quickly");
        return;
      case "process-paused":
        if (this.#running.get(node)?.core.role === "leader") this.reach("leader-paused");
        return;
      case "power-lost":
        if (Number(field(detail, "lostPages")) > 0) this.reach("pages-lost");
        if (Number(field(detail, "tornPages")) > 0) this.reach("pages-torn");
        if (Number(field(detail, "lostNames")) > 0) this.reach("names-lost");
        this.#ended(node, time);
        return;
      case "process-ended":
        this.#ended(node, time);
    }
  }

  #count(name: string): void {
    this.#reached.set(name, (this.#reached.get(name) ?? 0) + 1);
  }

  #elected(node: NodeId, term: Term): void {
    this.#led.set(node, term);
    for (const other of this.#running.values())
      if (
        other !== undefined &&
        other.node !== node &&
        other.core.role === "leader" &&
        other.core.term !== term
      )
        this.reach("two-leaders");
    const transfer = this.#transfer;
    if (
      transfer !== undefined &&
      this.#running.get(node)?.member === transfer.to &&
      term === transfer.term + 1
    )
      this.reach("transfer-completed");
  }

  /** Called before the entries go. Those that are not durable yet are not looked at. */
  #truncated(node: NodeId, from: Index, previousLast: Index): void {
    const storage = this.#running.get(node)?.storage;
    const first = storage?.term(from);
    if (storage === undefined || first === undefined) return;
    const last = storage.term(Math.min(previousLast, storage.lastIndex)) ?? first;
    if (last !== first) this.reach("several-terms-truncated");
    if (last === this.#led.get(node)) this.reach("own-entries-truncated");
  }

  #configured(node: NodeId): void {
    const incarnation = this.#running.get(node);
    if (incarnation?.core.role !== "leader") return;
    if (!incarnation.core.configuration.voters.includes(incarnation.member)) this.reach("leader-removed");
  }

  #ended(node: NodeId, time: Nanos): void {
    if (!this.#running.has(node)) return;
    if (this.#running.get(node)?.core.role === "leader") this.reach("leader-ended");
    this.#running.delete(node);
    this.#endedAt.set(node, time);
    if (this.#running.size === 0) this.reach("all-down");
    if (this.#running.size * 2 <= this.#nodes.length) this.reach("majority-down");
  }

  /** Whether some link between nodes is cut; `oneWay`: and open in the other direction. */
  #anyCut(oneWay: boolean): boolean {
    const { cut } = this.#options;
    for (const from of this.#nodes)
      for (const to of this.#nodes)
        if (from !== to && cut(from, to) && !(oneWay && cut(to, from))) return true;
    return false;
  }

  #lookAtWindows(leader: NodeId): void {
    const { maxInflight } = this.#options;
    const progress = this.#running.get(leader)?.core.status().progress ?? [];
    if (progress.some((follower) => follower.state === "replicate" && follower.inflight >= maxInflight))
      this.reach("window-full");
  }
}

function field(detail: Json, name: string): Json {
  return (detail as { readonly [field: string]: Json })[name] ?? null;
}
