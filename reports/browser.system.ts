/** The report in a real browser: `npx vitest run --config vitest.system.config.ts reports`. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { History } from "../src/history/history.ts";
import type { Op } from "../src/history/op.ts";
import { type PlanInput, parsePlan } from "../src/plan.ts";
import { assemble } from "../src/registry.ts";
import type { RunResult } from "../src/result.ts";
import { run } from "../src/runner/run.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import { renderReport } from "./page.ts";

const CHROMIUM = "/usr/bin/chromium";
const folder = mkdtempSync(join(tmpdir(), "faultline-report-"));
let browser: Browser;

beforeAll(async () => {
  if (!existsSync(CHROMIUM))
    throw new Error(`${CHROMIUM} is missing: install it, for example with "apt-get install chromium"`);
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function finished(input: PlanInput): Promise<FinishedRun> {
  const plan = parsePlan(input);
  const events: Op[] = [];
  const done = await run(assemble(plan), { messages: true, record: (event) => events.push(event) });
  return {
    plan,
    history: done.history,
    torn: false,
    trace: done.trace,
    messages: done.messages,
    result: done.result,
  };
}

interface Opened {
  readonly page: Page;
  /** Everything that must not happen: requests, errors, dialogs. */
  readonly trouble: string[];
}

async function open(
  run: FinishedRun,
  name: string,
  viewport = { width: 1200, height: 900 },
): Promise<Opened> {
  const file = join(folder, `${name}.html`);
  writeFileSync(file, await renderReport(run, { repeat: `npx faultline run --seed ${run.plan.seed}` }));
  const page = await browser.newPage({ viewport });
  const trouble: string[] = [];
  const address = pathToFileURL(file).href;
  page.on("request", (request) => {
    if (request.url().split("#")[0] !== address) trouble.push(`request ${request.url()}`);
  });
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") trouble.push(message.text());
  });
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("dialog", (dialog) => {
    trouble.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(address);
  await settled(page);
  return { page, trouble };
}

/** Two frames: what was asked for is drawn. */
async function settled(page: Page): Promise<void> {
  await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
}

/** What the timeline shows, as an image. */
async function picture(page: Page): Promise<string> {
  await settled(page);
  return page.evaluate<string>("document.getElementById('timeline-canvas').toDataURL()");
}

/** Pixels of the timeline that have been drawn on. */
async function inked(page: Page): Promise<number> {
  await settled(page);
  return page.evaluate<number>(`(() => {
    const canvas = document.getElementById("timeline-canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 0) count++;
    return count;
  })()`);
}

async function text(locator: Locator): Promise<string> {
  return (await locator.textContent()) ?? "";
}

async function nodeCount(page: Page): Promise<number> {
  return page.evaluate<number>("document.getElementsByTagName('*').length");
}

describe("the report of a violation", () => {
  let opened: Opened;
  beforeAll(async () => {
    const splitBrain = await finished({ workload: "register", bug: "quorum-half", seed: 5, duration: 15 });
    expect(splitBrain.result?.validity).toBe("invalid");
    opened = await open(splitBrain, "invalid");
  });

  it("loads nothing and reports no error", () => {
    expect(opened.trouble).toEqual([]);
  });

  it("says at once that a promise was broken, and how to see it again", async () => {
    const header = opened.page.locator("#verdict");
    expect(await text(header.locator(".badge"))).toBe("INVALID");
    expect(await text(header.locator("h1"))).toContain("split brain");
    expect(await text(header.locator("#repeat"))).toBe("npx faultline run --seed 5");
  });

  it("hands over the line that repeats the run", async () => {
    const { page } = opened;
    const button = page.locator("[data-copy]");
    await button.click();
    expect(await page.evaluate("String(document.getSelection())")).toBe("npx faultline run --seed 5");
    await expect.poll(() => text(button)).not.toBe("Copy");
  });

  it("tells who was cut off, who led, and who was answered", async () => {
    const story = await text(opened.page.locator("#story"));
    expect(story).toMatch(/the network was cut between .* and /);
    expect(story).toMatch(/took itself for the leader of term 2 and n\d for that of term 3/);
    expect(story).toContain("clients of both were answered");
    expect(story).toContain("commit-durable");
  });

  it("draws the timeline, and draws another when zoomed", async () => {
    const { page } = opened;
    expect(await inked(page)).toBeGreaterThan(10_000);
    const before = await picture(page);
    await page.locator("[data-action=in]").click();
    expect(await picture(page)).not.toBe(before);
    await page.locator("[data-action=all]").click();
  });

  it("jumps to the violation, and shows the operation that proves it", async () => {
    const { page } = opened;
    const before = await picture(page);
    await page.locator("[data-action=violation]").click();
    expect(await picture(page)).not.toBe(before);
    const proof = page.locator("#story table tbody tr").last();
    const details = await text(page.locator("#details"));
    for (const column of [0, 1, 3]) expect(details).toContain(await text(proof.locator("td").nth(column)));
    expect(await page.evaluate("document.activeElement.id")).toBe("timeline-frame");
    expect(await page.locator("#operations [aria-selected=true]").count()).toBe(1);
  });

  it("leads from a proof to its place in the timeline", async () => {
    const { page } = opened;
    const proof = page.locator("#story table tbody tr").first();
    await proof.locator("[data-jump]").click();
    expect(await text(page.locator("#details"))).toContain(await text(proof.locator("td").first()));
  });

  it("filters by function, outcome, key, process and text", async () => {
    const { page } = opened;
    const matches = async (): Promise<number> => Number((await text(page.locator("#matches"))).split(" ")[0]);
    const all = await matches();
    await page.locator("#filter-f").selectOption({ label: "cas" });
    const cas = await matches();
    expect(cas).toBeGreaterThan(0);
    expect(cas).toBeLessThan(all);
    await settled(page);
    for (const line of await page.locator("#operations .line:visible").allTextContents())
      expect(line).toContain(" cas ");
    await page.locator("#filter-key").fill("r1");
    const keyed = await matches();
    expect(keyed).toBeGreaterThan(0);
    expect(keyed).toBeLessThan(cas);
    await page.locator("#filter-text").fill("no such value anywhere");
    expect(await matches()).toBe(0);
    for (const id of ["#filter-key", "#filter-text"]) await page.locator(id).fill("");
    await page.locator("#filter-f").selectOption("-1");
    expect(await matches()).toBe(all);
  });

  it("obeys the keyboard", async () => {
    const { page } = opened;
    await page.locator("#timeline-frame").focus();
    await page.keyboard.press("0");
    const whole = await picture(page);
    await page.keyboard.press("+");
    const nearer = await picture(page);
    expect(nearer).not.toBe(whole);
    await page.keyboard.press("ArrowRight");
    expect(await picture(page)).not.toBe(nearer);
    await page.keyboard.press("n");
    const first = await text(page.locator("#details"));
    await page.keyboard.press("n");
    expect(await text(page.locator("#details"))).not.toBe(first);
    await page.locator("#operations").focus();
    await page.keyboard.press("End");
    await settled(page);
    const box = await page.locator("#operations").boundingBox();
    const last = await page.locator("#operations [aria-selected=true]").boundingBox();
    expect(last?.y).toBeGreaterThanOrEqual(box?.y ?? Infinity);
    expect((last?.y ?? Infinity) + (last?.height ?? 0)).toBeLessThanOrEqual(
      (box?.y ?? 0) + (box?.height ?? 0) + 1,
    );
  });

  it("shows an operation that the mouse points at", async () => {
    const { page } = opened;
    await page.locator("[data-action=violation]").click();
    await settled(page);
    await page.locator("#timeline-canvas").scrollIntoViewIfNeeded();
    const box = await page.locator("#timeline-canvas").boundingBox();
    if (box === null) throw new Error("the canvas has no box");
    // Sweeps over the lanes until something is under the pointer.
    let seen = "";
    for (let y = box.height * 0.4; y < box.height && seen === ""; y += 4) {
      for (let x = box.width * 0.1; x < box.width && seen === ""; x += 40) {
        await page.mouse.move(box.x + x, box.y + y);
        if (await page.locator("#tooltip").isVisible()) seen = await text(page.locator("#tooltip"));
      }
    }
    expect(seen).toMatch(/^\d+\.\d{3} s n\d process \d+/);
  });

  it("lays the lanes out by node", async () => {
    const { page } = opened;
    const before = await picture(page);
    await page.locator("#lanes-by").selectOption("node");
    expect(await picture(page)).not.toBe(before);
    await page.locator("#lanes-by").selectOption("client");
  });

  it("draws charts and messages, and changes between moments", async () => {
    const { page } = opened;
    expect(await page.locator("#charts figure svg").count()).toBeGreaterThanOrEqual(5);
    const tabs = page.locator("#messages [role=tab]");
    expect(await tabs.count()).toBeGreaterThan(1);
    expect(await page.locator("#moment0 .message").count()).toBeGreaterThan(10);
    await tabs.nth(1).click();
    expect(await page.locator("#moment0").isVisible()).toBe(false);
    expect(await page.locator("#moment1").isVisible()).toBe(true);
  });

  it("draws in the dark", async () => {
    const { page } = opened;
    const light = await picture(page);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await picture(page)).not.toBe(light);
    await page.emulateMedia({ colorScheme: "light" });
  });

  it("fits on a narrow screen", async () => {
    const { page } = opened;
    await page.setViewportSize({ width: 400, height: 800 });
    await settled(page);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(400);
    await page.setViewportSize({ width: 1200, height: 900 });
  });

  it("was without trouble to the end", () => {
    expect(opened.trouble).toEqual([]);
  });
});

