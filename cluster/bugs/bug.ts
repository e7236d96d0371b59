/** What is known of a planted bug. */

export interface PlantedBug {
  readonly name: string;
  readonly area:
    | "election"
    | "commit"
    | "membership"
    | "persistence"
    | "snapshot"
    | "reads"
    | "txn"
    | "auth"
    | "watch"
    | "lease"
    | "lock"
    | "client";
  /** The mutation, in one line. */
  readonly mutation: string;
  /** The real bug, or the textbook, it is modelled on. */
  readonly reference: string;
  /** The workload whose default configuration must find it. */
  readonly workload: string;
  /** What a plan has to say beyond the workload's name for the bug to be able to show. */
  readonly plan?: {
    readonly nodes?: number;
    readonly faults?: string[];
    readonly raftkv?: {
      readonly readMode?: "lease";
      readonly checkQuorum?: boolean;
      readonly preVote?: boolean;
      readonly peerTransport?: "datagram";
    };
  };
}

/** A mutation that no run can tell from the original, and why. */
export interface EquivalentMutant {
  readonly name: string;
  /** The workload, and what else of a plan, that would show it if anything did. */
  readonly workload: string;
  readonly plan?: { readonly faults: string[] };
  readonly mutation: string;
  readonly argument: string;
}
