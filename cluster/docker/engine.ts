/** The Docker daemon that DOCKER_HOST names, or this machine's. */
import os from "node:os";
import { Writable } from "node:stream";
import type Docker from "dockerode";
import { onPath } from "../installation.ts";

export async function connect(): Promise<Docker> {
  // Loaded here, because few runs need it, and it takes its time.
  const { default: Client } = await import("dockerode");
  return new Client();
}

/** What there is to know of a daemon before it is asked for anything. */
export interface Survey {
  /** Undefined if no daemon answers. */
  readonly version?: string;
  /** Why members cannot run there, and what would help; undefined if they can. */
  readonly lacks?: string;
}

export async function survey(): Promise<Survey> {
  const host = process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";
  try {
    const docker = await connect();
    const [{ Version: version }, { Name, KernelVersion }] = await Promise.all([
      docker.version(),
      docker.info(),
    ]);
    // Addresses of containers, and their processes, are known on the daemon's own machine only.
    if (Name === os.hostname() && KernelVersion === os.release()) return { version };
    return {
      version,
      lacks: `the Docker daemon at ${host} is on another machine, ${Name}: run faultline there`,
    };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { lacks: `no Docker daemon answers at ${host} (${code ?? message}): ${remedy(code)}` };
  }
}

function remedy(code: string | undefined): string {
  if (code === "ERR_MODULE_NOT_FOUND") return "npm install";
  if (code === "EACCES") return "sudo usermod -aG docker $USER, and log in again";
  return onPath("dockerd") === undefined ? "apt-get install docker.io" : "systemctl start docker";
}

/** Runs a command in a container, and gives what it printed. Rejects with what it wrote to stderr if it fails. */
export async function execute(
  docker: Docker,
  container: Docker.Container,
  command: readonly string[],
): Promise<string> {
  const exec = await container.exec({ Cmd: command, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const [stdout, stderr] = [new Collected(), new Collected()];
  docker.modem.demuxStream(stream, stdout, stderr);
  await new Promise((resolve, reject) => stream.once("end", resolve).once("error", reject));
  const { ExitCode } = await exec.inspect();
  if (ExitCode !== 0)
    throw new Error(`${command.join(" ")}: ${stderr.text() || `it ended with ${ExitCode}`}`);
  return stdout.text();
}

/** Waits for what the daemon tells of its progress to end. Rejects with the error it tells of. */
export async function progress(docker: Docker, stream: NodeJS.ReadableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream as never, (error, steps) => {
      const told = steps?.find((step) => step.error !== undefined)?.error;
      if (error !== null || told !== undefined) reject(error ?? new Error(told));
      else resolve();
    });
  });
}

class Collected extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8").trim();
  }
}
