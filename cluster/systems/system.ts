/**
 * A system under test on real machines: how a member of it is started, how it is spoken to, and what its log means.
 * One such value is all it takes to test another system; `raftkv.ts` and `etcd.ts` are two.
 */
import type { Json, Nanos } from "../../src/history/op.ts";
import type { Plan } from "../../src/plan.ts";

/** Who takes part in a cluster, and where. */
export interface Peer {
  readonly name: string;
  /** An IP address of the member's own: it may listen on any port of it. */
  readonly address: string;
}

/** A member as it is to be started. */
export interface MemberSpec extends Peer {
  /** Where it keeps its data: its own, and missing before its first start. */
  readonly directory: string;
  /** The members of the cluster, itself included. */
  readonly cluster: readonly Peer[];
  /** It founds the cluster together with the others; otherwise they have agreed to take it in. */
  readonly founding: boolean;
}

/** The program of a member in a container. */
export interface Packed {
  readonly command: readonly string[];
  /** An image that has the program; undefined for one with Node, to which `files` are added. */
  readonly image?: string;
  /** Files of this machine, by the absolute path that they have in the image. */
  readonly files: { readonly [path: string]: string };
}

/** How a member is run. The process is the member: it stays in the foreground, and logs to its standard output or error. */
export interface Invocation {
  /** What follows the program. */
  readonly words: readonly string[];
  /** Besides what the tester's own environment says. */
  readonly environment?: { readonly [name: string]: string };
}

export interface System<Api> {
  readonly name: string;
  /** One sentence for `faultline list systems`. */
  readonly summary: string;
  /** What its `Control` can do besides. */
  readonly can: readonly ("admin" | "members")[];
  /** Throws UsageError if the plan asks for what the system has not, or the machine cannot run it. */
  check(plan: Plan): void;
  /** A time after which the members have surely begun an election, if they miss their leader. */
  electionTimeout(plan: Plan): Nanos;
  /** The program of this machine: the first words of a member's command. */
  program(plan: Plan): readonly string[];
  /** The same for a container. Throws UsageError if something has to be made or installed first. */
  packed(plan: Plan): Packed;
  /** The same each time that a member is started, so that it comes back as who it was. */
  invocation(member: MemberSpec, plan: Plan): Invocation;
  /** A client of its own for one member; nothing is sent yet. Each of its requests ends after `timeout`. */
  api(address: string, timeout: Nanos): Api;
  /** The same for the tester's own purposes. */
  control(address: string, timeout: Nanos): Control;
  /** What is wrong if a member logs this line: a panic, a broken assertion; undefined if nothing is. */
  finding(line: string): string | undefined;
}

/** What the tester itself asks of a member. Everything rejects if it is refused or not answered in time. */
export interface Control {
  /** Has the cluster agree on something that leaves no trace in what workloads see. */
  probe(): Promise<void>;
  /** The term it believes to lead in; undefined if it does not. */
  leads(): Promise<number | undefined>;
  /** Compacts the store's history at its head minus `keep` revisions, if the system can "admin". */
  compact?(keep: number): Promise<Json>;
  /** If the system can "members". */
  readonly members?: Membership;
  close(): void;
}

/** A cluster's agreement on who belongs to it. */
export interface Membership {
  list(): Promise<readonly { readonly id: string; readonly address: string; readonly learner: boolean }[]>;
  /** Gives the new member's id. It has to be started afterwards. */
  add(address: string, learner: boolean): Promise<string>;
  promote(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  /** Asked of the leader. */
  transferLeader(to: string): Promise<void>;
}
