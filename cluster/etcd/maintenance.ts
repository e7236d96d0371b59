/** etcd's Maintenance service. */
import { createHash } from "node:crypto";
import { ErrNotLeader } from "../kv/errors.ts";
import type { AlarmRequest, AlarmType } from "../kv/request.ts";
import { fromHeader } from "./convert.ts";
import type { AlarmMember, MaintenanceService } from "./generated/rpc.ts";
import type { MemberClient } from "./member.ts";
import { type Call, type Handlers, RpcError } from "./rpc.ts";

/** The version of etcd's API that is spoken here. */
export const API_VERSION = "3.5.16";
const SNAPSHOT_CHUNK = 32 * 1024;
/** etcdctl takes a snapshot for whole if sectors are followed by a digest: zeros fill the last one. Bytes. */
const SECTOR = 512;

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
        member.request({ kind: "snapshot" }, call).then(
          ({ header, data }) => {
            const file = Buffer.alloc(Math.ceil(data.length / SECTOR) * SECTOR);
            file.set(data);
            const digest = createHash("sha256").update(file).digest();
            const blobs = [...chunks(file), digest];
            let remaining = file.length + digest.length;
            const sendSome = () => {
              while (blobs.length > 0 && call.buffered < 16) {
                const blob = blobs.shift() as Buffer;
                remaining -= blob.length;
                const remainingBytes = BigInt(Math.max(0, remaining - digest.length));
                call.send({ header: fromHeader(header), remainingBytes, blob, version: API_VERSION });
              }
              if (blobs.length === 0) call.end();
            };
            call.onDrain = sendSome;
            sendSome();
          },
          (thrown) => call.end(RpcError.from(thrown)),
        );
      };
    },
    async moveLeader({ targetID }, call) {
      const { node } = member.local;
      if (node.leader !== node.member) throw RpcError.of(ErrNotLeader);
      const { header } = await member.member({ kind: "transfer-leader", to: Number(targetID) }, call);
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

function* chunks(data: Buffer): Generator<Buffer> {
  for (let from = 0; from < data.length; from += SNAPSHOT_CHUNK)
    yield data.subarray(from, from + SNAPSHOT_CHUNK);
}
