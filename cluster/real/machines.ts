/** The machines that members run on, be they processes or containers: all that a cluster knows of its place. */
import type { Links } from "../../src/cluster.ts";
import type { Json, NodeId } from "../../src/history/op.ts";
import type { MemberSpec } from "../systems/system.ts";

export interface Machines {
  /** IP address of a member; the ports on it are the member's own. */
  address(node: NodeId): string;
  /** Where a member keeps its data, as it sees it itself. */
  directory(node: NodeId): string;
  member(node: NodeId, options: MemberOptions): Member;
  readonly links?: Links;
  /** Ends all there still is. */
  close(): Promise<void>;
}

export interface MemberOptions {
  /** A file that everything it says is appended to. */
  readonly log: string;
  /** It ended, and nobody had told it to. `how` is its exit code or signal. */
  readonly ended: (how: number | string) => void;
}

/** One member: started, killed, frozen and thawed, and what it leaves behind. Each action says what it did. */
export interface Member {
  readonly state: "running" | "paused" | "dead";
  /** Of its process on this machine; undefined while there is none. */
  readonly pid: number | undefined;
  /** Does nothing to a live one. */
  start(spec: MemberSpec): Promise<Json>;
  /** Ends it at once. Resolves when it is gone. */
  kill(): Promise<Json>;
  /** Asks it to end, and kills it if it does not. */
  stop(): Promise<Json>;
  /** Resolves when it is frozen. */
  pause(): Promise<Json>;
  resume(): Promise<Json>;
  /** Removes the data of a dead one. */
  wipe(): Promise<void>;
  /** Copies the data of a dead one, if it has any, to a directory of this machine that does not exist yet. */
  keep(directory: string): Promise<void>;
}
