/** etcd itself, 3.4 to 3.6: the program on the PATH, or the one that the plan names. */
import { spawnSync } from "node:child_process";
import { UsageError } from "../../src/plan.ts";
import { MILLISECOND } from "../../src/runtime/runtime.ts";
import type { KvApi } from "../api.ts";
import { onPath } from "../installation.ts";
import { connect, EtcdControl, memberFlags } from "./etcd-members.ts";
import type { System } from "./system.ts";

/** An entry of zap's at a level from which etcd does not come back, or what Go writes when it dies. */
const LAST_WORDS =
  /"level":"(?:dpanic|panic|fatal)"|^panic: |^fatal error: |^SIG[A-Z]+: |^unexpected fault address/;
/** Where an image has the binary of this machine. */
const PACKED = "/usr/local/bin/etcd";
/** Who was removed from the cluster says so loudly. */
const REMOVED = /removed from the cluster|the member has been permanently removed/;

/** The version of a program that has to be etcd 3.4, 3.5 or 3.6. Throws UsageError if it is not. */
export function versionOf(binary: string): string {
  const { error, stdout } = spawnSync(binary, ["--version"], { encoding: "utf8" });
  if (error !== undefined)
    throw new UsageError(
      `etcd.binary: ${binary} cannot be run (${(error as NodeJS.ErrnoException).code}); install it (apt-get install etcd-server), or name one by --set etcd.binary=PATH`,
    );
  const [, version, series] = /etcd Version: ((\d+\.\d+)\.\d+)/.exec(stdout) ?? [];
  if (version === undefined || !["3.4", "3.5", "3.6"].includes(series as string))
    throw new UsageError(`etcd.binary: ${binary} is ${version ?? "no etcd"}; it has to be 3.4, 3.5 or 3.6`);
  return version;
}

export const etcd: System<KvApi> = {
  name: "etcd",
  summary: "etcd 3.4 to 3.6, as installed or named by etcd.binary",
  can: ["admin", "members"],
  check({ place, bug, etcd: { binary, image } }) {
    if (bug !== "") throw new UsageError(`bug ${bug} is planted in raftkv; etcd has only bugs of its own`);
    if (place === "docker" && image !== undefined) return;
    if (image !== undefined)
      throw new UsageError(`etcd.image: place ${place} has no containers; add --place docker`);
    versionOf(binary);
  },
  electionTimeout: ({ etcd: { electionMs } }) => 2 * electionMs * MILLISECOND,
  program: ({ etcd: { binary } }) => [binary],
  packed({ etcd: { binary, image } }) {
    if (image !== undefined) return { command: ["etcd"], image, files: {} };
    const path = binary.includes("/") ? binary : onPath(binary);
    if (path === undefined) throw new UsageError(`etcd.binary: there is no ${binary} on the PATH`);
    return { command: [PACKED], files: { [PACKED]: path } };
  },
  invocation(member, { etcd: settings }) {
    const { heartbeatMs, electionMs, snapshotCount, compactionBatchLimit, watchProgressMs, flags } = settings;
    return {
      words: [
        ...memberFlags(member),
        ...["--heartbeat-interval", `${heartbeatMs}`, "--election-timeout", `${electionMs}`],
        ...["--snapshot-count", `${snapshotCount}`],
        ...["--experimental-compaction-batch-limit", `${compactionBatchLimit}`],
        ...["--experimental-watch-progress-notify-interval", `${watchProgressMs}ms`],
        ...["--logger", "zap", "--log-outputs", "stderr"],
        ...flags,
      ],
    };
  },
  api: connect,
  control: (address, timeout) => new EtcdControl(address, timeout),
  finding: (line) => (LAST_WORDS.test(line) && !REMOVED.test(line) ? line : undefined),
};