it("says of a valid run that every promise was kept, and tells no story", async () => {
  const { page, trouble } = await open(await finished({ workload: "set", seed: 3, duration: 15 }), "valid");
  expect(await text(page.locator("#verdict .badge"))).toBe("VALID");
  expect(await text(page.locator("#verdict h1"))).toContain("Every promise was kept");
  expect(await page.locator("#story").count()).toBe(0);
  expect(await page.locator("[data-action=violation]").count()).toBe(0);
  expect(await page.locator("#messages .message").count()).toBeGreaterThan(10);
  expect(trouble).toEqual([]);
});

/** A run made by hand: `count` operations on ten clients, one in a hundred unanswered, one in fifty failed. */
function synthetic(count: number, value: (i: number) => string): FinishedRun {
  const events: Op[] = [];
  const processes = Array.from({ length: 10 }, (_, thread) => thread);
  for (let i = 0; i < count; i++) {
    const thread = i % 10;
    const process = processes[thread] as number;
    const time = i * 1_000_000;
    const fields = { process, node: `n${(thread % 5) + 1}`, f: "write", key: value(i) };
    const completed = { ...fields, time: time + 700_000, index: events.length + 1 };
    events.push({ ...fields, index: events.length, time, type: "invoke", value: value(i) } as Op);
    if (i % 100 === 99) {
      events.push({ ...completed, type: "info", value: value(i), error: value(i) } as Op);
      processes[thread] = process + 10;
    } else if (i % 50 === 48)
      events.push({ ...completed, type: "fail", value: value(i), error: value(i) } as Op);
    else events.push({ ...completed, type: "ok", value: value(i) } as Op);
  }
  const result: RunResult = {
    validity: "valid",
    vacuous: false,
    summary: "made by hand",
    verdicts: [],
    faults: [],
    nodeEnds: [],
    reached: {},
    counts: { operations: count, events: 0, virtualSeconds: count / 1_000 },
    traceHash: "",
    phases: {},
    notes: [],
  };
  return {
    plan: parsePlan({ faults: [] }),
    history: new History(events),
    torn: false,
    trace: [],
    messages: [],
    result,
  };
}

