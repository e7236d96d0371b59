/** A run's hold on what it has on this machine: a mark for its processes, a directory, and the reaper of both. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import type { Socket } from "node:net";
import { program } from "../installation.ts";
import { directoryOf } from "./mark.ts";

export class Custody {
  /** The value of the variable that every process of the run has in its environment: 12 hexadecimal digits. */
  readonly mark: string;
  /** For whatever may be lost with the run. */
  readonly directory: string;
  readonly #reaper: ChildProcess;

  /** `reaper` is the program that cleans up, by its path in the source tree without ".ts". */
  constructor(reaper: string) {
    this.mark = randomBytes(6).toString("hex");
    this.directory = directoryOf(this.mark);
    // Nobody else's signals shall reach it: Ctrl-C goes to all processes of a terminal.
    this.#reaper = spawn(process.execPath, [program(reaper), this.mark, this.directory], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      cwd: "/",
    });
    this.#reaper.unref();
    (this.#reaper.stdin as Socket).unref();
    fs.mkdirSync(this.directory, { mode: 0o700 });
  }

  /** Ends all there still is. */
  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#reaper.once("exit", () => resolve()));
    this.#reaper.ref();
    this.#reaper.stdin?.end();
    await ended;
  }
}
