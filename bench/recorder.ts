/**
 * What the tester itself costs: operations per second that it starts, waits for and records, with a server on the
 * loopback interface that does nothing but answer, in a process of its own:
 *
 *   npm run bench:recorder [-- seconds]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RealRuntime } from "../cluster/real/runtime.ts";
import { repeat } from "../src/generator/combinators.ts";
import type { Json, Op } from "../src/history/op.ts";
import type { Place, Stage } from "../src/place.ts";
import { parsePlan } from "../src/plan.ts";
import { run } from "../src/runner/run.ts";
import { SECOND } from "../src/runtime/runtime.ts";
import { Journal } from "../src/store/journal.ts";
import { untyped, type Workload } from "../src/workload.ts";
import { ok } from "../workloads/outcome.ts";

const seconds = Number(process.argv[2] ?? 5);
/** Answers each byte with a byte. */
const SERVER = `
const server = require("node:net").createServer({ noDelay: true }, (socket) => {
  socket.on("data", (bytes) => socket.write(bytes)).on("error", () => {});
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));`;

/** A connection on which one request waits at a time. */
class Api {
  readonly #socket: net.Socket;
  #answered: () => void = () => {};

  constructor(port: number) {
    this.#socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("data", () => this.#answered());
  }

  ask(): Promise<void> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket.write("?");
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** One server, which never fails. */
function placeOf(port: number): Place<Api> {
  return {
    name: "loopback",
    summary: "a server that does nothing",
    systems: ["nothing"],
    abilities: () => new Set(["recovery"]),
    async boot({ seed }): Promise<Stage<Api>> {
      const runtime = new RealRuntime(seed);
      runtime.begin();
      return {
        runtime,
        cluster: {
          nodes: ["n1"],
          api: () => new Api(port),
          leaders: async () => ["n1"],
          ready: async () => {},
          stop: async () => {},
          can: {
            recovery: {
              bound: SECOND,
              healCore: async () => ({ core: ["n1"] }),
              releaseCore: async () => {},
            },
          },
        },
        drive: async (work) => {
          await work;
          return undefined;
        },
        observed: () => ({
          verdicts: [],
          nodeEnds: [],
          trace: [],
          messages: [],
          reached: {},
          events: 0,
          traceHash: "",
        }),
        close: async () => {},
      };
    },
  };
}

type Asking = { readonly ask: { readonly in: Json; readonly out: Json } };

const asking: Workload<Asking, Api> = {
  name: "asking",
  generator: repeat({ f: "ask", value: null }),
  checkers: [],
  open: (api) => ({
    invoke: {
      ask: async () => {
        await api.ask();
        return ok(null);
      },
    },
    close: () => api.close(),
  }),
};

async function measure(
  port: number,
  concurrency: number,
  kept: string,
  record: (event: Op) => void,
): Promise<void> {
  const plan = parsePlan({ concurrency, rate: 0, duration: seconds, faults: [], nodes: 1 });
  const before = process.cpuUsage();
  const { result } = await run(
    { plan, place: placeOf(port), workload: untyped(asking), faults: [], checkers: [] },
    { record, messages: false },
  );
  const { user, system } = process.cpuUsage(before);
  const { operations } = result.counts;
  const cost = (user + system) / operations;
  console.log(
    `${concurrency} clients, ${kept} journal: ${Math.round(operations / seconds)} operations per second, ${cost.toFixed(1)} µs of CPU each`,
  );
}

const server: ChildProcess = spawn(process.execPath, ["-e", SERVER], {
  stdio: ["ignore", "pipe", "inherit"],
});
const directory = mkdtempSync(join(tmpdir(), "faultline-recorder-"));
try {
  const [line] = (await once(server.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
  const port = Number(line.toString());
  for (const concurrency of [1, 10, 100]) {
    await measure(port, concurrency, "no", () => {});
    const journal = new Journal(join(directory, `${concurrency}.jsonl`));
    await measure(port, concurrency, "with a", (event) => journal.append(event));
    journal.close();
  }
} finally {
  server.kill();
  rmSync(directory, { recursive: true });
}
