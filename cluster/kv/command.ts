/**
 * What goes through the replicated log: every change of the store, and what comes out of applying it.
 * Applying is a function of the store and the command alone: no clock, no chance.
 */
import type {
  AlarmRequest,
  AlarmResponse,
  AuthRequest,
  AuthResponse,
  Caller,
  CompactRequest,
  CompactResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseId,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  PutRequest,
  PutResponse,
  Revision,
  StatusError,
  TxnRequest,
  TxnResponse,
  WatchEvent,
} from "./request.ts";

/** Leaders record how long leases have left, so that a new leader does not start them afresh. Seconds. */
export type LeaseCheckpoint = {
  readonly kind: "lease-checkpoint";
  readonly leases: readonly { readonly id: LeaseId; readonly remaining: number }[];
};

type Change =
  | PutRequest
  | DeleteRangeRequest
  | TxnRequest
  | CompactRequest
  | (LeaseGrantRequest & {
      /** Never "0" here: the proposer has chosen. */ readonly id: LeaseId;
    })
  | LeaseRevokeRequest
  | LeaseCheckpoint
  | AlarmRequest
  | AuthRequest;

/** A change, and who asks for it: nobody unless it is said. */
export type Command = Change & { readonly caller?: Caller };

export type CommandResponse =
  | PutResponse
  | DeleteRangeResponse
  | TxnResponse
  | CompactResponse
  | LeaseGrantResponse
  | LeaseRevokeResponse
  | AlarmResponse
  | AuthResponse
  | { readonly kind: "lease-checkpoint" };

export interface Applied {
  readonly response: CommandResponse | StatusError;
  /** The store's revision afterwards. */
  readonly revision: Revision;
  /** All changes of this command, of one revision, in the order of the operations; empty if nothing changed. */
  readonly events: readonly WatchEvent[];
}

/** For a planted bug: a transaction that no longer asks for anything that might be compacted, or still to come. */
export function withoutRanges(command: Command): Command {
  if (command.kind !== "txn") return command;
  const writes = (operations: TxnRequest["success"]) => operations.filter(({ kind }) => kind !== "range");
  return { ...command, success: writes(command.success), failure: writes(command.failure) };
}
