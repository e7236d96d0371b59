/**
 * Hangs the invariants of raft on every node of a simulated cluster. The first violation is kept and ends the
 * watching: after it the observer's own picture no longer means anything.
 */
import type { Verdict } from "../../src/checker.ts";
import type { Nanos, NodeId } from "../../src/history/op.ts";
import type { NodeObserver } from "../node/observer.ts";
import { RaftInvariants } from "../raft/invariants.ts";
import type { MemberId, Ready } from "../raft/message.ts";
import { Violation } from "../raft/violation.ts";
import type { SimulatedDisk } from "./disk.ts";
import type { GroundTruth } from "./ground-truth.ts";
import type { SiteWatch } from "./site-watch.ts";

type Append = NonNullable<Ready["append"]>;

/** An append on its way to the disk: durable once the first `end` bytes of `path` are. */
interface Written {
  readonly append: Append;
  readonly path: string;
  readonly end: number;
}

export class InvariantWatch {
  readonly #invariants: RaftInvariants;
  readonly #now: () => Nanos;
  readonly #sites: SiteWatch;
  readonly #truth: GroundTruth;
  readonly #nodes = new Map<MemberId, NodeId>();
  /** By member; oldest first. */
  readonly #writing = new Map<MemberId, Written[]>();
  #violation: { readonly violation: Violation; readonly time: Nanos } | undefined;
  #checks = 0;

  constructor(maxInflight: number, now: () => Nanos, sites: SiteWatch, truth: GroundTruth) {
    this.#invariants = new RaftInvariants({ maxInflight });
    this.#now = now;
    this.#sites = sites;
    this.#truth = truth;
  }

  /** What `member`, running at `node`, is to call. A new one for every incarnation. */
  observer(member: MemberId, node: NodeId): NodeObserver {
    const invariants = this.#invariants;
    const sites = this.#sites;
    const truth = this.#truth;
    this.#nodes.set(member, node);
    if ((this.#writing.get(member)?.length ?? 0) > 0) sites.reach("killed-before-sync");
    this.#writing.set(member, []);
    return {
      started: (start) => {
        sites.started(member, node, start);
        this.#guard(() => invariants.started(member, start));
      },
      ready: (ready) => this.#guard(() => invariants.ready(member, ready)),
      written: (append, path, end) => {
        this.#writing.get(member)?.push({ append, path, end });
      },
      sent: (message) => {
        sites.sent(node, message);
        this.#guard(() => invariants.sent(message));
      },
      proposed: (command, data) => truth.proposed(command, data),
      commandApplied: (entry, command, applied) => {
        sites.commandApplied(command, applied);
        truth.commandApplied(entry, applied);
      },
      applied: (index, stateHash) => this.#guard(() => invariants.applied(member, index, stateHash)),
      restored: (index, stateHash) => this.#guard(() => invariants.restored(member, index, stateHash)),
      configurationApplied: (index, configuration) => {
        sites.configurationApplied(configuration);
        this.#guard(() => invariants.configurationApplied(member, index, configuration));
      },
      readRequested: (context) => this.#guard(() => invariants.readRequested(member, context)),
      acknowledged: (index, term) => this.#guard(() => invariants.acknowledged(member, index, term)),
    };
  }

  /** Believes the disk, not the node, as to what is durable. */
  watchDisk(disk: SimulatedDisk, member: () => MemberId): void {
    disk.onDurable((path, _from, to) => {
      const writing = this.#writing.get(member());
      while (writing !== undefined && writing.length > 0) {
        const first = writing[0] as Written;
        if (first.path === path && first.end > to) return;
        // A later file is synced only after the earlier ones were.
        if (first.path !== path && !writing.some((written) => written.path === path && written.end <= to))
          return;
        writing.shift();
        this.#guard(() => this.#invariants.persisted(member(), first.append));
      }
    });
  }

  /** The member and its disk are gone on purpose. */
  wiped(member: MemberId): void {
    this.#writing.delete(member);
    this.#guard(() => this.#invariants.wiped(member));
  }

  verdict(): Verdict {
    const found = this.#violation;
    if (found === undefined) {
      return {
        checker: "raft-invariants",
        validity: this.#checks > 0 ? "valid" : "unknown",
        reason:
          this.#checks > 0 ? `${this.#checks} steps kept every invariant of raft` : "no step was observed",
        checked: this.#checks,
        anomalies: [],
      };
    }
    const { violation, time } = found;
    const explanation = violation.message.replace(
      /\bn(\d+)\b/g,
      (_, id: string) => this.#nodes.get(Number(id)) ?? `member ${id}`,
    );
    return {
      checker: "raft-invariants",
      validity: "invalid",
      reason: explanation,
      checked: this.#checks,
      anomalies: [
        { name: violation.invariant, guarantee: `raft: ${violation.invariant}`, explanation, witness: [] },
      ],
      evidence: {
        time,
        node: this.#nodes.get(violation.member) ?? "",
        term: violation.term,
        index: violation.index,
      },
    };
  }

  #guard(step: () => void): void {
    if (this.#violation !== undefined) return;
    this.#checks++;
    try {
      step();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#violation = { violation: error, time: this.#now() };
    }
  }
}
