/**
 * Moves the wall clock of one running process, and of no other.
 *
 * Programs read the time from the vDSO, a page of code that the kernel maps into each of them. Its three functions
 * that tell the wall clock are replaced, in this process's private copy of the page, by ones that ask the kernel and
 * add an offset. The monotonic clock is left alone. That works for any program that does not make the system call by
 * itself, Go's included, which LD_PRELOAD does not reach. Linux on x86-64, with the right to trace the process.
 */
import fs from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Nanos } from "../../src/history/op.ts";
import { SECOND } from "../../src/runtime/runtime.ts";

/** Seconds, nanoseconds and microseconds to add, each 64 bits: what the replaced functions read. */
const OFFSET_BYTES = 24;
/** How often a process is stopped and let go until none of its threads is inside the page. */
const ATTEMPTS = 200;

/** A piece of machine code: bytes, or the place of a datum, told relative to the next instruction. */
type Piece = string | { readonly datum: number };
const SECONDS: Piece = { datum: 0 };
const NANOSECONDS: Piece = { datum: 8 };
const MICROSECONDS: Piece = { datum: 16 };

/** Linux' numbers of the system calls, in the functions' first instruction. */
const CLOCK_GETTIME: readonly Piece[] = [
  "b8 e4 00 00 00 0f 05", // eax = 228; syscall
  "85 ff 74 05", // CLOCK_REALTIME (0): go on below
  "83 ff 05 75 2f", // not CLOCK_REALTIME_COARSE (5): return
  "48 8b 0e 48 03 0d", // rcx = seconds + …
  SECONDS,
  "48 8b 56 08 48 03 15", // rdx = nanoseconds + …
  NANOSECONDS,
  "48 81 fa 00 ca 9a 3b 7c 0a", // below 10^9: skip the carry
  "48 81 ea 00 ca 9a 3b 48 ff c1", // carry
  "48 89 0e 48 89 56 08 c3", // store; return
];
const GETTIMEOFDAY: readonly Piece[] = [
  "b8 60 00 00 00 0f 05", // eax = 96; syscall
  "48 85 ff 74 2f", // nobody wants it: return
  "48 8b 0f 48 03 0d",
  SECONDS,
  "48 8b 57 08 48 03 15",
  MICROSECONDS,
  "48 81 fa 40 42 0f 00 7c 0a", // below 10^6
  "48 81 ea 40 42 0f 00 48 ff c1",
  "48 89 0f 48 89 57 08 c3",
];
const TIME: readonly Piece[] = [
  "b8 c9 00 00 00 0f 05 48 03 05", // eax = 201; syscall; rax += …
  SECONDS,
  "48 85 ff 74 03 48 89 07 c3", // store if asked to; return
];

const REPLACED = {
  __vdso_clock_gettime: CLOCK_GETTIME,
  __vdso_gettimeofday: GETTIMEOFDAY,
  __vdso_time: TIME,
} as const;

interface Symbol {
  /** From the beginning of the page. */
  readonly at: number;
  readonly size: number;
}

/** The machine code of a function that begins at `at`, if the data begin at `data`. */
function assemble(pieces: readonly Piece[], at: number, data: number): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  for (const piece of pieces) {
    let part: Buffer;
    if (typeof piece === "string") part = Buffer.from(piece.replaceAll(" ", ""), "hex");
    else {
      part = Buffer.alloc(4);
      part.writeInt32LE(data + piece.datum - (at + length + 4));
    }
    parts.push(part);
    length += part.length;
  }
  return Buffer.concat(parts);
}

/** The functions of a vDSO, an ELF file of 64 bits, by its table of dynamic symbols. */
export function symbolsOf(image: Buffer): Map<string, Symbol> {
  const DYNSYM = 11;
  const ENTRY = 24;
  const word = (at: number): number => Number(image.readBigUInt64LE(at));
  const tables = word(0x28);
  const size = image.readUInt16LE(0x3a);
  const sections = Array.from({ length: image.readUInt16LE(0x3c) }, (_, i) => {
    const at = tables + i * size;
    return {
      type: image.readUInt32LE(at + 4),
      offset: word(at + 0x18),
      size: word(at + 0x20),
      link: image.readUInt32LE(at + 0x28),
    };
  });
  const table = sections.find(({ type }) => type === DYNSYM);
  const names = table === undefined ? undefined : sections[table.link];
  if (table === undefined || names === undefined) throw new Error("the vDSO has no table of symbols");
  const symbols = new Map<string, Symbol>();
  for (let at = table.offset; at < table.offset + table.size; at += ENTRY) {
    const name = names.offset + image.readUInt32LE(at);
    symbols.set(image.toString("latin1", name, image.indexOf(0, name)), {
      at: word(at + 8),
      size: word(at + 16),
    });
  }
  return symbols;
}

