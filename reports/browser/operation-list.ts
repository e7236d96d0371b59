/** The operations as a list of text. However many there are, only the lines in view exist. */
import type { Element, Page } from "./dom.ts";
import type { Model } from "./model.ts";

export interface OperationList {
  show(rows: readonly number[]): void;
  /** Marks a row, if it is in the list, and scrolls to it. */
  select(row: number): void;
}

export function operationList(
  page: Page,
  model: Model,
  box: Element,
  chosen: (row: number) => void,
): OperationList {
  const LINE = 24;
  /** Browsers cannot scroll further than some ten million pixels; beyond, a pixel stands for more. */
  const TALLEST = 8_000_000;
  const marks = ["ok", "fail", "info"];
  const spacer = page.document.createElement("div");
  const lines: Element[] = [];
  let rows: readonly number[] = [];
  let selected = -1;
  let pending = false;
  box.append(spacer);

  const tall = (): number => Math.max(1, Math.min(TALLEST, rows.length * LINE));
  const visibleLines = (): number => Math.ceil(box.clientHeight / LINE) + 1;

  function first(): number {
    const room = tall() - box.clientHeight;
    const share = room <= 0 ? 0 : Math.min(1, box.scrollTop / room);
    return Math.floor(share * Math.max(0, rows.length - box.clientHeight / LINE));
  }

  function draw(): void {
    const needed = visibleLines();
    while (lines.length < needed) {
      const line = page.document.createElement("div");
      line.className = "line";
      line.setAttribute("role", "option");
      lines.push(line);
      box.append(line);
    }
    const start = first();
    lines.forEach((line, i) => {
      const row = i < needed ? rows[start + i] : undefined;
      line.hidden = row === undefined;
      if (row === undefined) return;
      line.id = `operation-${row}`;
      line.dataset.row = String(row);
      line.className = `line ${marks[model.data.operations.type[row] as number] ?? ""}`;
      line.setAttribute("aria-selected", String(row === selected));
      line.textContent = model.title(row);
      line.style.transform = `translateY(${box.scrollTop + i * LINE}px)`;
    });
  }

  function refresh(): void {
    if (pending) return;
    pending = true;
    page.requestAnimationFrame(() => {
      pending = false;
      draw();
    });
  }

  /** Position of a row in the list, or -1. Rows are in order. */
  function positionOf(row: number): number {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((rows[middle] as number) < row) low = middle + 1;
      else high = middle;
    }
    return rows[low] === row ? low : -1;
  }

  box.addEventListener("scroll", () => refresh());
  box.addEventListener("click", (event) => {
    const row = event.target.closest(".line")?.dataset.row;
    if (row !== undefined) chosen(Number(row));
  });
  box.addEventListener("keydown", (event) => {
    const page = Math.max(1, visibleLines() - 2);
    const steps: { readonly [key: string]: number } = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -rows.length,
      End: rows.length,
    };
    const by = steps[event.key];
    if (by === undefined || rows.length === 0) return;
    event.preventDefault();
    const at = positionOf(selected);
    const next = Math.max(0, Math.min(rows.length - 1, (at < 0 ? first() - Math.sign(by) : at) + by));
    chosen(rows[next] as number);
  });

  return {
    show(next) {
      rows = next;
      spacer.style.height = `${tall()}px`;
      box.scrollTop = 0;
      refresh();
    },
    select(row) {
      selected = row;
      const position = positionOf(row);
      if (position >= 0) {
        box.setAttribute("aria-activedescendant", `operation-${row}`);
        const start = first();
        const fits = Math.floor(box.clientHeight / LINE);
        if (position < start || position >= start + fits) {
          const share = Math.max(0, position - fits / 2) / Math.max(1, rows.length - fits);
          box.scrollTop = Math.min(1, share) * (tall() - box.clientHeight);
        }
      }
      refresh();
    },
  };
}