it("scrolls through 100,000 operations without holding them as elements", async () => {
  const { page, trouble } = await open(
    synthetic(100_000, (i) => `v${i}`),
    "large",
  );
  expect(await text(page.locator("#matches"))).toBe("100000 operations");
  const before = await nodeCount(page);
  expect(await inked(page)).toBeGreaterThan(10_000);
  const list = page.locator("#operations");
  const seen = new Set<string>();
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    await list.evaluate((box: { scrollTop: number; scrollHeight: number }, part) => {
      box.scrollTop = part * box.scrollHeight;
    }, share);
    await settled(page);
    seen.add(await text(list.locator(".line:visible").last()));
  }
  expect(seen.size).toBe(5);
  expect([...seen].at(-1)).toContain("v99999");
  await page.locator("#filter-text").fill("v77777");
  expect(await text(page.locator("#matches"))).toBe("1 of 100000 operations match");
  await page.locator("[data-action=next]").click();
  expect(await text(page.locator("#details"))).toContain("77.777 s");
  const pictures = new Set<string>();
  await page.locator("#timeline-frame").focus();
  for (const key of ["+", "+", "+", "ArrowRight", "ArrowRight", "-", "0"]) {
    await page.keyboard.press(key);
    pictures.add(await picture(page));
  }
  expect(pictures.size).toBeGreaterThanOrEqual(6);
  expect(await nodeCount(page)).toBeLessThan(before + 100);
  expect(await nodeCount(page)).toBeLessThan(8_000);
  expect(trouble).toEqual([]);
});

