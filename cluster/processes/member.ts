/** One member: a process that is started, killed, frozen and thawed, and what it has logged. */
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import type { Json } from "../../src/history/op.ts";
import type { Invocation } from "../systems/system.ts";
import { MARK } from "./mark.ts";

/** How long a member may take to end when it is asked to. */
const FAREWELL_MS = 10_000;
/** How long the kernel may take to stop a process. */
const FREEZE_MS = 5_000;
/** What would change a member behind the plan's back. */
const FOREIGN = /^(?:ETCD|FAULTLINE)_/;

export interface MemberOptions {
  readonly mark: string;
  /** A file that everything it says is appended to. */
  readonly log: string;
  /** It ended, and nobody had told it to. `how` is its exit code or signal. */
  readonly ended: (how: number | string) => void;
}

export class Member {
  readonly #options: MemberOptions;
  #process: ChildProcess | undefined;
  #exit: Promise<void> = Promise.resolve();
  #expected = false;
  #paused = false;
  #incarnations = 0;

  constructor(options: MemberOptions) {
    this.#options = options;
  }

  get state(): "running" | "paused" | "dead" {
    if (this.#process === undefined) return "dead";
    return this.#paused ? "paused" : "running";
  }

  /** Undefined while there is no process. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Does nothing to a live one. */
  start({ command, environment = {} }: Invocation): Json {
    if (this.#process === undefined) this.#spawn(command, environment);
    return { pid: this.#process?.pid ?? null, incarnation: this.#incarnations };
  }

  #spawn([file, ...words]: readonly string[], environment: NonNullable<Invocation["environment"]>): void {
    const own = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
    const log = fs.openSync(this.#options.log, "a");
    // A group of its own: the terminal's Ctrl-C is for the tester.
    const child = spawn(file as string, words, {
      detached: true,
      stdio: ["ignore", log, log],
      env: { ...Object.fromEntries(own), ...environment, [MARK]: this.#options.mark },
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

  /** Ends it at once. Resolves when it is gone. */
  async kill(): Promise<Json> {
    const pid = this.#process?.pid;
    if (pid === undefined) return "was not running";
    this.#expected = true;
    this.#signal(pid, "SIGKILL");
    await this.#exit;
    return { pid, signal: "SIGKILL" };
  }

  /** Asks it to end, and kills it if it does not. */
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

  /** Resolves when the kernel has stopped it. */
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

  /** The lines it has logged so far. */
  logged(): readonly string[] {
    const { log } = this.#options;
    return fs.existsSync(log) ? fs.readFileSync(log, "utf8").split("\n") : [];
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
