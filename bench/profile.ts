/** Where CPU time goes, by part of the program: V8's own sampling profiler around a piece of work. */
import { type Profiler, Session } from "node:inspector/promises";

/** Microseconds between two samples. */
const INTERVAL = 500;

/** Runs `work` and returns the share, from 0 to 1, of each part that `partOf` names, largest first. */
export async function profile(
  work: () => Promise<void>,
  partOf: (url: string, functionName: string) => string,
): Promise<readonly (readonly [part: string, share: number])[]> {
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: INTERVAL });
    await session.post("Profiler.start");
    await work();
    const { profile } = await session.post("Profiler.stop");
    return shares(profile, partOf);
  } finally {
    session.disconnect();
  }
}

function shares(
  { nodes, samples = [], timeDeltas = [] }: Profiler.Profile,
  partOf: (url: string, functionName: string) => string,
): readonly (readonly [part: string, share: number])[] {
  const parts = new Map(
    nodes.map(({ id, callFrame }) => [id, partOf(callFrame.url, callFrame.functionName)]),
  );
  const idle = nodes.find(({ callFrame }) => callFrame.functionName === "(idle)")?.id;
  const times = new Map<string, number>();
  let total = 0;
  samples.forEach((node, i) => {
    if (node === idle) return;
    const part = parts.get(node) ?? "";
    const time = timeDeltas[i] ?? 0;
    times.set(part, (times.get(part) ?? 0) + time);
    total += time;
  });
  return [...times].map(([part, time]) => [part, time / total] as const).sort(([, a], [, b]) => b - a);
}
