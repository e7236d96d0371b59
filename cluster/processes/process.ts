/** A member that is a process of this machine. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import type { Json } from "../../src/history/op.ts";
import type { Member, MemberOptions } from "../real/machines.ts";
import { MARK } from "../real/mark.ts";
import type { MemberSpec } from "../systems/system.ts";

/** How long a member may take to end when it is asked to. */
const FAREWELL_MS = 10_000;
/** How long the kernel may take to stop a process. */
const FREEZE_MS = 5_000;
/** What would change a member behind the plan's back. */
const FOREIGN = /^(?:ETCD|FAULTLINE)_/;

/** What is started. */
export interface Launch {
  readonly command: readonly string[];
  readonly environment: { readonly [name: string]: string };
}

export class ProcessMember implements Member {
  readonly #mark: string;
  readonly #directory: string;
  readonly #launch: (spec: MemberSpec) => Launch;
  readonly #options: MemberOptions;
  #process: ChildProcess | undefined;
  #exit: Promise<void> = Promise.resolve();
  #expected = false;
  #paused = false;
  #incarnations = 0;

  constructor(mark: string, directory: string, launch: (spec: MemberSpec) => Launch, options: MemberOptions) {
    this.#mark = mark;
    this.#directory = directory;
    this.#launch = launch;
    this.#options = options;
  }

  get state(): "running" | "paused" | "dead" {
    if (this.#process === undefined) return "dead";
    return this.#paused ? "paused" : "running";
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async start(spec: MemberSpec): Promise<Json> {
    if (this.#process === undefined) this.#spawn(this.#launch(spec));
    return { pid: this.#process?.pid ?? null, incarnation: this.#incarnations };
  }

  #spawn({ command: [file, ...words], environment }: Launch): void {
    const own = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
    const log = fs.openSync(this.#options.log, "a");
    // A group of its own: the terminal's Ctrl-C is for the tester.
    const child = spawn(file as string, words, {
      detached: true,
      stdio: ["ignore", log, log],
      env: { ...Object.fromEntries(own), ...environment, [MARK]: this.#mark },
    });
    fs.closeSync(log);
    this.#process = child;
    this.#expected = false;
    this.#paused = false;
    this.#incarnations++;
    this.#exit = new Promise((resolve) => {
      const over = (how: number | string): void => {
        if (this.#process !== child) return;
        this.#process = undefined;
        if (!this.#expected) this.#options.ended(how);
        resolve();
      };
      child.once("error", (error) => over(error.message));
      child.once("exit", (code, signal) => over(signal ?? code ?? 0));
    });
  }

  async kill(): Promise<Json> {
    const pid = this.#process?.pid;
    if (pid === undefined) return "was not running";
    this.#expected = true;
    this.#signal(pid, "SIGKILL");
    await this.#exit;
    return { pid, signal: "SIGKILL" };
  }

  async stop(): Promise<Json> {
    const pid = this.#process?.pid;
    if (pid === undefined) return "was not running";
    this.#expected = true;
    this.#signal(pid, "SIGTERM");
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(true), FAREWELL_MS);
    });
    const deaf = await Promise.race([this.#exit.then(() => false), late]);
    clearTimeout(timer);
    return deaf ? this.kill() : { pid, signal: "SIGTERM" };
  }

  async pause(): Promise<Json> {
    const pid = this.#process?.pid;
    if (pid === undefined) return "was not running";
    this.#signal(pid, "SIGSTOP");
    this.#paused = true;
    const deadline = Date.now() + FREEZE_MS;
    while (stateOf(pid) !== "T" && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 1));
    return { pid, stopped: stateOf(pid) === "T" };
  }

  async resume(): Promise<Json> {
    const pid = this.#process?.pid;
    if (pid === undefined || !this.#paused) return "was not paused";
    this.#paused = false;
    this.#signal(pid, "SIGCONT");
    return { pid };
  }

  async wipe(): Promise<void> {
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Logs are mostly holes: they take their room in advance. */
  async keep(directory: string): Promise<void> {
    if (fs.existsSync(this.#directory))
      spawnSync("cp", ["--recursive", "--sparse=always", this.#directory, directory], { stdio: "ignore" });
  }

  /** To the whole group: the member may have been wrapped into another command. */
  #signal(pid: number, signal: NodeJS.Signals): void {
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // It has ended by itself, of which its exit will tell.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** As the kernel abbreviates it: R, S, T, …; "" if there is no such process. */
function stateOf(pid: number): string {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
  } catch {
    return "";
  }
}
