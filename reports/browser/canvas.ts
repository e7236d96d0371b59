/**
 * Draws the timeline: time from left to right, a head of faults and leaders, a lane per client or node below. Only
 * what is in view is drawn, found by bisection, so that the cost of a frame follows the window and not the run.
 */
import type { Canvas, Element, Page, Pen } from "./dom.ts";
import type { Lane, Model } from "./model.ts";

export interface Board {
  /** Draws soon; many calls give one frame. */
  refresh(): void;
  setLanes(lanes: readonly Lane[]): void;
  /** Rows that stand out, or undefined for all. */
  setMatches(rows: readonly number[] | undefined): void;
  select(row: number): void;
  /** Shows [from, until], in microseconds. */
  look(from: number, until: number): void;
  /** The same with some room on both sides. */
  fit(from: number, until: number): void;
  /** Keeps the row in view, moving no more than needed. */
  reveal(row: number): void;
  zoom(factor: number, around?: number): void;
  pan(share: number): void;
  readonly view: { readonly from: number; readonly span: number };
}

export interface Hooks {
  hovered(row: number, x: number, y: number): void;
  chosen(row: number): void;
}

export function timelineCanvas(
  page: Page,
  model: Model,
  parts: {
    readonly frame: Element;
    readonly spacer: Element;
    readonly canvas: Canvas;
    readonly overview: Canvas;
  },
  hooks: Hooks,
): Board {
  const { frame, spacer, canvas, overview } = parts;
  const { data, from, until, count } = model;
  const { type } = data.operations;
  const LABELS = 72;
  const AXIS = 22;
  const FAULT = 12;
  const NODE = 14;
  const LANE = 18;
  const NARROWEST = 50;
  const end = Math.max(1, data.until);
  const faults = data.faults
    .map((_, fault) => fault)
    .filter((fault) => data.spans.some((span) => span.fault === fault));
  const head = AXIS + faults.length * FAULT + (data.reigns.length > 0 ? data.nodes.length * NODE : 0) + 6;
  const witness = new Set(data.witness);
  let lanes: readonly Lane[] = [];
  const laneOf = new Int32Array(count);
  let matched: Uint8Array | undefined;
  let selected = -1;
  let view = { from: 0, span: end };
  let pending = false;
  let width = 0;
  let height = 0;
  let colours = palette();

  function palette() {
    const style = page.getComputedStyle(page.document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    return {
      ink: colour("ink"),
      muted: colour("muted"),
      line: colour("line"),
      panel: colour("panel"),
      witness: colour("witness"),
      leader: colour("leader"),
      onLeader: colour("on-leader"),
      focus: colour("focus"),
      outcome: [colour("ok"), colour("fail"), colour("info")],
      fault: data.faults.map((_, i) => colour(`fault${i}`)),
    };
  }

  const x = (time: number): number => LABELS + ((time - view.from) / view.span) * (width - LABELS);
  const timeAt = (px: number): number =>
    view.from + ((px - LABELS) / Math.max(1, width - LABELS)) * view.span;

  function setView(start: number, span: number): void {
    const bounded = Math.max(NARROWEST, Math.min(end, span));
    view = { from: Math.max(0, Math.min(end - bounded, start)), span: bounded };
    refresh();
  }

  function refresh(): void {
    if (pending) return;
    pending = true;
    page.requestAnimationFrame(() => {
      pending = false;
      draw();
    });
  }

  /** Sizes a canvas to its box, in the pixels of the screen; returns its pen, scaled to those of the style sheet. */
  function pen(target: Canvas, w: number, h: number): Pen | null {
    const scale = page.devicePixelRatio || 1;
    if (target.width !== Math.round(w * scale) || target.height !== Math.round(h * scale)) {
      target.width = Math.round(w * scale);
      target.height = Math.round(h * scale);
      target.style.width = `${w}px`;
      target.style.height = `${h}px`;
    }
    const context = target.getContext("2d");
    context?.setTransform(scale, 0, 0, scale, 0, 0);
    context?.clearRect(0, 0, w, h);
    return context;
  }

  function draw(): void {
    width = frame.clientWidth;
    height = frame.clientHeight;
    const p = pen(canvas, width, height);
    if (p === null) return;
    p.font = "11px system-ui, sans-serif";
    p.textBaseline = "middle";
    p.save();
    p.beginPath();
    p.rect(LABELS, 0, width - LABELS, height);
    p.clip();
    drawAxis(p);
    drawBands(p);
    drawHead(p);
    p.beginPath();
    p.rect(LABELS, head, width - LABELS, height - head);
    p.clip();
    drawLanes(p);
    p.restore();
    drawLabels(p);
    drawOverview();
  }

  /** Steps of 1, 2 or 5 times a power of ten, at least 90 pixels apart. */
  function step(): number {
    const least = (view.span * 90) / Math.max(1, width - LABELS);
    let unit = 1;
    while (unit * 10 <= least) unit *= 10;
    return unit * ([1, 2, 5, 10].find((factor) => unit * factor >= least) ?? 10);
  }

  function drawAxis(p: Pen): void {
    const unit = step();
    const digits =
      unit >= 1e6 ? 0 : unit >= 1e5 ? 1 : unit >= 1e4 ? 2 : unit >= 1e3 ? 3 : unit >= 100 ? 4 : 6;
    p.textAlign = "center";
    for (let time = Math.ceil(view.from / unit) * unit; time <= view.from + view.span; time += unit) {
      p.fillStyle = colours.line;
      p.fillRect(Math.round(x(time)), AXIS - 4, 1, height);
      p.fillStyle = colours.muted;
      // One that would be cut off at an edge is left out.
      if (x(time) > LABELS + 20 && x(time) < width - 20)
        p.fillText(`${(time / 1e6).toFixed(digits)} s`, x(time), AXIS / 2);
    }
    p.textAlign = "left";
    for (const phase of data.phases) {
      if (phase.at < view.from || phase.at > view.from + view.span || phase.name === "end") continue;
      p.fillStyle = colours.muted;
      p.globalAlpha = 0.6;
      p.fillRect(Math.round(x(phase.at)), AXIS - 4, 1.5, height);
      p.globalAlpha = 1;
      p.fillText(phase.name, x(phase.at) + 4, height - 8);
    }
  }

  function drawBands(p: Pen): void {
    for (const span of data.spans) {
      if (span.until < view.from || span.from > view.from + view.span) continue;
      const left = x(span.from);
      const wide = Math.max(1, x(span.until) - left);
      p.fillStyle = colours.fault[span.fault] as string;
      p.globalAlpha = 0.13;
      p.fillRect(left, AXIS, wide, height);
      p.globalAlpha = 1;
      p.fillRect(left, AXIS + faults.indexOf(span.fault) * FAULT + 1, Math.max(2, wide), FAULT - 3);
    }
  }

  function drawHead(p: Pen): void {
    if (data.reigns.length === 0) return;
    const top = AXIS + faults.length * FAULT;
    p.textAlign = "left";
    for (const span of data.spans) {
      if (span.until < view.from || span.from > view.from + view.span) continue;
      p.fillStyle = colours.fault[span.fault] as string;
      p.globalAlpha = 0.45;
      for (const node of span.down)
        p.fillRect(x(span.from), top + node * NODE + 2, Math.max(2, x(span.until) - x(span.from)), NODE - 4);
      p.globalAlpha = 1;
    }
    for (const reign of data.reigns) {
      if (reign.until < view.from || reign.from > view.from + view.span) continue;
      const left = Math.max(LABELS, x(reign.from));
      const wide = Math.max(2, x(reign.until) - left);
      p.fillStyle = colours.leader;
      p.fillRect(left, top + reign.node * NODE + 1, wide, NODE - 2);
      const label = wide > 120 ? `leads term ${reign.term}` : `${reign.term}`;
      if (wide > p.measureText(label).width + 6) {
        p.fillStyle = colours.onLeader;
        p.fillText(label, left + 3, top + reign.node * NODE + NODE / 2 + 0.5);
      }
    }
  }

  /** First row of the lane that ends after `time`. */
  function firstVisible(rows: readonly number[], time: number): number {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((until[rows[middle] as number] as number) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function drawLanes(p: Pen): void {
    const scroll = frame.scrollTop;
    const first = Math.max(0, Math.floor(scroll / LANE));
    const last = Math.min(lanes.length, first + Math.ceil((height - head) / LANE) + 1);
    const right = view.from + view.span;
    const outlined: number[] = [];
    for (let lane = first; lane < last; lane++) {
      const { rows } = lanes[lane] as Lane;
      const top = head + lane * LANE - scroll + 3;
      let drawnTo = -1;
      let drawnRank = -1;
      for (let i = firstVisible(rows, view.from); i < rows.length; i++) {
        const row = rows[i] as number;
        const start = from[row] as number;
        if (start > right) break;
        if (witness.has(row) || row === selected) outlined.push(row);
        const left = x(start);
        const wide = x(until[row] as number) - left;
        const kind = type[row] as number;
        const dim = matched !== undefined && matched[row] !== 1;
        // Many operations share a pixel when zoomed out: the gravest of them is what one should see.
        const rank = dim ? 0 : kind + 1;
        if (wide < 1) {
          const pixel = Math.floor(left);
          if (pixel === drawnTo && rank <= drawnRank) continue;
          drawnTo = pixel;
          drawnRank = rank;
        }
        drawBar(p, kind, left, top, Math.max(1, wide - 0.5), dim);
      }
    }
    for (const row of outlined) outline(p, row);
  }

  /** Told apart by shape as well as by colour: fail is low, info is hollow. */
  function drawBar(p: Pen, kind: number, left: number, top: number, wide: number, dim: boolean): void {
    const shown = Math.max(left, LABELS - 4);
    const rest = Math.min(wide - (shown - left), width - shown + 4);
    p.globalAlpha = dim ? 0.13 : 1;
    p.fillStyle = colours.outcome[kind] as string;
    if (kind === 1) p.fillRect(shown, top + 7, rest, 5);
    else if (kind === 0 || rest < 4) p.fillRect(shown, top, rest, LANE - 6);
    else {
      p.globalAlpha = dim ? 0.05 : 0.3;
      p.fillRect(shown, top, rest, LANE - 6);
      p.globalAlpha = dim ? 0.13 : 1;
      p.strokeStyle = colours.outcome[kind] as string;
      p.lineWidth = 1;
      p.strokeRect(shown + 0.5, top + 0.5, rest - 1, LANE - 7);
    }
    p.globalAlpha = 1;
  }

  function outline(p: Pen, row: number): void {
    const left = Math.max(x(from[row] as number), LABELS - 4);
    const wide = Math.max(4, Math.min(x(until[row] as number), width + 4) - left);
    const top = head + (laneOf[row] as number) * LANE - frame.scrollTop + 1;
    p.lineWidth = row === selected ? 3 : 2;
    p.strokeStyle = row === selected ? colours.ink : colours.witness;
    p.strokeRect(left - 1.5, top, wide + 3, LANE - 2);
    if (row === selected && witness.has(row)) {
      p.lineWidth = 2;
      p.strokeStyle = colours.witness;
      p.strokeRect(left - 4, top - 2, wide + 8, LANE + 2);
    }
  }

  function drawLabels(p: Pen): void {
    p.textAlign = "right";
    p.fillStyle = colours.muted;
    const label = (text: string, y: number): void => {
      const short = text.length > 11 ? `${text.slice(0, 10)}…` : text;
      p.fillText(short, LABELS - 6, y);
    };
    faults.forEach((fault, i) => {
      label(data.faults[fault] as string, AXIS + i * FAULT + FAULT / 2);
    });
    const top = AXIS + faults.length * FAULT;
    if (data.reigns.length > 0) {
      data.nodes.forEach((node, i) => {
        label(node, top + i * NODE + NODE / 2);
      });
    }
    p.fillStyle = colours.line;
    p.fillRect(0, head - 2, width, 1);
    p.save();
    p.beginPath();
    p.rect(0, head, LABELS, height - head);
    p.clip();
    p.fillStyle = colours.muted;
    const first = Math.max(0, Math.floor(frame.scrollTop / LANE));
    for (let lane = first; lane < lanes.length; lane++) {
      const y = head + lane * LANE - frame.scrollTop;
      if (y > height) break;
      label((lanes[lane] as Lane).label, y + LANE / 2);
    }
    p.restore();
  }

  /** How many operations there were, with those that failed on top, and where the window stands. */
  let density: { readonly all: Float64Array; readonly bad: Float64Array; readonly most: number } | undefined;
  function densities(slots: number) {
    if (density !== undefined && density.all.length === slots) return density;
    const all = new Float64Array(slots);
    const bad = new Float64Array(slots);
    let most = 1;
    for (let row = 0; row < count; row++) {
      const slot = Math.min(slots - 1, Math.floor(((from[row] as number) / end) * slots));
      all[slot] = (all[slot] as number) + 1;
      if (type[row] !== 0) bad[slot] = (bad[slot] as number) + 1;
      most = Math.max(most, all[slot] as number);
    }
    density = { all, bad, most };
    return density;
  }

  function drawOverview(): void {
    const high = overview.clientHeight;
    const p = pen(overview, width, high);
    if (p === null || width <= LABELS) return;
    const slots = Math.max(1, Math.floor((width - LABELS) / 2));
    const { all, bad, most } = densities(slots);
    const place = (time: number): number => LABELS + (time / end) * (width - LABELS);
    for (const span of data.spans) {
      p.fillStyle = colours.fault[span.fault] as string;
      p.globalAlpha = 0.2;
      p.fillRect(place(span.from), 0, Math.max(1, place(span.until) - place(span.from)), high);
    }
    p.globalAlpha = 1;
    for (let slot = 0; slot < slots; slot++) {
      const tall = ((all[slot] as number) / most) * (high - 4);
      p.fillStyle = colours.outcome[0] as string;
      p.fillRect(LABELS + slot * 2, high - tall, 1.5, tall);
      const low = ((bad[slot] as number) / most) * (high - 4);
      p.fillStyle = colours.outcome[2] as string;
      p.fillRect(LABELS + slot * 2, high - low, 1.5, low);
    }
    p.fillStyle = colours.witness;
    for (const row of data.witness) p.fillRect(place(from[row] as number) - 1, 0, 2, high);
    p.strokeStyle = colours.focus;
    p.lineWidth = 2;
    const left = place(view.from);
    p.strokeRect(left + 1, 1, Math.max(3, place(view.from + view.span) - left - 2), high - 2);
    p.textAlign = "right";
    p.textBaseline = "middle";
    p.fillStyle = colours.muted;
    p.font = "11px system-ui, sans-serif";
    p.fillText("whole run", LABELS - 6, high / 2);
  }

  /** The operation under a point of the canvas, or -1. */
  function pick(px: number, py: number): number {
    if (px < LABELS || py < head) return -1;
    const lane = lanes[Math.floor((py - head + frame.scrollTop) / LANE)];
    if (lane === undefined) return -1;
    const reach = (4 / (width - LABELS)) * view.span;
    const time = timeAt(px);
    let best = -1;
    let distance = reach;
    for (let i = firstVisible(lane.rows, time - reach); i < lane.rows.length; i++) {
      const row = lane.rows[i] as number;
      if ((from[row] as number) > time + reach) break;
      const off = Math.max(0, (from[row] as number) - time, time - (until[row] as number));
      // Behind an operation that fills the point, nothing is looked for.
      if (off <= distance && (best < 0 || off < distance)) {
        best = row;
        distance = off;
      }
    }
    return best;
  }

  let drag: { readonly x: number; readonly from: number; moved: boolean } | undefined;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, from: view.from, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    if (drag !== undefined && event.buttons !== 0) {
      const by = event.clientX - drag.x;
      if (Math.abs(by) > 3) drag.moved = true;
      if (drag.moved) setView(drag.from - (by / (width - LABELS)) * view.span, view.span);
      return;
    }
    hooks.hovered(pick(event.clientX - box.left, event.clientY - box.top), event.clientX, event.clientY);
  });
  canvas.addEventListener("pointerup", (event) => {
    const box = canvas.getBoundingClientRect();
    if (drag !== undefined && !drag.moved) {
      const row = pick(event.clientX - box.left, event.clientY - box.top);
      if (row >= 0) hooks.chosen(row);
    }
    drag = undefined;
  });
  canvas.addEventListener("pointerleave", () => hooks.hovered(-1, 0, 0));
  canvas.addEventListener("dblclick", (event) => {
    zoom(0.25, timeAt(event.clientX - canvas.getBoundingClientRect().left));
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      const sideways =
        Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
      if (event.ctrlKey || event.metaKey) {
        const at = timeAt(event.clientX - canvas.getBoundingClientRect().left);
        zoom(event.deltaY > 0 ? 1.25 : 0.8, at);
      } else if (sideways !== 0) setView(view.from + (sideways / (width - LABELS)) * view.span, view.span);
      else return;
      event.preventDefault();
    },
    { passive: false },
  );
  const toOverview = (clientX: number): void => {
    const box = overview.getBoundingClientRect();
    const time = ((clientX - box.left - LABELS) / Math.max(1, width - LABELS)) * end;
    setView(time - view.span / 2, view.span);
  };
  overview.addEventListener("pointerdown", (event) => {
    overview.setPointerCapture(event.pointerId);
    if (view.span >= end) setView(view.from, end / 8);
    toOverview(event.clientX);
  });
  overview.addEventListener("pointermove", (event) => {
    if (event.buttons !== 0) toOverview(event.clientX);
  });
  frame.addEventListener("scroll", () => refresh());
  page.addEventListener("resize", () => refresh());
  const recolour = (): void => {
    colours = palette();
    draw();
  };
  page.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  page.matchMedia("print").addEventListener("change", recolour);

  function zoom(factor: number, around: number = view.from + view.span / 2): void {
    const span = Math.max(NARROWEST, Math.min(end, view.span * factor));
    setView(around - ((around - view.from) / view.span) * span, span);
  }

  return {
    refresh,
    setLanes(next) {
      lanes = next;
      next.forEach((lane, i) => {
        for (const row of lane.rows) laneOf[row] = i;
      });
      const tall = head + next.length * LANE + 8;
      spacer.style.height = `${tall}px`;
      frame.style.height = `min(${tall + 2}px, 75vh)`;
      refresh();
    },
    setMatches(rows) {
      matched = undefined;
      if (rows !== undefined) {
        matched = new Uint8Array(count);
        for (const row of rows) matched[row] = 1;
      }
      refresh();
    },
    select(row) {
      selected = row;
      refresh();
    },
    look(start, stop) {
      setView(start, stop - start);
    },
    fit(start, stop) {
      const span = Math.max(NARROWEST, (stop - start) * 1.4);
      setView((start + stop) / 2 - span / 2, span);
    },
    reveal(row) {
      const [start, stop] = [from[row] as number, until[row] as number];
      if (start < view.from || start > view.from + view.span) setView(start - view.span / 3, view.span);
      else if (stop - start > view.span) setView(start - view.span / 8, view.span);
      const top = (laneOf[row] as number) * LANE;
      const room = frame.clientHeight - head;
      if (top < frame.scrollTop) frame.scrollTop = top;
      else if (top + LANE > frame.scrollTop + room) frame.scrollTop = top + LANE - room;
      refresh();
    },
    zoom,
    pan(share) {
      setView(view.from + share * view.span, view.span);
    },
    get view() {
      return view;
    },
  };
}
