/** etcd's Maintenance service. */
import { ErrNotLeader } from "../kv/errors.ts";
import type { AlarmRequest, AlarmType } from "../kv/request.ts";
import { memberIdOf } from "./cluster.ts";
import { fromHeader } from "./convert.ts";
import type { AlarmMember, MaintenanceService, SnapshotRequest, SnapshotResponse } from "./generated/rpc.ts";
import type { MemberClient } from "./member.ts";
import { type Call, type Handlers, RpcError, type StreamCall } from "./rpc.ts";
import { snapshotBlobs } from "./snapshot-stream.ts";

/** The version of etcd's API that is spoken here. */
export const API_VERSION = "3.5.16";
/** Messages of a snapshot that wait to be sent. */
const SNAPSHOT_WINDOW = 16;

const ALARM_NUMBERS: { readonly [type in AlarmType]: 1 | 2 } = { nospace: 1, corrupt: 2 };
const ALARMS: readonly AlarmRequest["alarm"][] = ["none", "nospace", "corrupt"];
const ACTIONS: readonly AlarmRequest["action"][] = ["get", "activate", "deactivate"];

function unknown(what: string): RpcError {
  return new RpcError("INVALID_ARGUMENT", `etcdserver: unknown ${what}`);
}

export interface MaintenanceOptions {
  /** 0 for none. */
  readonly quotaBytes: number;
}

export function maintenanceHandlers(
  member: MemberClient,
  { quotaBytes }: MaintenanceOptions,
): Handlers<typeof MaintenanceService> {
  const administrator = async (call: Call): Promise<void> => {
    const { caller } = await member.caller(call);
    const refusal = member.local.node.store.auth.checkAdmin(caller);
    if (refusal !== undefined) throw RpcError.of(refusal);
  };
  return {
    async alarm(request, call) {
      const action = ACTIONS[request.action];
      const alarm = ALARMS[request.alarm];
      // etcd 3.4 and 3.5 die of these.
      if (action === undefined) throw unknown("alarm action");
      if (alarm === undefined) throw unknown("alarm type");
      const answer = await member.request(
        { kind: "alarm", action, member: String(request.memberID), alarm },
        call,
      );
      const alarms: AlarmMember[] = answer.alarms.map((raised) => ({
        memberID: BigInt(raised.member),
        alarm: ALARM_NUMBERS[raised.alarm],
      }));
      return { header: fromHeader(answer.header), alarms };
    },
    async status(_, call) {
      const status = await member.request({ kind: "status" }, call);
      const errors = status.leader === "0" ? ["etcdserver: no leader"] : [];
      for (const { member: id, alarm } of status.alarms)
        errors.push(`memberID:${id} alarm:${alarm.toUpperCase()} `);
      return {
        header: fromHeader(status.header),
        version: API_VERSION,
        dbSize: BigInt(status.dbSize),
        leader: BigInt(status.leader),
        raftIndex: BigInt(status.raftIndex),
        raftTerm: BigInt(status.header.raftTerm),
        raftAppliedIndex: BigInt(status.raftAppliedIndex),
        errors,
        dbSizeInUse: BigInt(status.dbSize),
        isLearner: status.learner,
        storageVersion: "",
        dbSizeQuota: BigInt(quotaBytes),
        downgradeInfo: undefined,
      };
    },
    // What is deleted leaves no holes behind here.
    async defragment(_, call) {
      await administrator(call);
      return { header: undefined };
    },
    async hash(_, call) {
      const { header, hash } = await member.request({ kind: "hash" }, call);
      return { header: fromHeader(header), hash };
    },
    async hashKv({ revision }, call) {
      const answer = await member.request({ kind: "hash-kv", revision: Number(revision) }, call);
      const { header, hash, compactRevision } = answer;
      return {
        header: fromHeader(header),
        hash,
        // As in etcd: a store that was never compacted says so.
        compactRevision: BigInt(compactRevision === 0 ? -1 : compactRevision),
        hashRevision: revision > 0n ? revision : BigInt(header.revision),
      };
    },
    snapshot(call) {
      call.onRequest = () => {
        administrator(call).then(
          () => sendSnapshot(call, member.local.node),
          (thrown) => call.end(RpcError.from(thrown)),
        );
      };
    },
    async moveLeader({ targetID }, call) {
      const { node } = member.local;
      if (node.leader !== node.member) throw RpcError.of(ErrNotLeader);
      const { header } = await member.member({ kind: "transfer-leader", to: memberIdOf(targetID) }, call);
      return { header: fromHeader(header) };
    },
    async downgrade({ action, version }, call) {
      await administrator(call);
      if (action === 2) throw new RpcError("FAILED_PRECONDITION", "etcdserver: no inflight downgrade job");
      if (action !== 0 && action !== 1) throw new RpcError("UNKNOWN", "etcdserver: unknown method");
      if (!/^\d+\.\d+(\.\d+)?$/.test(version))
        throw new RpcError("INVALID_ARGUMENT", "etcdserver: wrong downgrade target version format");
      throw new RpcError("INVALID_ARGUMENT", "etcdserver: invalid downgrade target version");
    },
  };
}

/** The state of now; it is encoded as fast as the client takes it. */
function sendSnapshot(
  call: StreamCall<SnapshotRequest, SnapshotResponse>,
  node: MemberClient["local"]["node"],
): void {
  const header = fromHeader(node.header());
  const estimate = node.store.approximateBytes();
  const blobs = snapshotBlobs(node.snapshot());
  let sent = 0;
  const sendSome = (): void => {
    while (call.buffered < SNAPSHOT_WINDOW) {
      const { done, value } = blobs.next();
      if (done === true) {
        call.end();
        return;
      }
      sent += value.length;
      const remainingBytes = BigInt(Math.max(0, estimate - sent));
      call.send({
        header,
        remainingBytes,
        blob: Buffer.from(value.buffer, value.byteOffset, value.length),
        version: API_VERSION,
      });
    }
  };
  call.onDrain = sendSome;
  sendSome();
}
