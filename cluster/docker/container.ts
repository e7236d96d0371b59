/** A member that is a container. Each of its lives is a container of its own; the volume and the network stay. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { basename, join } from "node:path";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import type { Json } from "../../src/history/op.ts";
import type { Member, MemberOptions } from "../real/machines.ts";
import type { MemberSpec } from "../systems/system.ts";

/** Seconds that a member may take to end when it is asked to. */
const FAREWELL = 10;
/** Exit codes above it tell of signals. */
const SIGNALLED = 128;
const SIGKILL = 9;

export interface Casing {
  readonly docker: Docker;
  /** What its next container is made of. */
  container(spec: MemberSpec): Docker.ContainerOptions;
  /** One that is never started: a door to what is on the volume. */
  readonly shell: Docker.ContainerOptions;
  /** Makes its volume; removes it first if it is there. */
  freshVolume(): Promise<void>;
  /** Where the data is in a container. */
  readonly directory: string;
}

export class ContainerMember implements Member {
  readonly #casing: Casing;
  readonly #options: MemberOptions;
  #container: Docker.Container | undefined;
  #pid: number | undefined;
  #exit: Promise<void> = Promise.resolve();
  #expected = false;
  #paused = false;
  #incarnations = 0;
  /** What is done to it is done in order. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(casing: Casing, options: MemberOptions) {
    this.#casing = casing;
    this.#options = options;
  }

  get state(): "running" | "paused" | "dead" {
    if (this.#container === undefined) return "dead";
    return this.#paused ? "paused" : "running";
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  start(spec: MemberSpec): Promise<Json> {
    return this.#next(async () => {
      if (this.#container === undefined) await this.#run(spec);
      return { ...this.#evidence(), incarnation: this.#incarnations };
    });
  }

  async #run(spec: MemberSpec): Promise<void> {
    const { docker, container: options } = this.#casing;
    const container = await docker.createContainer(options(spec));
    const output = await container.attach({ stream: true, stdout: true, stderr: true });
    const log = new Appended(this.#options.log);
    docker.modem.demuxStream(output, log, log);
    const silence = once(output, "end");
    try {
      await container.start();
    } catch (error) {
      await container.remove({ force: true });
      throw error;
    }
    this.#container = container;
    this.#expected = false;
    this.#paused = false;
    this.#incarnations++;
    const { Pid } = (await container.inspect()).State;
    // Zero if it is over already.
    this.#pid = Pid === 0 ? undefined : Pid;
    this.#exit = this.#watch(container, silence);
  }

  async #watch(container: Docker.Container, silence: Promise<unknown>): Promise<void> {
    const { StatusCode: code } = await container.wait();
    this.#pid = undefined;
    await silence;
    await container.remove({ force: true });
    this.#container = undefined;
    if (!this.#expected) this.#options.ended(code === SIGNALLED + SIGKILL ? "SIGKILL" : code);
  }

  kill(): Promise<Json> {
    return this.#end((container) => container.kill(), "SIGKILL");
  }

  stop(): Promise<Json> {
    return this.#end((container) => container.stop({ t: FAREWELL }), "SIGTERM");
  }

  #end(how: (container: Docker.Container) => Promise<unknown>, signal: string): Promise<Json> {
    return this.#next(async () => {
      if (this.#container === undefined) return "was not running";
      const evidence = this.#evidence();
      this.#expected = true;
      await how(this.#container).catch(unlessOver);
      await this.#exit;
      return { ...evidence, signal };
    });
  }

  pause(): Promise<Json> {
    return this.#next(async () => {
      if (this.#container === undefined) return "was not running";
      if (!this.#paused) await this.#container.pause();
      this.#paused = true;
      const { Paused: stopped } = (await this.#container.inspect()).State;
      return { ...this.#evidence(), stopped };
    });
  }

  resume(): Promise<Json> {
    return this.#next(async () => {
      if (this.#container === undefined || !this.#paused) return "was not paused";
      this.#paused = false;
      await this.#container.unpause().catch(unlessOver);
      return this.#evidence();
    });
  }

  wipe(): Promise<void> {
    return this.#next(() => this.#casing.freshVolume());
  }

  keep(directory: string): Promise<void> {
    return this.#next(async () => {
      const shell = await this.#casing.docker.createContainer(this.#casing.shell);
      try {
        const archive = await shell.getArchive({ path: this.#casing.directory });
        await unpack(archive, directory);
      } catch (error) {
        // It never had any data.
        if ((error as { readonly statusCode?: number }).statusCode !== 404) throw error;
      } finally {
        await shell.remove({ force: true });
      }
    });
  }

  #evidence(): { readonly container: string; readonly pid: number | null } {
    return { container: (this.#container?.id ?? "").slice(0, 12), pid: this.#pid ?? null };
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** Writes whatever comes to the end of a file, at once: who reads it next shall find it. */
class Appended extends Writable {
  readonly #file: string;

  constructor(file: string) {
    super();
    this.#file = file;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    fs.appendFileSync(this.#file, chunk);
    done();
  }
}

/** A container that has ended by itself cannot be ended, of which its exit tells. */
function unlessOver(error: unknown): void {
  const { statusCode } = error as { readonly statusCode?: number };
  if (statusCode !== 404 && statusCode !== 409 && statusCode !== 304) throw error;
}

/** Unpacks the one directory that is in a tar file, and gives what is empty in it no room. */
async function unpack(archive: NodeJS.ReadableStream, directory: string): Promise<void> {
  const full = `${directory}.full`;
  fs.mkdirSync(full);
  const tar = spawn("tar", ["-x", "-C", full], { stdio: ["pipe", "ignore", "ignore"] });
  const ended = once(tar, "close");
  await pipeline(archive, tar.stdin);
  await ended;
  const [own = basename(directory)] = fs.readdirSync(full);
  spawnSync("cp", ["--recursive", "--sparse=always", join(full, own), directory], { stdio: "ignore" });
  fs.rmSync(full, { recursive: true });
}
