/** Wires the timeline's parts to the page's controls. */
import type { TimelineData } from "../timeline-data.ts";
import type { timelineCanvas } from "./canvas.ts";
import type { Canvas, Element, Page } from "./dom.ts";
import type { timelineModel } from "./model.ts";
import type { operationList } from "./operation-list.ts";

export interface Parts {
  readonly timelineModel: typeof timelineModel;
  readonly timelineCanvas: typeof timelineCanvas;
  readonly operationList: typeof operationList;
}

/** Runs once, when the page has been read. */
export function start(page: Page, parts: Parts): void {
  const { document } = page;
  const element = (id: string): Element => {
    const found = document.getElementById(id);
    if (found === null) throw new Error(`the report has no element ${id}`);
    return found;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    const source = button?.dataset.copy;
    if (button === null || source === undefined) return;
    const text = element(source);
    // Shown in any case: a page from a disk may not be allowed to write to the clipboard.
    const range = document.createRange();
    range.selectNodeContents(text);
    const selection = document.getSelection();
    selection?.removeAllRanges();
    selection?.addRange(range);
    const copied = page.navigator.clipboard?.writeText(text.textContent ?? "");
    copied?.then(
      () => {
        button.textContent = "Copied";
      },
      () => {
        button.textContent = "Press Ctrl+C";
      },
    );
    if (copied === undefined) button.textContent = "Press Ctrl+C";
  });

  document.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    const panel = tab?.dataset.panel;
    if (tab === null || panel === undefined) return;
    for (const other of document.querySelectorAll("[role=tab]")) {
      other.setAttribute("aria-selected", String(other === tab));
      const own = other.dataset.panel;
      if (own !== undefined) element(own).hidden = other !== tab;
    }
  });

  if (document.getElementById("timeline-data") === null) return;
  const data = JSON.parse(element("timeline-data").textContent ?? "") as TimelineData;
  const model = parts.timelineModel(data);
  const tooltip = element("tooltip");
  let selected = -1;
  let rows: readonly number[] = [];

  const board = parts.timelineCanvas(
    page,
    model,
    {
      frame: element("timeline-frame"),
      spacer: element("timeline-spacer"),
      canvas: element("timeline-canvas") as Canvas,
      overview: element("timeline-overview") as Canvas,
    },
    {
      hovered(row, x, y) {
        tooltip.hidden = row < 0;
        if (row < 0) return;
        tooltip.textContent = model.title(row);
        const right = document.documentElement.clientWidth;
        tooltip.style.left = `${Math.max(4, Math.min(x + 14, right - 430))}px`;
        tooltip.style.top = `${y + 16}px`;
      },
      chosen: select,
    },
  );
  const list = parts.operationList(page, model, element("operations"), select);

  function select(row: number): void {
    selected = row;
    board.select(row);
    board.reveal(row);
    list.select(row);
    const details = element("details");
    details.replaceChildren(
      ...model.details(row).map(([name, value]) => {
        const pair = document.createElement("div");
        if (value.length > 60) pair.className = "wide";
        const term = document.createElement("dt");
        const description = document.createElement("dd");
        term.textContent = name;
        description.textContent = value;
        pair.append(term, description);
        return pair;
      }),
    );
  }

  const number = (id: string): number => Number(element(id).value);
  function filter(): void {
    const chosen = {
      f: number("filter-f"),
      type: number("filter-type"),
      node: number("filter-node"),
      process: element("filter-process").value.trim(),
      key: element("filter-key").value.trim(),
      text: element("filter-text").value.trim(),
    };
    rows = model.matches(chosen);
    const all = rows.length === model.count;
    board.setMatches(all ? undefined : rows);
    list.show(rows);
    element("matches").textContent = all
      ? `${model.count} operations`
      : `${rows.length} of ${model.count} operations match`;
  }

  /** To the next row that passes the filter, or the one before. */
  function step(by: 1 | -1): void {
    if (rows.length === 0) return;
    const next = by > 0 ? rows.find((row) => row > selected) : rows.findLast((row) => row < selected);
    select(next ?? (rows[by > 0 ? 0 : rows.length - 1] as number));
  }

  function toViolation(): void {
    const { witness } = data;
    if (witness.length === 0) return;
    const least = witness.reduce((time, row) => Math.min(time, model.from[row] as number), data.until);
    const most = witness.reduce((time, row) => Math.max(time, model.until[row] as number), 0);
    board.fit(least, most);
    select(witness[witness.length - 1] as number);
    element("timeline").scrollIntoView({ block: "start" });
    element("timeline-frame").focus({ preventScroll: true });
  }

  for (const id of ["filter-f", "filter-type", "filter-node", "filter-process", "filter-key", "filter-text"])
    element(id).addEventListener("input", filter);
  element("lanes-by").addEventListener("change", (event) => {
    board.setLanes(model.lanes(event.target.value === "node" ? "node" : "client"));
    if (selected >= 0) board.reveal(selected);
  });
  const actions: { readonly [action: string]: () => void } = {
    in: () => board.zoom(0.5),
    out: () => board.zoom(2),
    all: () => board.look(0, data.until),
    next: () => step(1),
    previous: () => step(-1),
    violation: toViolation,
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action],[data-jump]");
    const { action, jump } = button?.dataset ?? {};
    if (action !== undefined) actions[action]?.();
    if (jump === undefined) return;
    const row = model.rowOfEvent(Number(jump));
    if (row < 0) return;
    const took = (model.until[row] as number) - (model.from[row] as number);
    const around = Math.max(took * 3, 100_000);
    board.fit((model.from[row] as number) - around, (model.from[row] as number) + around);
    select(row);
    element("timeline").scrollIntoView({ block: "start" });
    element("timeline-frame").focus({ preventScroll: true });
  });
  const keys: { readonly [key: string]: () => void } = {
    ArrowLeft: () => board.pan(-0.15),
    ArrowRight: () => board.pan(0.15),
    "+": () => board.zoom(0.5),
    "=": () => board.zoom(0.5),
    "-": () => board.zoom(2),
    "0": () => board.look(0, data.until),
    n: () => step(1),
    p: () => step(-1),
    v: toViolation,
  };
  element("timeline-frame").addEventListener("keydown", (event) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  });

  board.setLanes(model.lanes("client"));
  // Recovery can take longer than the load, and has little to show.
  const load = data.phases.find((phase) => phase.name === "load")?.at ?? 0;
  const recovery = data.phases.find((phase) => phase.name === "recovery")?.at ?? data.until;
  const margin = (recovery - load) * 0.03;
  board.look(load - margin, recovery + margin);
  filter();
}
