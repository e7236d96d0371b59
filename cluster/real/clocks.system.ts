/** Clocks of real processes: needs Linux on x86-64 and the right to trace one's own children. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { SECOND } from "../../src/runtime/runtime.ts";
import { lacksClocks, ProcessClocks } from "./clocks.ts";

const missing = lacksClocks();
if (missing !== undefined) console.warn(`SKIPPED: clocks of processes, because ${missing}`);

/** Busy with its clocks; tells them, in milliseconds, for every line it is sent. */
const TELLER = `
setInterval(() => { for (let i = 0; i < 100; i++) Date.now(); }, 1);
process.stdin.on("data", () => console.log(JSON.stringify([Date.now(), performance.now()])));
console.log("up");`;

interface Teller {
  readonly process: ChildProcess;
  /** Its wall clock minus this process's, and its monotonic clock, in milliseconds. */
  tell(): Promise<{ readonly ahead: number; readonly monotonic: number; readonly width: number }>;
}

const tellers: Teller[] = [];
afterEach(() => {
  for (const teller of tellers.splice(0)) teller.process.kill("SIGKILL");
});

async function teller(): Promise<Teller> {
  const child = spawn(process.execPath, ["-e", TELLER], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const made: Teller = {
    process: child,
    async tell() {
      const before = Date.now();
      child.stdin.write("?\n");
      const { value } = await lines.next();
      const after = Date.now();
      const [wall, monotonic] = JSON.parse(value as string) as [number, number];
      // What it said is true of a moment in between.
      return { ahead: wall - before, monotonic, width: after - before };
    },
  };
  tellers.push(made);
  return made;
}

const runtime = {
  clock: { monotonic: () => Math.round(performance.now() * 1e6), wall: () => Date.now() * 1e6 },
  timer: (delay: number, body: () => void) => {
    const handle = setTimeout(body, delay / 1e6);
    return { cancel: () => clearTimeout(handle) };
  },
} as unknown as ConstructorParameters<typeof ProcessClocks>[0];

describe.skipIf(missing !== undefined)("the wall clock of a process", () => {
  it("jumps forth and back, and its monotonic clock does not", async () => {
    const one = await teller();
    const clocks = new ProcessClocks(runtime, () => one.process.pid);
    for (const [by, sum] of [
      [3_600, 3_600],
      [-7_200.25, -3_600.25],
      [3_600.25, 0],
    ] as const) {
      const earlier = await one.tell();
      expect(await clocks.jump("n1", by * SECOND)).toEqual({ offset: sum * SECOND });
      const { ahead, monotonic, width } = await one.tell();
      expect(ahead).toBeGreaterThanOrEqual(sum * 1_000 - 1);
      expect(ahead).toBeLessThanOrEqual(sum * 1_000 + width + 1);
      expect(monotonic).toBeGreaterThan(earlier.monotonic);
      expect(monotonic - earlier.monotonic).toBeLessThan(3_000_000);
    }
    clocks.close();
  });

  it("is its own: another process goes on telling the true time", async () => {
    const [one, two] = [await teller(), await teller()];
    const clocks = new ProcessClocks(runtime, () => one.process.pid);
    await clocks.jump("n1", 86_400 * SECOND);
    const { ahead, width } = await two.tell();
    expect(ahead).toBeGreaterThanOrEqual(-1);
    expect(ahead).toBeLessThanOrEqual(width + 1);
    clocks.close();
  });

  it("drifts until it is reset", async () => {
    const one = await teller();
    const clocks = new ProcessClocks(runtime, () => one.process.pid);
    await clocks.drift("n1", 11);
    while ((await clocks.offset("n1")) < 5 * SECOND) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await one.tell()).ahead).toBeGreaterThanOrEqual(5_000);
    await clocks.reset("n1");
    const { ahead, width } = await one.tell();
    expect(ahead).toBeLessThanOrEqual(width + 1);
    clocks.close();
  });

  it("goes on as it did when the member is another process", async () => {
    let current = await teller();
    const clocks = new ProcessClocks(runtime, () => current.process.pid);
    await clocks.jump("n1", 600 * SECOND);
    current.process.kill("SIGKILL");
    await once(current.process, "close");
    current = await teller();
    clocks.started("n1");
    while ((await current.tell()).ahead < 599_999) await new Promise((resolve) => setTimeout(resolve, 5));
    clocks.close();
  });

  it("leaves a process stopped that was stopped before", async () => {
    const one = await teller();
    one.process.kill("SIGSTOP");
    while (!/\) T /.test(readFileSync(`/proc/${one.process.pid}/stat`, "latin1")))
      await new Promise((resolve) => setTimeout(resolve, 5));
    const clocks = new ProcessClocks(runtime, () => one.process.pid);
    await clocks.jump("n1", 60 * SECOND);
    const answer = one.tell();
    const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 300, "silent"))]);
    expect(first).toBe("silent");
    one.process.kill("SIGCONT");
    expect((await answer).ahead).toBeGreaterThanOrEqual(59_999);
    clocks.close();
  });
});
