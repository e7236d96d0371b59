/** The image of members: Node, tools for networks, and the member's program. It is kept for the next run. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { basename, dirname, join } from "node:path";
import type Docker from "dockerode";
import { UsageError } from "../../src/plan.ts";
import { onPath } from "../installation.ts";
import { progress } from "./engine.ts";

const DEFAULT_BASE = "node:22-slim";
const REPOSITORY = "faultline";

/** What an image made of this machine's programs has besides Node. */
const TOOLS = ["sh", "sleep", "nft", "ss"];
const SEARCH_PATH = "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin";

/** Files are named by their place in the list; the paths that they get are words of COPY. */
function dockerfile(paths: readonly string[]): string {
  return [
    "ARG BASE_IMAGE",
    "FROM $" + "{BASE_IMAGE}",
    "RUN command -v nft >/dev/null && command -v ss >/dev/null || { apt-get update && apt-get install -y --no-install-recommends nftables iproute2; }",
    ...paths.map((path, i) => `COPY ${i} ${path}`),
    "",
  ].join("\n");
}

/**
 * Gives the name of an image with `files`, which is made if it is not there. `baseImage` is what it is built on,
 * `workshop` an empty directory that may be used. Throws UsageError if there is no base to be had.
 */
export async function imageWith(
  docker: Docker,
  files: { readonly [path: string]: string },
  baseImage: string | undefined,
  workshop: string,
): Promise<string> {
  const base = baseImage === undefined ? await someBase(docker, workshop) : await present(docker, baseImage);
  const paths = Object.keys(files).sort();
  const recipe = dockerfile(paths);
  const digest = createHash("sha256").update(base.id).update(recipe);
  for (const path of paths) digest.update(fs.readFileSync(files[path] as string));
  const tag = `${REPOSITORY}:${digest.digest("hex").slice(0, 12)}`;
  if ((await idOf(docker, tag)) !== undefined) return tag;

  const context = join(workshop, "context");
  fs.mkdirSync(context, { recursive: true });
  fs.writeFileSync(join(context, "Dockerfile"), recipe);
  paths.forEach((path, i) => {
    fs.copyFileSync(files[path] as string, join(context, String(i)));
  });
  const src = fs.readdirSync(context);
  const build = await docker.buildImage({ context, src }, { t: tag, buildargs: { BASE_IMAGE: base.name } });
  await progress(docker, build);
  return tag;
}

interface Base {
  readonly name: string;
  readonly id: string;
}

/** Pulls an image if it is not there. Throws UsageError if it cannot be had. */
export async function present(docker: Docker, name: string): Promise<Base> {
  const id = await idOf(docker, name);
  if (id !== undefined) return { name, id };
  try {
    await progress(docker, await docker.pull(name));
  } catch (error) {
    throw new UsageError(
      `image ${name} is neither here nor can be pulled (${(error as Error).message}): docker load brings it from elsewhere`,
    );
  }
  return { name, id: (await idOf(docker, name)) as string };
}

/** Undefined if there is no such image. */
async function idOf(docker: Docker, name: string): Promise<string | undefined> {
  try {
    return (await docker.getImage(name).inspect()).Id;
  } catch (error) {
    if ((error as { readonly statusCode?: number }).statusCode === 404) return undefined;
    throw error;
  }
}

/** What everybody has, or where no registry is in reach, what this machine has. */
async function someBase(docker: Docker, workshop: string): Promise<Base> {
  const common = await idOf(docker, DEFAULT_BASE);
  if (common !== undefined) return { name: DEFAULT_BASE, id: common };
  const programs = ownPrograms();
  const name = programs === undefined ? undefined : ownName(programs);
  const own = name === undefined ? undefined : await idOf(docker, name);
  if (own !== undefined) return { name: name as string, id: own };
  try {
    return await present(docker, DEFAULT_BASE);
  } catch (error) {
    if (programs === undefined || name === undefined) throw error;
    await importOwn(docker, programs, name, join(workshop, "root"));
    return { name, id: (await idOf(docker, name)) as string };
  }
}

/** Programs of this machine by the path that they get; undefined if one is missing. */
function ownPrograms(): ReadonlyMap<string, string> | undefined {
  if (process.platform !== "linux") return undefined;
  const programs = new Map([["/usr/local/bin/node", fs.realpathSync(process.execPath)]]);
  for (const tool of TOOLS) {
    const file = onPath(tool);
    if (file === undefined) return undefined;
    programs.set(`/usr/bin/${tool}`, fs.realpathSync(file));
  }
  return programs;
}

/** Changes when a program does. */
function ownName(programs: ReadonlyMap<string, string>): string {
  const digest = createHash("sha256");
  for (const file of programs.values()) {
    const { size, mtimeMs } = fs.statSync(file);
    digest.update(`${basename(file)} ${size} ${mtimeMs}\n`);
  }
  return `${REPOSITORY}-own:${digest.digest("hex").slice(0, 12)}`;
}

/** Makes an image out of programs and the libraries they are linked with. */
async function importOwn(
  docker: Docker,
  programs: ReadonlyMap<string, string>,
  name: string,
  root: string,
): Promise<void> {
  for (const directory of ["tmp", "etc", "proc", "sys", "dev"])
    fs.mkdirSync(join(root, directory), { recursive: true });
  fs.mkdirSync(join(root, "bin"));
  for (const [path, file] of programs) {
    copyInto(root, file, path);
    for (const library of librariesOf(file)) copyInto(root, library, library);
  }
  fs.symlinkSync("/usr/bin/sh", join(root, "bin/sh"));
  const [repo, tag] = name.split(":") as [string, string];
  const tar = spawn("tar", ["-C", root, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const imported = await docker.importImage(tar.stdout, { repo, tag, changes: `ENV PATH=${SEARCH_PATH}` });
  await progress(docker, imported);
}

/** Shared libraries of a program, its loader included, as ldd tells them. */
function librariesOf(file: string): string[] {
  const { stdout } = spawnSync("ldd", [file], { encoding: "utf8" });
  return [...stdout.matchAll(/(?:=> |^\t)(\/\S+) \(0x/gm)].map(([, path]) => path as string);
}

function copyInto(root: string, file: string, path: string): void {
  fs.mkdirSync(join(root, dirname(path)), { recursive: true });
  fs.copyFileSync(file, join(root, path));
}