/** What to write where, from the beginning of the page: code, and where the offset is. Throws if it does not fit. */
export function patchOf(image: Buffer): {
  readonly code: readonly { readonly at: number; readonly bytes: Buffer }[];
  readonly data: number;
} {
  const symbols = symbolsOf(image);
  const functions = Object.entries(REPLACED).map(([name, pieces]) => {
    const symbol = symbols.get(name);
    if (symbol === undefined) throw new Error(`the vDSO has no ${name}`);
    const { length } = assemble(pieces, symbol.at, symbol.at);
    if (length > symbol.size) throw new Error(`${name} is too short to be replaced: ${symbol.size} bytes`);
    return { ...symbol, pieces, length };
  });
  // The functions are longer than what replaces them; the data go where one of them ended.
  const data = functions
    .map(({ at, size, length }) => ({ start: Math.ceil((at + length) / 8) * 8, end: at + size }))
    .find(({ start, end }) => start + OFFSET_BYTES <= end)?.start;
  if (data === undefined) throw new Error("the vDSO has no room for an offset");
  return { code: functions.map(({ at, pieces }) => ({ at, bytes: assemble(pieces, at, data) })), data };
}

export class ProcessClock {
  readonly #memory: number;
  /** Address of the offset in the process. */
  readonly #data: number;

  private constructor(memory: number, data: number) {
    this.#memory = memory;
    this.#data = data;
  }

  /** Takes hold of the clock of a process, which goes on telling the true time. It is stopped for some milliseconds. */
  static async attach(pid: number): Promise<ProcessClock> {
    if (process.platform !== "linux" || process.arch !== "x64")
      throw new Error(
        `clocks of processes can be moved on Linux with x86-64, not on ${process.platform} with ${process.arch}`,
      );
    const page = vdsoOf(pid);
    const memory = fs.openSync(`/proc/${pid}/mem`, "r+");
    try {
      const image = Buffer.alloc(page.end - page.start);
      fs.readSync(memory, image, 0, image.length, page.start);
      const { code, data } = patchOf(image);
      const wasStopped = stateOf(pid) === "T";
      try {
        await stopOutside(pid, page, wasStopped ? 1 : ATTEMPTS);
        fs.writeSync(memory, Buffer.alloc(OFFSET_BYTES), 0, OFFSET_BYTES, page.start + data);
        for (const { at, bytes } of code) fs.writeSync(memory, bytes, 0, bytes.length, page.start + at);
      } finally {
        // One that somebody else had stopped stays so.
        if (!wasStopped) process.kill(pid, "SIGCONT");
      }
      return new ProcessClock(memory, page.start + data);
    } catch (error) {
      fs.closeSync(memory);
      throw error;
    }
  }

  /** Makes the wall clock of the process be ahead of the true time by `offset`, or behind. At once. */
  set(offset: Nanos): void {
    const seconds = Math.floor(offset / SECOND);
    const rest = Math.round(offset - seconds * SECOND);
    const bytes = Buffer.alloc(OFFSET_BYTES);
    bytes.writeBigInt64LE(BigInt(seconds), 0);
    bytes.writeBigInt64LE(BigInt(rest), 8);
    bytes.writeBigInt64LE(BigInt(Math.floor(rest / 1_000)), 16);
    fs.writeSync(this.#memory, bytes, 0, bytes.length, this.#data);
  }

  /** What is added to its clock, read from the process. */
  offset(): Nanos {
    const bytes = Buffer.alloc(OFFSET_BYTES);
    fs.readSync(this.#memory, bytes, 0, bytes.length, this.#data);
    return Number(bytes.readBigInt64LE(0)) * SECOND + Number(bytes.readBigInt64LE(8));
  }

  close(): void {
    fs.closeSync(this.#memory);
  }
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function vdsoOf(pid: number): Span {
  const line = fs
    .readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .find((mapping) => mapping.endsWith("[vdso]"));
  const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line ?? "") ?? [];
  if (start === undefined || end === undefined) throw new Error(`process ${pid} has no vDSO`);
  return { start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) };
}

/** The state of a process as /proc tells it: R, S, D, T, Z, … */
function stateOf(pid: number): string {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
}

/** Stops a process at a moment at which none of its threads is inside the span. */
async function stopOutside(pid: number, span: Span, attempts: number): Promise<void> {
  for (let left = attempts; ; left--) {
    process.kill(pid, "SIGSTOP");
    await delay(1);
    const inside = fs.readdirSync(`/proc/${pid}/task`).some((thread) => {
      // "running", or numbers of which the last is the address of the next instruction.
      const words = fs.readFileSync(`/proc/${pid}/task/${thread}/syscall`, "latin1").trim().split(" ");
      const next = Number(words.at(-1));
      return words[0] === "running" || (next >= span.start && next < span.end);
    });
    if (!inside) return;
    if (left === 1) throw new Error(`the threads of process ${pid} did not leave the vDSO`);
    process.kill(pid, "SIGCONT");
    await delay(1);
  }
}
