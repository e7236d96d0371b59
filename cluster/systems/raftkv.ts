/** The store of this repository, each member a process of `faultline kv start` from this same installation. */
import { UsageError } from "../../src/plan.ts";
import { MILLISECOND } from "../../src/runtime/runtime.ts";
import type { KvApi } from "../api.ts";
import { plantedBugs } from "../bugs.ts";
import { program, serverBundle } from "../installation.ts";
import { EXPERIMENT, type Experiment } from "../server/experiment.ts";
import { connect, EtcdControl, memberFlags } from "./etcd-members.ts";
import type { System } from "./system.ts";

/** `faultline kv` alone, which starts in half the time. */
const SERVER = "src/cli/kv-main";
/** Where an image has the same in one file. */
const PACKED = "/opt/faultline/faultline-kv.mjs";
/** Levels of pino: what comes after "error". */
const FATAL = 60;
/** How Node ends a process whose code has thrown. */
const UNCAUGHT = /^(?:Uncaught )?\w*(?:Error|Exception)\b.*:|^#\s*Fatal error|^FATAL ERROR|the harness broke/;

export const raftkv: System<KvApi> = {
  name: "raftkv",
  summary: "the Raft key-value store of this repository, with etcd's semantics",
  can: ["admin", "members"],
  check({ raftkv, bug }) {
    if (raftkv.peerTransport === "datagram")
      throw new UsageError(
        "raftkv.peerTransport: real members speak by streams; datagrams are simulated only",
      );
    if (plantedBugs.some(({ name, area }) => name === bug && area === "client"))
      throw new UsageError(
        `bug ${bug} is planted in the simulator's client; other bugs are found on real members`,
      );
  },
  electionTimeout: ({ raftkv: { tickMs, electionTicks } }) => 2 * tickMs * electionTicks * MILLISECOND,
  program: () => [process.execPath, program(SERVER)],
  packed: () => ({ command: ["node", PACKED], files: { [PACKED]: serverBundle() } }),
  invocation(member, { raftkv, bug }) {
    const { peerTransport: _, ...settings } = raftkv;
    const experiment: Experiment = { bug, raftkv: settings };
    return {
      words: ["start", ...memberFlags(member)],
      environment: { [EXPERIMENT]: JSON.stringify(experiment) },
    };
  },
  api: connect,
  control: (address, timeout) => new EtcdControl(address, timeout),
  finding(line) {
    const entry = parsed(line);
    if (entry === undefined) return UNCAUGHT.test(line) ? line : undefined;
    if (entry.level !== FATAL || /removed/.test(entry.reason)) return undefined;
    return `${entry.msg}: ${entry.reason}`;
  },
};

/** An entry of the log; undefined if the line is none. */
function parsed(
  line: string,
): { readonly level: unknown; readonly msg: string; readonly reason: string } | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const { level, msg, reason } = JSON.parse(line) as { readonly [field: string]: unknown };
    return { level, msg: String(msg), reason: String(reason ?? "") };
  } catch {
    return undefined;
  }
}
