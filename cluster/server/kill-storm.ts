/**
 * Kills servers, one or several at a time, again and again while clients write, and counts what was acknowledged and
 * is not there afterwards. Each writer writes keys of its own, one after the other, so that what must be there does
 * not depend on any order between writers.
 */
import type { Random } from "../../src/runtime/random.ts";
import { pause, type ServerCluster, type ServerProcess } from "./processes.ts";

export interface Storm {
  readonly kills: number;
  readonly writers: number;
  readonly random: Random;
  /** Told now and then how far it has come. */
  readonly progress: (kills: number, acknowledged: number) => void;
}

export interface Aftermath {
  readonly acknowledged: number;
  /** Writes without an answer: they may be there or not. */
  readonly unknown: number;
  /** Keys that were acknowledged and are missing, or hold what was never written. */
  readonly lost: readonly string[];
  /** Keys that nobody wrote. */
  readonly invented: readonly string[];
  /** Members that do not hold the same. */
  readonly differing: readonly string[];
}

const PREFIX = "storm/";
/** Milliseconds. */
const MAX_DOWN = 300;
const MAX_UP = 1_500;
/** A writer that is refused everywhere does not hammer. */
const REFUSED_PAUSE = 50;

/** Throws if a server ends by itself, or the cluster does not come back. */
export async function killStorm(cluster: ServerCluster, storm: Storm): Promise<Aftermath> {
  const { servers } = cluster;
  const acknowledged = new Map<string, string>();
  const attempted = new Map<string, string>();
  let over = false;
  const write = async (writer: number): Promise<void> => {
    const random = storm.random.fork("writer").fork(writer);
    for (let number = 0; !over; number++) {
      const key = `${PREFIX}${writer}/${String(number).padStart(8, "0")}`;
      const value = `${number} by ${writer}`;
      attempted.set(key, value);
      try {
        await random.pick(servers).put(key, value);
        acknowledged.set(key, value);
      } catch {
        await pause(REFUSED_PAUSE);
      }
    }
  };
  const writers = Array.from({ length: storm.writers }, (_, writer) => write(writer));
  try {
    await killAgainAndAgain(servers, storm, () => acknowledged.size);
  } finally {
    over = true;
    await Promise.all(writers);
  }
  for (const server of servers) await server.serves();
  return judge(servers, acknowledged, attempted);
}

async function killAgainAndAgain(
  servers: readonly ServerProcess[],
  { kills, random, progress }: Storm,
  acknowledged: () => number,
): Promise<void> {
  const chance = random.fork("kills");
  for (let killed = 0; killed < kills; ) {
    await pause(chance.below(MAX_UP));
    const fallen = servers.find((server) => !server.running);
    if (fallen !== undefined) throw new Error(`${fallen.name} ended by itself:\n${fallen.log.slice(-4_000)}`);
    // Mostly one of them, now and then all at once.
    const count = chance.chance(0.2) ? servers.length : chance.between(1, 2);
    const victims = chance.shuffle(servers).slice(0, count);
    await Promise.all(victims.map((victim) => victim.signal("SIGKILL")));
    await pause(chance.below(MAX_DOWN));
    for (const victim of victims) victim.start();
    killed += victims.length;
    // Also while they boot; but some progress in between, or there is nothing to lose.
    if (chance.chance(0.5)) for (const victim of victims) await victim.serves();
    progress(killed, acknowledged());
  }
}

async function judge(
  servers: readonly ServerProcess[],
  acknowledged: ReadonlyMap<string, string>,
  attempted: ReadonlyMap<string, string>,
): Promise<Aftermath> {
  const [first, ...others] = servers as readonly [ServerProcess, ...ServerProcess[]];
  const found = await first.read(PREFIX);
  const lost = [...acknowledged].filter(([key, value]) => found.get(key) !== value).map(([key]) => key);
  const invented = [...found].filter(([key, value]) => attempted.get(key) !== value).map(([key]) => key);
  const differing: string[] = [];
  for (const other of others) {
    const theirs = await other.read(PREFIX);
    const same = theirs.size === found.size && [...found].every(([key, value]) => theirs.get(key) === value);
    if (!same) differing.push(`${first.name} and ${other.name}`);
  }
  const unknown = attempted.size - acknowledged.size;
  return { acknowledged: acknowledged.size, unknown, lost, invented, differing };
}
