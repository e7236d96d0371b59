/**
 * How long clusters of real members take from nothing until all of them serve, and until nothing is left of them:
 *
 *   npm run bench:boot [-- place [boots]]
 */
import { parsePlan } from "../src/plan.ts";
import { lookUp, places } from "../src/registry.ts";

const SIZES = [3, 5];

const place = lookUp("place", process.argv[2] ?? "processes", places);
const boots = Number(process.argv[3] ?? 10);

for (const system of place.systems)
  for (const nodes of SIZES) {
    const plan = parsePlan({ place: place.name, system, nodes, faults: [] });
    place.abilities(plan);
    const up: number[] = [];
    const down: number[] = [];
    for (let boot = 0; boot < boots; boot++) {
      const begin = performance.now();
      const stage = await place.boot(plan, { messages: false });
      const served = performance.now();
      await stage.close(false);
      up.push(served - begin);
      down.push(performance.now() - served);
    }
    console.log(`${place.name}, ${system}, ${nodes} members: up after ${told(up)}, gone after ${told(down)}`);
  }

/** The median of times in milliseconds, and the least and the most, in seconds. */
function told(times: number[]): string {
  times.sort((a, b) => a - b);
  const [least, median, most] = [times[0], times[Math.floor(times.length / 2)], times.at(-1)].map((time) =>
    ((time ?? 0) / 1_000).toFixed(2),
  );
  return `${median} s [${least}..${most}]`;
}