it("never runs what a hostile history says", async () => {
  const attacks = [
    "</script><script>globalThis.hacked = 1</script>",
    "<img src=x onerror='globalThis.hacked = 1'>",
    '"><svg onload=globalThis.hacked=1>',
    "javascript:globalThis.hacked=1",
    "'-globalThis.hacked-'",
    "<!--<script>",
    "\u0000\u0007\u001b[2J\u202egnp.exe\u2028",
    "\ud800",
    `</style><script>hacked</script>${"x".repeat(1_000_000)}`,
  ];
  const attack = (i: number): string => attacks[i % attacks.length] as string;
  const base = synthetic(300, attack);
  const names = attacks.map((name) => ({
    name,
    guarantee: name,
    explanation: name,
    witness: [0, 1, 2, 3],
  }));
  const hostile: FinishedRun = {
    ...base,
    plan: parsePlan({ workload: attack(0), bug: attack(1), system: attack(2), faults: [attack(1)] }),
    trace: attacks.map((name, i) => ({
      time: i,
      node: name,
      kind: "become-leader",
      detail: { kind: name, term: i, leader: i },
    })),
    messages: attacks.map((what, i) => ({ from: "n1", to: "n2", what, sent: i, arrived: null })),
    result: {
      ...(base.result as RunResult),
      validity: "invalid",
      summary: attack(0),
      verdicts: [
        { checker: attack(0), validity: "invalid", reason: attack(1), checked: 1, anomalies: names },
        { checker: "raft-invariants", validity: "invalid", reason: attack(8), checked: 1, anomalies: names },
      ],
      faults: [
        {
          fault: attack(1),
          colour: "red;}</style><script>globalThis.hacked=1</script>",
          starts: 1,
          bites: 1,
        },
      ],
      nodeEnds: [{ time: 1, node: attack(1), kind: "crash", reason: attack(0) }],
      reached: { [attack(1)]: 1 },
      phases: { [attack(0)]: 1 },
      traceHash: attack(2),
    },
  };
  const { page, trouble } = await open(hostile, "hostile");
  expect(trouble).toEqual([]);
  await page.locator("[data-action=violation]").click();
  await page.locator("#filter-f").selectOption({ index: 1 });
  for (const summary of await page.locator("summary").all()) await summary.click();
  await settled(page);
  expect(await page.evaluate("globalThis.hacked")).toBeUndefined();
  expect(await page.locator("img, iframe, object, main script:not([type='application/json'])").count()).toBe(
    0,
  );
  expect(await text(page.locator("#verdict h1"))).toContain("</script>");
  expect(trouble).toEqual([]);
});

it("shows a run whose tester died", async () => {
  const base = synthetic(50, (i) => `v${i}`);
  const { page, trouble } = await open({ ...base, result: undefined, torn: true }, "torn");
  expect(await text(page.locator("#verdict .badge"))).toBe("UNFINISHED");
  expect(await text(page.locator("#verdict h1"))).toContain("The tester died");
  expect(trouble).toEqual([]);
});

it("shows a run in which nothing happened", async () => {
  const { page, trouble } = await open({ ...synthetic(0, String), result: undefined }, "empty");
  expect(await text(page.locator("#timeline"))).toContain("No operation was recorded");
  expect(trouble).toEqual([]);
});
