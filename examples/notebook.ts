/**
 * A system of your own on real machines, with a client and a workload of its own: a server that speaks HTTP and keeps
 * each key in a file. It may also be lazy, and answer a while before it writes: then it forgets, when it is killed,
 * what it has acknowledged.
 */
import {
  eachThread,
  faults,
  type Json,
  limit,
  linearizable,
  type Outcome,
  ok,
  type PlanInput,
  parsePlan,
  processPlace,
  type RegisterCall,
  type Run,
  register,
  repeat,
  run,
  SECOND,
  type System,
  stateful,
  untilOk,
  untyped,
  type Workload,
} from "faultline";

/** Usually a program of its own. Arguments: address, directory, milliseconds before it writes. */
const SERVER = `
const fs = require("node:fs");
const [address, directory, lazy] = process.argv.slice(1);
fs.mkdirSync(directory, { recursive: true });
const notes = new Map(fs.readdirSync(directory).map((key) => [key, fs.readFileSync(directory + "/" + key, "utf8")]));
require("node:http").createServer((request, response) => {
  const key = request.url.slice(1);
  if (request.method === "GET") return response.end(notes.get(key) ?? "null");
  let text = "";
  request.on("data", (part) => { text += part; }).on("end", () => {
    notes.set(key, text);
    const write = () => fs.writeFileSync(directory + "/" + key, text);
    if (lazy === "0") write();
    else setTimeout(write, Number(lazy));
    response.end();
  });
}).listen(8080, address, () => console.log("listening"));`;

/** A client of one server. It never tries again. */
interface Notes {
  read(key: string): Promise<Json>;
  write(key: string, value: Json): Promise<null>;
}

function notesAt(address: string, timeout: number): Notes {
  const ask = async (method: "GET" | "PUT", key: string, body?: string): Promise<string> => {
    const signal = AbortSignal.timeout(timeout / 1e6);
    const response = await fetch(`http://${address}:8080/${key}`, {
      method,
      signal,
      ...(body === undefined ? {} : { body }),
    });
    return response.text();
  };
  return {
    read: async (key) => JSON.parse(await ask("GET", key)) as Json,
    write: async (key, value) => {
      await ask("PUT", key, JSON.stringify(value));
      return null;
    },
  };
}

function notebook(lazyMs: number): System<Notes> {
  return {
    name: "notebook",
    summary: "a server that keeps notes in files",
    can: [],
    check: () => {},
    program: () => [process.execPath, "-e", SERVER, "--"],
    // A container would get the server as a file, by `files`.
    packed: () => ({ command: ["node", "-e", SERVER, "--"], files: {} }),
    invocation: ({ address, directory }) => ({ words: [address, directory, String(lazyMs)] }),
    electionTimeout: () => SECOND,
    api: notesAt,
    control: (address, timeout) => ({
      probe: async () => {
        await notesAt(address, timeout).read("probe");
      },
      leads: async () => 1,
      close: () => {},
    }),
    finding: (line) => (/Error:/.test(line) ? line : undefined),
  };
}

type Pages = {
  readonly read: { readonly in: null; readonly out: Json };
  readonly write: { readonly in: number; readonly out: null };
};
const KEY = "page";

/** One register, written by numbers that count up. */
const pages: Workload<Pages, Notes> = {
  name: "pages",
  generator: stateful<Pages, number>(1, {
    draw: (next, _thread, random) =>
      random.chance(0.5)
        ? { call: { f: "read", value: null, key: KEY }, memory: next }
        : { call: { f: "write", value: next, key: KEY }, memory: next + 1 },
  }),
  final: eachThread(untilOk(limit(10, repeat({ f: "read", value: null, key: KEY })))),
  checkers: [
    linearizable(register(), ({ f, input, output }) => ({
      input: { f, value: input } as RegisterCall,
      output: f === "read" ? (output ?? null) : null,
    })),
  ],
  open: (api) => ({
    invoke: {
      // A read that failed has changed nothing; of a write that failed one cannot know.
      read: () => attempt("fail", () => api.read(KEY)),
      write: (value) => attempt("info", () => api.write(KEY, value)),
    },
    close: () => {},
  }),
};

async function attempt<Out extends Json>(
  otherwise: "fail" | "info",
  body: () => Promise<Out>,
): Promise<Outcome<Out>> {
  try {
    return ok(await body());
  } catch (error) {
    return { type: otherwise, error: String(error) };
  }
}

export function runNotebook(input: PlanInput, lazyMs: number): Promise<Run> {
  const plan = parsePlan({ place: "processes", system: "notebook", nodes: 1, ...input });
  const chosen = faults.filter(({ name }) => plan.faults.includes(name));
  const place = processPlace([notebook(lazyMs)]);
  return run(
    { plan, place, workload: untyped(pages), faults: chosen, checkers: [] },
    { record: () => {}, messages: false },
  );
}
