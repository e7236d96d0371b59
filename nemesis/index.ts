/** The faults by name. */
import type { Fault } from "../src/fault.ts";
import { adminFaults } from "./admin.ts";
import { clock } from "./clock.ts";
import { diskFaults, rotFaults } from "./disk.ts";
import { membership, transfer, transferCut } from "./membership.ts";
import { packetFaults, reset } from "./packet.ts";
import { flapping, partition } from "./partition.ts";
import { kill, pause, power, restart, rollingRestart, stop } from "./process.ts";
import { triggeredFaults } from "./triggered.ts";

export const faults: readonly Fault[] = [
  partition,
  flapping,
  kill,
  stop,
  pause,
  power,
  restart,
  rollingRestart,
  clock,
  ...packetFaults,
  reset,
  ...diskFaults,
  ...rotFaults,
  membership,
  transfer,
  transferCut,
  ...adminFaults,
  ...triggeredFaults,
];
