/**
 * Kills the servers of a cluster of three thousands of times while clients write, and counts what was lost:
 *
 *   npm run bench:kills [-- kills [seed]]
 *
 * Exit code 1 if anything was acknowledged and is gone.
 */
import { fileURLToPath } from "node:url";
import { killStorm } from "../cluster/server/kill-storm.ts";
import { ServerCluster } from "../cluster/server/processes.ts";
import { seededRandom } from "../src/runtime/random.ts";

const kills = Number(process.argv[2] ?? 2_000);
const seed = Number(process.argv[3] ?? 1);
const bundle = fileURLToPath(new URL("../faultline-kv.mjs", import.meta.url));

const cluster = new ServerCluster([bundle], ["--snapshot-count", "200", "--snapshot-catchup-entries", "50"]);
try {
  await cluster.found(3);
  const aftermath = await killStorm(cluster, {
    kills,
    writers: 8,
    random: seededRandom(seed),
    progress: (killed, acknowledged) => console.log(`${killed} kills, ${acknowledged} writes acknowledged`),
  });
  const { acknowledged, unknown, lost, invented, differing } = aftermath;
  console.log(`${acknowledged} writes acknowledged, ${unknown} without an answer`);
  console.log(`lost: ${lost.length} ${lost.slice(0, 5)}`);
  console.log(`invented: ${invented.length} ${invented.slice(0, 5)}`);
  console.log(`members that differ: ${differing.length} ${differing}`);
  if (lost.length + invented.length + differing.length > 0) process.exitCode = 1;
} catch (error) {
  for (const { name, running, log } of cluster.servers)
    console.log(`${name}, ${running ? "running" : "ended"}:\n${log.slice(-4_000)}`);
  throw error;
} finally {
  await cluster.end();
}
