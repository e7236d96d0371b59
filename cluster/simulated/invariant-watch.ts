/**
 * Hangs the invariants of raft on every node of a simulated cluster. The first violation is kept and ends the
 * watching: after it the observer's own picture no longer means anything.
 */
import type { Verdict } from "../../src/checker.ts";
import type { Nanos, NodeId } from "../../src/history/op.ts";
import type { NodeObserver } from "../node/observer.ts";
import { RaftInvariants } from "../raft/invariants.ts";
import type { MemberStart } from "../raft/member-shadow.ts";
import type { Configuration, Index, MemberId, Message, Ready, Term } from "../raft/message.ts";
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
    const started = this.#guarded((start: MemberStart) => invariants.started(member, start));
    const sent = this.#guarded((message: Message) => invariants.sent(message));
    const configured = this.#guarded((index: Index, configuration: Configuration) =>
      invariants.configurationApplied(member, index, configuration),
    );
    return {
      started: (start) => {
        sites.started(member, node, start);
        started(start);
      },
      ready: this.#guarded((ready: Ready) => invariants.ready(member, ready)),
      written: (append, path, end) => {
        this.#writing.get(member)?.push({ append, path, end });
      },
      sent: (message) => {
        sites.sent(node, message);
        sent(message);
      },
      proposed: (command, data) => truth.proposed(command, data),
      commandApplied: (entry, command, applied) => {
        sites.commandApplied(command, applied);
        truth.commandApplied(entry, applied);
      },
      applied: this.#guarded((index: Index, hash: number) => invariants.applied(member, index, hash)),
      restored: this.#guarded((index: Index, hash: number) => invariants.restored(member, index, hash)),
      configurationApplied: (index, configuration) => {
        sites.configurationApplied(configuration);
        configured(index, configuration);
      },
      readRequested: this.#guarded((context: number) => invariants.readRequested(member, context)),
      acknowledged: this.#guarded((index: Index, term: Term) => invariants.acknowledged(member, index, term)),
    };
  }

  /** Believes the disk, not the node, as to what is durable. */
  watchDisk(disk: SimulatedDisk, member: () => MemberId): void {
    const persisted = this.#guarded((append: Append) => this.#invariants.persisted(member(), append));
    disk.onDurable((path, _from, to) => {
      const writing = this.#writing.get(member());
      while (writing !== undefined && writing.length > 0) {
        const first = writing[0] as Written;
        if (first.path === path && first.end > to) return;
        // A later file is synced only after the earlier ones were.
        if (first.path !== path && !writing.some((written) => written.path === path && written.end <= to))
          return;
        writing.shift();
        persisted(first.append);
      }
    });
  }

  /** The member and its disk are gone on purpose. */
  wiped(member: MemberId): void {
    this.#writing.delete(member);
    this.#guarded(() => this.#invariants.wiped(member))();
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

  /** A step of the observer's, made once and taken many times, until the first violation. */
  #guarded<Arguments extends readonly unknown[]>(
    step: (...given: Arguments) => void,
  ): (...given: Arguments) => void {
    return (...given) => {
      if (this.#violation !== undefined) return;
      this.#checks++;
      try {
        step(...given);
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        this.#violation = { violation: error, time: this.#now() };
      }
    };
  }
}
